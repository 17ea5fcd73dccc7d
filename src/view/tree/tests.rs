use super::*;

mod contradiction;
mod cover;
mod structure;

const PATIENT: &[u8] = b"MSH|^~\\&|A||||20260101120000+0000||ORU^R01^ORU_R01|1|P|2.6\r\
    PID|||SECRET-1^^^H^PI||Secret^Name||19700101|F\rPV1||I|Ward^7\r\
    OBR|1||F1|69965^MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS^MDC|||20260101115959\r\
    OBX|1|NM|150456^MDC_PULS_OXIM_SAT_O2^MDC|1.1.1.150456|97.00|262688^MDC_DIM_PERCENT^MDC|90-100|TEST|||R\r\
    OBX|2|ST|67932^MDC_ATTR_PT_NAME_FAMILY^MDC|1.0.0.9|Secret\r";

fn json(message: &[u8], options: &TreeOptions) -> serde_json::Value {
    serde_json::to_value(Tree::new(&Message::parse(message).unwrap(), options)).unwrap()
}

fn with_patient() -> TreeOptions {
    TreeOptions { with_patient: true, ..TreeOptions::default() }
}

/// A message with this text behind its OBR.
fn observed(rest: &str) -> Vec<u8> {
    format!(
        "MSH|^~\\&|A||||20260101120000+0000||ORU^R01^ORU_R01|1|P|2.6\rPID|||7788-1||Smith^Anna\rOBR|1\r{rest}"
    )
    .into_bytes()
}

fn nodes(rest: &str) -> Vec<serde_json::Value> {
    let shown = json(&observed(rest), &TreeOptions::default());
    shown["requests"][0]["observations"].as_array().unwrap().clone()
}

#[test]
fn the_patient_is_shown_only_on_request() {
    let hidden = json(PATIENT, &TreeOptions::default()).to_string();
    assert!(!hidden.contains("ecret") && !hidden.contains("SECRET"), "{hidden}");
    let shown = json(PATIENT, &with_patient());
    assert_eq!(shown["patient"]["name"], "Secret^Name");
    let observations = &shown["requests"][0]["observations"];
    let metric = observations.as_array().unwrap().iter().find(|node| node["value"] == "97.00").unwrap();
    assert_eq!((&metric["level"], &metric["not-clinical"]), (&"metric".into(), &true.into()));
    assert_eq!((&metric["units"]["name"], &metric["unit"]), (&"MDC_DIM_PERCENT".into(), &"%".into()));
}

// B.8, OBX-6: either may be the unit, and the value another one.
#[test]
fn a_unit_whose_number_and_reference_id_contradict_has_both() {
    let glucose = "OBX|1|NM|160184^MDC_CONC_GLU_CAPILLARY_WHOLEBLOOD^MDC|1.1.1.1|5.6|";
    let unit = |units: &str| nodes(&format!("{glucose}{units}^MDC|||||F\r"))[0]["unit"].clone();
    let both = "MDC_DIM_MILLI_G_PER_DL (contradicts its number 266866)";
    assert_eq!(unit("266866^MDC_DIM_MILLI_G_PER_DL"), both);
    assert_eq!(unit("266866^MDC_DIM_MILLI_MOLE_PER_L"), "mmol/L");
}

#[test]
fn every_field_of_a_hidden_observation_and_its_notes_are_hidden() {
    for term in ["67931^SECRET^MDC", "^mdc_attr_pt_name", "SECRET^SECRET^L^67930^SECRET^MDC", r"\X36\7931"] {
        let fields = "SECRET|".repeat(20);
        let marked = observed(&format!(
            "OBX|1|ST|{term}|1.0.0.9|SECRET|{fields}\rADD|SECRET\rNTE|1|SECRET|SECRET|SECRET\r"
        ));
        let shown = json(&marked, &TreeOptions::default());
        assert!(!shown.to_string().contains("SECRET"), "{term}: {shown:#}");
        assert_eq!(shown["requests"][0]["observations"][0]["value"], serde_json::Value::Null);
        let term = shown["requests"][0]["observations"][0]["term"]["name"].as_str().unwrap();
        assert!(term.starts_with("MDC_ATTR_PT_"), "{term}");
        assert!(json(&marked, &with_patient()).to_string().contains("SECRET"));
    }
}

#[test]
fn names_and_numbers_of_the_patient_are_hidden_in_free_text() {
    let rest = "NTE|1||smith is restless\rOBX|1|ST|1^X^MDC|1.0.0.1|Bed of ANNA Smith|||||||||20260101|||||||Smith 7788-1\r\
        NTE|1||7788-1 moved; Smithers, blacksmith stay\rOBX|2|NM|2^Y^MDC|1.0.0.2|7788\r";
    let hidden = json(&observed(rest), &TreeOptions::default());
    let request = &hidden["requests"][0];
    assert_eq!(request["notes"][0], "[patient] is restless");
    assert_eq!(request["observations"][0]["value"], "Bed of [patient]", "both names as one");
    assert_eq!(request["observations"][0]["notes"][0], "[patient] moved; Smithers, blacksmith stay");
    assert_eq!(request["observations"][1]["value"], "7788", "numbers are measured");
    let shown = json(&observed(rest), &with_patient());
    assert_eq!(shown["requests"][0]["observations"][0]["value"], "Bed of ANNA Smith");
}

#[test]
fn a_note_about_the_patient_and_an_event_that_is_patient_data_are_hidden() {
    let alert = "MSH|^~\\&|A||||2026||ORU^R40^ORU_R40|1|P|2.6\rPID|||1\rNTE|1||SECRET\rOBR|1||E1|196616^MDC_EVT_ALARM^MDC\r\
        OBX|1|ST|67931^MDC_ATTR_PT_NAME^MDC|1.3.1.1.1|SECRET\r";
    let hidden = json(alert.as_bytes(), &TreeOptions::default());
    assert!(!hidden.to_string().contains("SECRET"), "{hidden:#}");
    assert_eq!(json(alert.as_bytes(), &with_patient())["patient"]["notes"][0], "SECRET");
    // A line without a separator is no name of a segment.
    let odd = b"MSH|^~\\&|A||||2026||ADT^A01|1|P|2.6\rEVN|\rSECRET NAME\rPID\r";
    assert_eq!(json(odd, &TreeOptions::default())["segments"], serde_json::json!(["MSH", "EVN", "?", "PID"]));
}

#[test]
fn withdrawn_results_come_first_and_are_not_valid() {
    let found = nodes(
        "OBX|1|NM|1^A^MDC|1.0.0.1|1||||||F\rOBX|2|NM|2^B^MDC|1.0.0.2|2||||||W\rOBX|3|NM|3^C^MDC|1.0.0.3|3||||||d\r",
    );
    let seen: Vec<_> = found
        .iter()
        .map(|node| (node["path"].as_str().unwrap(), node["status-name"].as_str().unwrap()))
        .collect();
    assert_eq!(seen, [("1.0.0.2", "wrong"), ("1.0.0.3", "deleted"), ("1.0.0.1", "final")]);
    assert_eq!(found.iter().filter(|node| node["is-withdrawn"] == true).count(), 2);
}

#[test]
fn a_laboratory_result_has_no_place_in_a_device() {
    let found =
        nodes("OBX|1|NM|718-7^Hemoglobin^LN|1|7.2\rOBX|2|NM|4544-3^Hematocrit^LN|2|40\rOBX|3|ST|8^x^LN||y\r");
    let seen: Vec<_> =
        found.iter().map(|node| (node["level"].is_null(), node["sub-id"].as_str().unwrap_or(""))).collect();
    assert_eq!(seen, [(true, "1"), (true, "2"), (true, "")]);
    let device = nodes("OBX|1||69965^MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS^MDC|1\r");
    assert_eq!(device[0]["level"], "mds");
}

#[test]
fn escapes_original_texts_and_long_values_are_shown() {
    let long = "word ".repeat(100);
    let rest = format!(
        "OBX|1|FT|1^A^MDC|1.0.0.1|a\\.br\\b \\H\\c\\N\\ \\F\\\\X41\\\rOBX|2|CWE|2^B^MDC|1.0.0.2|7^Low^MDC^^^^^^SpO2 is low\r\
         OBX|3|CWE|3^C^MDC|1.0.0.3|^^^^^^^^alone\rOBX|4|TX|4^D^MDC|1.0.0.4|{long}\rOBX|5|ED|5^E^L|1.0.0.5|^AP^PDF^Base64^QUJD\r"
    );
    let found = nodes(&rest);
    let value = |at: usize| found[at]["value"].as_str().unwrap();
    assert_eq!(value(0), "a\nb c |A");
    assert_eq!((value(1), value(2)), ("Low (7), “SpO2 is low”", "alone"));
    assert!(value(3).ends_with("word…") && value(3).chars().count() <= 241, "{}", value(3));
    assert_eq!(found[3]["value-bytes"], 500);
    assert_eq!(value(4), "(ED of 19 bytes)");
    let full = TreeOptions { full: true, ..TreeOptions::default() };
    let full = json(&observed(&rest), &full);
    assert_eq!(full["requests"][0]["observations"][3]["value"], long.trim());
    assert_eq!(
        full["requests"][0]["observations"][4]["value"], "(ED of 19 bytes)",
        "documents name patients"
    );
    let all = TreeOptions { full: true, ..with_patient() };
    assert_eq!(
        json(&observed(&rest), &all)["requests"][0]["observations"][4]["value"],
        "^AP^PDF^Base64^QUJD"
    );
}

#[test]
fn a_numeric_alarm_shows_the_metric_as_its_source() {
    let alert = "MSH|^~\\&|A||||2026||ORU^R40^ORU_R40|1|P|2.6\rOBR|1||E1|196616^MDC_EVT_ALARM^MDC\r\
        OBX|1|CWE|196616^MDC_EVT_ALARM^MDC|1.3.1.150456.1|196670^MDC_EVT_LO^MDC\r\
        OBX|2|NM|150456^MDC_PULS_OXIM_SAT_O2^MDC|1.3.1.150456.2|88\r\
        OBX|3|ST|68481^MDC_ATTR_EVENT_PHASE^MDC|1.3.1.150456.3|start\r";
    let shown = json(alert.as_bytes(), &TreeOptions::default());
    assert_eq!(shown["requests"][0]["alert"]["source"], "MDC_PULS_OXIM_SAT_O2 (150456)");
}

#[test]
fn the_head_of_an_alert_has_no_facet_that_does_not_count() {
    let alert = |phase: &str, state: &str, signals: &str| {
        let text = format!(
            "MSH|^~\\&|A||||2026||ORU^R40^ORU_R40|1|P|2.6\rOBR|1||E1|196616^MDC_EVT_ALARM^MDC\r\
            OBX|1|CWE|196616^MDC_EVT_ALARM^MDC|1.3.1.7.1|196670^MDC_EVT_LO^MDC|||L~PM|||F\r\
            OBX|2|ST|68481^MDC_ATTR_EVENT_PHASE^MDC|1.3.1.7.3|{phase}\r\
            OBX|3|ST|68482^MDC_ATTR_ALARM_STATE^MDC|1.3.1.7.4|{state}\r\
            OBX|4|ST|68483^MDC_ATTR_ALARM_INACTIVATION_STATE^MDC|1.3.1.7.5|{signals}\r"
        );
        let tree = Tree::new(&Message::parse(text.as_bytes()).unwrap(), &TreeOptions::default());
        tree.requests[0].alert.clone().unwrap()
    };
    let row = |alert: &AlertFacets, label: &str| {
        alert.rows.iter().find(|(known, _)| *known == label).map(|(_, value)| value.clone()).unwrap()
    };
    let valid = alert("start||||||F", "active||||||F", "enabled||||||F");
    assert_eq!(
        ["phase", "state", "signals"].map(|it| row(&valid, it)),
        ["start", "active", "enabled (audio on)"]
    );
    assert_eq!((row(&valid, "priority"), valid.doubted_facets.len()), ("medium".into(), 0));
    let void = alert("end||||||D", "inactive|||INV|||F", "audio-off||||||X");
    assert_eq!([&void.phase, &void.state, &void.inactivation], ["", "", ""]);
    assert_eq!(
        ["phase", "state", "signals"].map(|it| row(&void, it)),
        ["withdrawn", "invalid", "not obtained"]
    );
    assert_eq!(void.doubted_facets.iter().filter(|facet| !facet.counts).count(), 3);
    let doubted = alert("end|||QUES|||F", "inactive||||||P", "audio-off~nonsense");
    assert_eq!(row(&doubted, "phase"), "end (questionable)");
    assert_eq!(row(&doubted, "state"), "inactive (condition over (preliminary))");
    assert!(row(&doubted, "signals").ends_with("(audio off (also stated: another that is unknown))"));
}

/// HL7 2.7: participations stand between a segment and its notes.
#[test]
fn a_note_behind_a_participation_belongs_to_the_segment_before_both() {
    let message = "MSH|^~\\&|A||||2026||ORU^R01^ORU_R01|1|P|2.7\rPID|||1\rPRT||AD||ATTEND|^Who^Doc\rNTE|1||SECRET\r\
        OBR|1||F1|1^X^MDC\rOBX|1|NM|68063^MDC_ATTR_PT_WEIGHT^MDC|1.0.0.1|81\rPRT||AD||EQUIP\rNTE|1||SECRET\r\
        OBX|2|NM|2^Y^MDC|1.0.0.2|97\rPRT||AD||EQUIP\rNTE|1||finger is cold\r";
    let hidden = json(message.as_bytes(), &TreeOptions::default());
    assert!(!hidden.to_string().contains("SECRET"), "{hidden:#}");
    let observations = &hidden["requests"][0]["observations"];
    assert!(observations.to_string().contains("finger is cold"), "{hidden:#}");
    let shown = json(message.as_bytes(), &with_patient()).to_string();
    assert_eq!(shown.matches("SECRET").count(), 2, "{shown}");
}

#[test]
fn a_field_without_a_place_of_its_own_is_shown_or_named() {
    let rest = "OBX|1|NM|1^A^MDC|1.0.0.1|5,5|||QUES|||F|||||N0001^Nurse|||20260101115900\r\
        PRT||UC||Accepted|^Nurse^Betty||||||20260101115959\rRXG|1|||7^Drug^L|||||||||||2.5|265266^MDC_DIM_MILLI_L_PER_HR^MDC\r\
        ZZZ|1\r";
    let hidden = json(&observed(rest), &TreeOptions::default());
    let node = &hidden["requests"][0]["observations"][0];
    assert_eq!(node["doubt"], "questionable, not of its type");
    let field = |others: &serde_json::Value, name: &str| {
        let found = others.as_array().unwrap().iter().find(|field| field["field"] == name);
        found.unwrap_or_else(|| panic!("{name}: {others:#}"))["value"].clone()
    };
    assert_eq!(field(&node["others"], "OBX-16"), serde_json::Value::Null);
    assert_eq!(field(&node["others"], "OBX-19"), "20260101115900");
    let (prt, rxg) = (&node["participants"][0]["fields"], &hidden["requests"][1]["segments"][0]["fields"]);
    assert_eq!((field(prt, "PRT-4"), field(prt, "PRT-5")), ("Accepted".into(), serde_json::Value::Null));
    assert_eq!((field(rxg, "RXG-15"), field(rxg, "RXG-16")), ("2.5".into(), "mL/h".into()));
    assert_eq!(field(rxg, "RXG-4"), serde_json::Value::Null);
    assert_eq!(hidden["not-shown"], serde_json::json!(["ZZZ"]));
    let shown = json(&observed(rest), &with_patient());
    assert_eq!(field(&shown["requests"][0]["observations"][0]["others"], "OBX-16"), "N0001^Nurse");
    assert_eq!(field(&shown["requests"][1]["segments"][0]["fields"], "RXG-4"), "7^Drug^L");
    let patient = b"MSH|^~\\&|A||||2026||ORU^R01|1|P|2.6\rPID|||1||A|Mother\rPV1||I|||||||||||||||||V991\rNK1|1|Kin\rOBR|1\r";
    let patient = json(patient, &with_patient());
    for (name, value) in [("PID-6", "Mother"), ("PV1-19", "V991"), ("NK1-2", "Kin")] {
        assert_eq!(field(&patient["patient"]["others"], name), value);
    }
}

#[test]
fn the_bed_of_the_patient_and_terms_that_name_the_patient_are_hidden() {
    let message = "MSH|^~\\&|A||||2026||ORU^R01|1|P|2.6\rPID|||7788-1||Smith^Anna\rPV1||I|ICU^B1^B1^HOSP\r\
        OBR|1|O^G^ICU&B1&B1&HOSP|F^G^ICU&B1&B1&HOSP|1^Smith monitor^L\r\
        OBX|1|ST|Smith^bed of Anna^L|1.0.0.1|in ICU-B1-B1|Anna^Anna^L||Smith|||F\r";
    let hidden = json(message.as_bytes(), &TreeOptions::default());
    let text = hidden.to_string();
    assert!(!["Smith", "Anna", "B1"].iter().any(|part| text.contains(part)), "{hidden:#}");
    assert_eq!(hidden["requests"][0]["filler"], "F^G^[patient]");
    let shown = json(message.as_bytes(), &with_patient());
    assert_eq!(shown["requests"][0]["filler"], "F^G^ICU&B1&B1&HOSP");
}

#[test]
fn a_missing_sample_of_a_waveform_has_its_place() {
    assert_eq!(nodes("OBX|1|NA|1^W^MDC|1.0.0.1|1^2^^-5~7^8\r")[0]["value"], "1^2^^-5; 7^8");
}

// A reader of `X^00A0…` takes it for a component, whatever sender wrote it.
#[test]
fn nothing_is_shown_like_a_component_that_is_none() {
    let shown = |header: &str, filler: &str| {
        let text = format!("{header}||||20260101120000+0000||ORU^R01^ORU_R01|1|P|2.6\rOBR|1||{filler}\r");
        let tree = json(text.as_bytes(), &TreeOptions::default());
        (
            tree["from"].as_str().unwrap().to_owned(),
            tree["requests"][0]["filler"].as_str().unwrap().to_owned(),
        )
    };
    for (header, from) in [
        (r"MSH|^~\&|X\S\00A037EB2175780F\S\EUI-64", r"X\S\00A037EB2175780F\S\EUI-64"),
        (r"MSH|^~\&|A\T\B\R\C\F\D\E\E&F", r"A\T\B\R\C\F\D\E&F"),
        (r"MSH|$~\&|X^00A037EB2175780F^EUI-64", r"X\S\00A037EB2175780F\S\EUI-64"),
        (r"MSH|$~\&|X$00A037EB2175780F$EUI-64", "X^00A037EB2175780F^EUI-64"),
        (r"MSH|^~\&|A^B\H\C", r"A^B\H\C"),
    ] {
        assert_eq!(shown(header, "").0, from);
    }
    let filler = shown(r"MSH|^~\&|A", r"1\S\\S\X^^Y^EUI\H\-64").1;
    assert_eq!(filler, r"1\S\\S\X^^Y^EUI\H\-64");
    let term = &nodes("OBX|1|ST|X^MDC_ATTR\\H\\_SYS_ID^MDC|1.0.0.1|5\r")[0]["term"]["name"];
    assert_eq!(term, r"MDC_ATTR\H\_SYS_ID");
}

// A reader that takes an alternate term or unit has another one.
#[test]
fn alternates_repetitions_and_original_texts_are_shown_beside_the_term() {
    let node = |obx: &str| nodes(&format!("{obx}\r"))[0].clone();
    let beside = |obx: &str, field: &str| {
        let others = node(obx)["others"].clone();
        let found = others.as_array().and_then(|all| all.iter().find(|other| other["field"] == field));
        found.map(|found| found["value"].as_str().unwrap().to_owned()).unwrap_or_default()
    };
    let term = "147842^MDC_ECG_HEART_RATE^MDC";
    for (more, shown) in [
        ("^150456^MDC_PULS_OXIM_SAT_O2^MDC", "MDC_PULS_OXIM_SAT_O2 (150456)"),
        ("^^^^^^SpO2", "SpO2"),
        ("~150456^MDC_PULS_OXIM_SAT_O2^MDC", "MDC_PULS_OXIM_SAT_O2 (150456)"),
        ("^^^^^^^150456^MDC_PULS_OXIM_SAT_O2^MDC", "MDC_PULS_OXIM_SAT_O2 (150456)"),
        ("^147842^MDC_ECG_HEART_RATE^MDC", ""),
        ("", ""),
    ] {
        assert_eq!(beside(&format!("OBX|1|NM|{term}{more}|1.0.0.1|80"), "OBX-3"), shown, "{more}");
    }
    for (unit, shown) in [
        ("^mg^UCUM^^ug^UCUM", "ug"),
        ("/min~%", "%"),
        ("/min^^UCUM^%^^UCUM", "%"),
        ("264864^MDC_DIM_BEAT_PER_MIN^MDC", ""),
        ("264864^MDC_DIM_BEAT_PER_MIN^MDC^/min^/min^UCUM", ""),
        ("264864^MDC_DIM_BEAT_PER_MIN^MDC^{beat}/min^{beat}/min^UCUM", "{beat}/min"),
    ] {
        assert_eq!(beside(&format!("OBX|1|NM|{term}|1.0.0.1|80|{unit}"), "OBX-6"), shown, "{unit}");
    }
    let event = node("OBX|1|CWE|196616|1.0.0.1|196648^MDC_EVT_HI^MDC^0^MDC_EVT_ECG_ASYSTOLE^MDC");
    assert_eq!(event["value"], "MDC_EVT_HI (196648), also MDC_EVT_ECG_ASYSTOLE (0)");
}

#[test]
fn components_of_a_value_are_never_joined_to_another_one() {
    let value =
        |kind: &str, value: &str| nodes(&format!("OBX|1|{kind}|1^X^L|1.0.0.1|{value}\r"))[0]["value"].clone();
    for (kind, sent, shown) in [
        ("SN", "^1^20", "^1^20"),
        ("SN", "1^20", "1^20"),
        ("SN", "^5^^6", "^5^^6"),
        ("SN", "0.^5", "0.^5"),
        ("SN", "-^5^-^", "-^5^-"),
        ("SN", ">^100", ">100"),
        ("SN", "^1^:^128", "1:128"),
        ("SN", "^2^+", "2+"),
        ("SN", "^180", "180"),
        ("NM", "1^20", "1^20"),
        ("ST", "1^20", "1^20"),
        ("EI", "^MONITOR-7", "^MONITOR-7"),
        ("XPN", "Doe^John", "Doe John"),
    ] {
        assert_eq!(value(kind, sent), shown, "{kind} {sent}");
    }
}

#[test]
fn flags_and_statuses_count_in_every_notation() {
    let node = |flags: &str, status: &str| {
        nodes(&format!("OBX|1|NM|1^X^L|1.0.0.1|5|||{flags}|||{status}\r"))[0].clone()
    };
    assert_eq!(node("x^INV", "F")["flags"][0], "x^INV");
    for flags in ["x^INV", r"\X494E56\"] {
        assert_eq!(node(flags, "F")["doubt"], "invalid", "{flags}");
    }
    assert_eq!(node(r"\X54455354\", "F")["not-clinical"], true);
    for status in ["W^x", r"\X57\", "W~W"] {
        assert_eq!(node("", status)["is-withdrawn"], true, "{status}");
    }
    assert_eq!(node("", "W~F")["is-withdrawn"], false, "either may be meant");
}

#[test]
fn the_code_of_a_method_is_shown_beside_its_name() {
    // Seen in the field: the coding system in place of the name.
    let shown = nodes("OBX|1|NM|1^X^MDC|1.0.0.1|5||||||R||||||AMEAS^MDC~MMEAS^Manual~^Auto|||LA^Left arm\r");
    assert_eq!(shown[0]["method"], "MDC (AMEAS); Manual (MMEAS); Auto");
    assert_eq!(shown[0]["site"], "Left arm (LA)");
}

#[test]
fn patient_data_in_a_path_a_request_and_the_term_of_a_note_is_hidden() {
    for marked in [
        "OBX|1|ST|67931^MDC_ATTR_PT_NAME^MDC|SECRET|x\r",
        "OBR|2||F2|67931^SECRET^MDC\r",
        "NTE|1||SECRET|67931^MDC_ATTR_PT_NAME^MDC\r",
    ] {
        let shown = json(&observed(marked), &TreeOptions::default());
        assert!(!shown.to_string().contains("SECRET"), "{marked}: {shown:#}");
        assert!(json(&observed(marked), &with_patient()).to_string().contains("SECRET"), "{marked}");
    }
}
