use super::*;

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
    assert_eq!(request["observations"][0]["value"], "Bed of [patient] [patient]");
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
    assert_eq!(json(&observed(&rest), &all)["requests"][0]["observations"][4]["value"], "AP PDF Base64 QUJD");
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
