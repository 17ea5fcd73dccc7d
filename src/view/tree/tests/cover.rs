//! The patient in each field of each segment, and in a value of each type.

use crate::hl7::Message;
use crate::view::alert::sentences;
use crate::view::{Tree, TreeOptions};

const HEAD: &str = "MSH|^~\\&|GW^00A037EB2175780F^EUI-64|HOSP|||20261129145000+0000||ORU^R01^ORU_R01|1|P|2.6\r\
    PID|||MRN445566^^^A^MR~1283464288^^^B^MR||Smithers^Wilhelmina^^^^^L||19470213|F\r";
const ALARM: &str = "MSH|^~\\&|GW^00A037EB2175780F^EUI-64|HOSP|||20261129145000+0000||ORU^R40^ORU_R40|1|P|2.6\r\
    PID|||MRN445566^^^A^MR~1283464288^^^B^MR||Smithers^Wilhelmina^^^^^L||19470213|F\r";

/// Everything that is shown of a message: JSON, rows, and the sentences of its alarms.
fn everything(text: &str) -> String {
    let tree = Tree::new(&Message::parse(text.as_bytes()).unwrap(), &TreeOptions::default());
    let full = TreeOptions { full: true, ..TreeOptions::default() };
    let whole = Tree::new(&Message::parse(text.as_bytes()).unwrap(), &full);
    format!("{tree:?}\n{whole:?}\n{}", sentences(Some("PCD-04"), text.as_bytes()).join("\n"))
}

#[track_caller]
fn assert_covered(text: &str, shown: &str) {
    for secret in ["smithers", "wilhelmina", "mrn445566", "1283464288"] {
        assert!(!shown.to_lowercase().contains(secret), "{secret}: {text}\n{shown}");
    }
}

/// What a sender may write into a field.
const FORMS: [&str; 9] = [
    "Smithers",
    "x^Smithers^y",
    "1^MDC_DIM_PERCENT^MDC^Smithers^MRN445566^MDC",
    "Smithers^MDC_PULS_OXIM_SAT_O2^MDC",
    "MRN445566^MDC_DIM_PERCENT^MDC",
    "F~Smithers",
    "20260101&Smithers",
    "^^^^^^^^Wilhelmina Smithers",
    "12 Smithers",
];

const SEGMENTS: [&str; 17] = [
    "OBR", "OBX", "NTE", "MSA", "ERR", "ORC", "RXO", "RXE", "RXG", "RXR", "RXC", "RXD", "RXA", "TQ1", "PRT",
    "SPM", "SAC",
];

#[test]
fn the_patient_in_any_field_of_any_segment_is_covered() {
    for segment in SEGMENTS {
        for n in 1..=34 {
            let fields: String =
                FORMS.iter().map(|form| format!("{segment}{}{form}\r", "|".repeat(n))).collect();
            let request = "OBR|1||F1|182777000^monitoring of patient^SCT\r";
            let text = format!("{HEAD}{request}{fields}");
            assert_covered(&text, &everything(&text));
        }
    }
}

/// HL7 table 0125, no type, and one that does not exist.
const TYPES: [&str; 43] = [
    "AD", "CD", "CE", "CF", "CK", "CN", "CNE", "CP", "CQ", "CWE", "CX", "DR", "DT", "DTM", "ED", "EI", "FC",
    "FT", "ID", "IS", "JCC", "MA", "MO", "NA", "NM", "PL", "PN", "RP", "SI", "SN", "ST", "TM", "TN", "TS",
    "TX", "XAD", "XCN", "XON", "XPN", "XTN", "", "nm", "Smithers",
];

#[test]
fn the_patient_in_a_value_of_any_type_is_covered() {
    let forms: Vec<_> = FORMS.iter().chain(&["1^Smithers^3", "Smithers^88", "Smithers MRN445566"]).collect();
    for kind in TYPES {
        let of = |term: &str| -> String {
            let units = "262688^MDC_DIM_PERCENT^MDC";
            forms.iter().map(|form| format!("OBX|1|{kind}|{term}|1.1.1.1|{form}|{units}|||||F\r")).collect()
        };
        let terms = ["150456^MDC_PULS_OXIM_SAT_O2^MDC", "Smithers^MDC_PULS_OXIM_SAT_O2^MDC", "^MRN445566"];
        let text = format!("{HEAD}OBR|1||F1\r{}", terms.map(of).concat());
        assert_covered(&text, &everything(&text));
    }
}

#[test]
fn the_patient_in_any_field_of_an_alarm_is_covered() {
    let facets = [
        "OBX|1|CWE|196616^MDC_EVT_ALARM^MDC|1.1.1.1.1|196670^MDC_EVT_LO^MDC|||PH~SP|||F|||20260101||||D1",
        "OBX|2|NM|150456^MDC_PULS_OXIM_SAT_O2^MDC|1.1.1.1.2|85|262688^MDC_DIM_PERCENT^MDC|90-100||||F",
        "OBX|3|ST|68481^MDC_ATTR_EVENT_PHASE^MDC|1.1.1.1.3|start||||||F",
        "OBX|4|ST|68482^MDC_ATTR_ALARM_STATE^MDC|1.1.1.1.4|active||||||F",
        "OBX|5|ST|68483^MDC_ATTR_ALARM_INACTIVATION_STATE^MDC|1.1.1.1.5|enabled||||||F",
        "OBX|6|ST|68484^MDC_ATTR_ALARM_PRIORITY^MDC|1.1.1.1.6|PH||||||F",
        "OBX|7|CWE|68480^MDC_ATTR_ALERT_SOURCE^MDC|1.1.1.1.7|69985^MDC_DEV_PUMP_INFUS_MDS^MDC||||||F",
    ];
    for at in 0..facets.len() {
        for n in 2..=20 {
            for form in FORMS.iter().chain(&["1283464288", "1283464288^MDC_EVT_LO^MDC"]) {
                // A measured number is a number, and so are a limit and a probability.
                let is_number = at == 1 && [5, 7].contains(&n) || n == 9;
                if is_number && form.starts_with("1283464288") {
                    continue;
                }
                let changed: String = facets
                    .iter()
                    .enumerate()
                    .map(|(number, facet)| {
                        let mut fields: Vec<&str> = facet.split('|').collect();
                        fields.resize(21, "");
                        if number == at {
                            fields[n] = form;
                        }
                        fields.join("|") + "\r"
                    })
                    .collect();
                let text = format!("{ALARM}OBR|1||F1^GW|196616^MDC_EVT_ALARM^MDC|||20260101\r{changed}");
                assert_covered(&text, &everything(&text));
            }
        }
    }
}

/// A number of the patient in a place, a term or a unit is no measured number.
#[test]
fn a_number_of_the_patient_is_covered_where_no_number_is_measured() {
    for observation in [
        "OBX|1|NM|150456^MDC_PULS_OXIM_SAT_O2^MDC|1283464288|88|262688^MDC_DIM_PERCENT^MDC|||||F",
        "OBX|1|NM|150456^MDC_PULS_OXIM_SAT_O2^MDC|1283464288.1.1.1|88|262688^MDC_DIM_PERCENT^MDC|||||F",
        "OBX|1|NM|1283464288^MDC_PULS_OXIM_SAT_O2^MDC|1.1.1.1|88|1283464288^MDC_DIM_PERCENT^MDC|||||F",
    ] {
        let text = format!("{HEAD}OBR|1||F1\r{observation}\r");
        let shown = everything(&text);
        assert_covered(&text, &shown);
        assert!(shown.contains("MDC_PULS_OXIM_SAT_O2") && shown.contains("88"), "{shown}");
    }
    let measured = "OBX|1|NM|150456^MDC_PULS_OXIM_SAT_O2^MDC|1.1.1.1|1283464288|262688^MDC_DIM_PERCENT^MDC\r";
    assert!(everything(&format!("{HEAD}OBR|1||F1\r{measured}")).contains("1283464288"));
}
