//! What a sender contradicts is marked where it stands.

use crate::hl7::Message;
use crate::pcd::profile::check;
use crate::pcd::{KnownPatient, Transaction};
use crate::view::{Tree, TreeOptions};

const HEAD: &str = "MSH|^~\\&|GW||||20261129145000+0000||ORU^R01^ORU_R01|1|P|2.6\r";

fn tree(text: &str, with_patient: bool) -> serde_json::Value {
    let options = TreeOptions { with_patient, ..TreeOptions::default() };
    serde_json::to_value(Tree::new(&Message::parse(text.as_bytes()).unwrap(), &options)).unwrap()
}

fn observation(term: &str, units: &str) -> serde_json::Value {
    let text = format!("{HEAD}PID|||1\rOBR|1||F1\rOBX|1|NM|{term}|1.1.1.1|16|{units}|||||F\r");
    tree(&text, false)["requests"][0]["observations"][0].clone()
}

fn warnings(text: &str, transaction: Transaction) -> Vec<&'static str> {
    let message = Message::parse(text.as_bytes()).unwrap();
    check(&message, transaction).into_iter().map(|finding| finding.rule).collect()
}

#[test]
fn a_unit_whose_code_and_name_contradict_each_other_says_so() {
    for (units, shown) in [
        ("mm[Hg]^kPa^UCUM", "kPa (contradicts its code mm[Hg])"),
        ("kPa^mmHg^UCUM", "mmHg (contradicts its code kPa)"),
        ("ug/h^mg/h^UCUM", "mg/h (contradicts its code ug/h)"),
        ("mL/min^mL/h^UCUM", "mL/h (contradicts its code mL/min)"),
        ("266016^kPa^MDC", "kPa (contradicts its number 266016)"),
        ("9999999^MDC_DIM_PERCENT^MDC", "MDC_DIM_PERCENT (contradicts its number 9999999)"),
    ] {
        let found = observation("150033^MDC_PRESS_BLD_ART_SYS^MDC", units);
        assert_eq!(found["unit"], shown, "{units}");
        assert_eq!(found["units"]["contradicts-itself"], true, "{units}");
        let text =
            format!("{HEAD}OBR|1||F1\rOBX|1|NM|150033^MDC_PRESS_BLD_ART_SYS^MDC|1.1.1.1|16|{units}|||||F\r");
        assert!(warnings(&text, Transaction::Pcd01).contains(&"obx-unit-contradiction"), "{units}");
    }
    for (units, shown) in [
        ("mm[Hg]^mmHg^UCUM", "mmHg"),
        ("mm[Hg]^mm[Hg]^UCUM", "mmHg"),
        ("266016^mmHg^MDC", "mmHg"),
        ("{beat}/min^/min^UCUM", "/min"),
        ("0^MDC_DIM_PERCENT^MDC", "%"),
        ("3475^ug/kg/min^UCUM", "mcg/kg/min"),
    ] {
        let found = observation("150033^MDC_PRESS_BLD_ART_SYS^MDC", units);
        assert_eq!(
            (&found["unit"], found["units"].get("contradicts-itself")),
            (&shown.into(), None),
            "{units}"
        );
    }
}

#[test]
fn a_term_that_contradicts_its_number_says_so_where_it_stands() {
    let shown = |term: &str| {
        let text = format!("{HEAD}OBR|1||F1|{term}\rOBX|1|CWE|{term}|1.1.1.1|{term}\r");
        let options = TreeOptions::default();
        let tree = Tree::new(&Message::parse(text.as_bytes()).unwrap(), &options);
        let node = &tree.requests[0].observations[0];
        let texts = [tree.requests[0].service.text(), node.term.text(), node.value.clone().unwrap()];
        assert!(texts.iter().all(|text| *text == texts[0]), "{texts:?}");
        (texts[0].clone(), warnings(&text, Transaction::Pcd01))
    };
    let (text, warned) = shown("150456^MDC_ECG_CARD_BEAT_RATE^MDC");
    assert_eq!(text, "MDC_ECG_CARD_BEAT_RATE (contradicts its number 150456)");
    assert!(warned.contains(&"obx-term-contradiction"), "{warned:?}");
    let (text, warned) = shown("150456^Heart rate^MDC");
    assert_eq!(text, "Heart rate (150456, in MDC: SpO2)");
    assert!(warned.contains(&"obx-term-text"), "{warned:?}");
    for same in ["150456^SpO2^MDC", "150456^MDC_PULS_OXIM_SAT_O2^MDC", "150456^^MDC", "150456^Heart rate^L"] {
        let (text, warned) = shown(same);
        assert!(!text.contains("in MDC") && !text.contains("contradicts"), "{text}");
        assert!(!warned.contains(&"obx-term-text"), "{same}: {warned:?}");
    }
}

#[test]
fn an_order_shows_all_its_numbers_and_units_that_contradict_themselves() {
    let text = "MSH|^~\\&|EHR||PUMP||20261129145000+0000||RGV^O15^RGV_O15|1|P|2.6\rPID|||1\rORC|RE|P1\r\
        RXG|1||||99||263890^MDC_DIM_MILLI_L^MDC||||||||3~4|265266^MDC_DIM_MILLI_L_PER_MIN^MDC\r\
        TQ1|1||||||||||||90&264352&MDC_DIM_HR&MDC\r";
    let field = |tree: &serde_json::Value, name: &str| {
        let segments = tree["requests"][0]["segments"].as_array().unwrap().clone();
        let fields =
            segments.iter().flat_map(|it| it["fields"].as_array().unwrap().clone()).collect::<Vec<_>>();
        fields.into_iter().find(|field| field["field"] == name).unwrap()["value"].clone()
    };
    let hidden = tree(text, false);
    assert_eq!(field(&hidden, "RXG-15"), "3; 4");
    let unit = field(&hidden, "RXG-16");
    assert!(unit.as_str().unwrap().contains("(contradicts its number 265266"), "{unit}");
    let warned = warnings(text, Transaction::Pcd03);
    assert!(warned.contains(&"order-unit-contradiction"), "{warned:?}");
}

#[test]
fn values_of_two_patients_say_whose_they_are() {
    let text = format!(
        "{HEAD}PID|||MRN700001||Anderson^Ingrid\rNTE|1||about Ingrid\rPV1||I|A^1^1\rOBR|1||F1\r\
         OBX|1|NM|147842^MDC_ECG_CARD_BEAT_RATE^MDC|1.1.1.1|80\rPID|||MRN700002||Lundqvist^Bo\r\
         NTE|1||about Bo\rPV1||I|B^2^2\rOBR|2||F2\rOBX|1|NM|147842^MDC_ECG_CARD_BEAT_RATE^MDC|1.1.1.1|40\r"
    );
    let hidden = tree(&text, false);
    assert_eq!((&hidden["patients"], hidden.get("patient")), (&2.into(), None));
    assert_eq!(
        (&hidden["requests"][0]["patient"], &hidden["requests"][1]["patient"]),
        (&1.into(), &2.into())
    );
    let shown = tree(&text, true);
    assert_eq!(
        (&shown["patient"]["name"], &shown["patient"]["location"]),
        (&"Anderson^Ingrid".into(), &"A^1^1".into())
    );
    let second = &shown["further-patients"][0];
    assert_eq!((&second["name"], &second["location"]), (&"Lundqvist^Bo".into(), &"B^2^2".into()));
    assert_eq!(second["notes"], serde_json::json!(["about Bo"]));
    assert!(warnings(&text, Transaction::Pcd01).contains(&"patient-several"));
    let known = Message::parse(text.as_bytes()).unwrap();
    let known = KnownPatient::of(&known, known.text_encoding());
    assert_eq!(known.hide("Anderson, Lundqvist".to_owned()), "[patient], [patient]");
}
