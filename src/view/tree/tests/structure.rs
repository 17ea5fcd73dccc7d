//! Which segments belong together in the tree, and what of a field is shown.

use super::{TreeOptions, json, with_patient};

fn message(kind: &str, rest: &str) -> String {
    format!("MSH|^~\\&|A||||20260101120000+0000||{kind}|1|P|2.8\r{}", rest.replace('\n', "\r"))
}

fn tree(kind: &str, rest: &str) -> serde_json::Value {
    json(message(kind, rest).as_bytes(), &TreeOptions::default())
}

fn field<'v>(fields: &'v serde_json::Value, name: &str) -> &'v serde_json::Value {
    let found = fields.as_array().and_then(|all| all.iter().find(|field| field["field"] == name));
    found.unwrap_or_else(|| panic!("{name}: {fields:#}"))
}

/// The value of a field of a segment in an order, and whether it is a part.
fn shown(segment: &str, name: &str) -> (serde_json::Value, bool) {
    // ORC is of the step behind it.
    let shown = tree("RGV^O15^RGV_O15", &format!("ORC|RE\nRXG|1\n{segment}\nRXG\n"));
    let requests = shown["requests"].as_array().unwrap().iter();
    let segments = requests.flat_map(|request| request["segments"].as_array().unwrap());
    let mut fields = segments.flat_map(|segment| segment["fields"].as_array().unwrap());
    let found = fields.rfind(|field| field["field"] == name);
    let field = found.unwrap_or_else(|| panic!("{name}: {shown:#}"));
    (field["value"].clone(), field["partial"] == true)
}

// IHE PCD TF vol. 2, B.10
#[test]
fn the_device_in_a_participation_is_that_of_the_observation_before_it() {
    let shown = tree(
        "ORU^R01^ORU_R01",
        "PID|||4711||Garcia\nPRT|1|AD||ATTEND|^Who^Doc||||||GW9\nOBR|1||G1\nPRT|1|AD||EQUIP||||||GW1^^00A037EB21757800^EUI-64\n\
        OBX|1|NM|150456^MDC_PULS_OXIM_SAT_O2^MDC|1.1.1.1|97\nPRT|1|AD||EQUIP^Equipment^HL70912||||||OXI1^^00A037EB21757811^EUI-64\nNTE|1||note A\n\
        OBX|2|NM|150021^MDC_PRESS_BLD_NONINV_SYS^MDC|1.2.1.1|120||||||F|||||||OWN\nPRT|1|AD||EQUIP||||||NIBP9\nNTE|1||note B\n",
    );
    let request = &shown["requests"][0];
    let of = |n: usize| &request["observations"][n];
    assert_eq!(of(0)["equipment"], "OXI1^^00A037EB21757811^EUI-64");
    assert_eq!(of(1)["equipment"], "OWN", "OBX-18 comes first");
    for (at, device, note) in [(0, "OXI1^^00A037EB21757811^EUI-64", "note A"), (1, "NIBP9", "note B")] {
        let fields = &of(at)["participants"][0]["fields"];
        assert_eq!((&field(fields, "PRT-10")["value"], &of(at)["notes"][0]), (&device.into(), &note.into()));
        assert!(field(fields, "PRT-4")["value"].as_str().unwrap().starts_with("EQUIP"));
    }
    assert_eq!(field(&request["segments"][0]["fields"], "PRT-10")["value"], "GW1^^00A037EB21757800^EUI-64");
    assert!(!shown.to_string().contains("GW9"), "what is behind PID is about the patient: {shown:#}");
    assert_eq!(shown["other-segments"], serde_json::Value::Null);
}

// IHE PCD TF vol. 2, table 3.3.4.2-1
#[test]
fn each_step_of_an_order_has_its_own_observations_timing_and_route() {
    let shown = tree(
        "RGV^O15^RGV_O15",
        "PID|||4711\nORC|RE\nRXG|1|||1^D|25||263762^MDC_DIM_MILLI_L^MDC\nTQ1|1||||||||||||60^264352&MDC_DIM_MIN&MDC\nRXR|^IV^HL70162\n\
        OBX|1|ST|158037^MDC_INFUS_ORDER_STEP_TYPE^MDC||loading-dose\nNTE|1||note of step one\n\
        RXG|2|||||||||||||||||||||||||||||||750|263762^MDC_DIM_MILLI_L^MDC^mL^mL^UCUM\nNTE|1||note of RXG\nRXR|^IV^HL70162\n\
        OBX|2|ST|158037^MDC_INFUS_ORDER_STEP_TYPE^MDC||continuous\nRXG|3\n",
    );
    let requests = shown["requests"].as_array().unwrap();
    let names = |n: usize| {
        let segments = requests[n]["segments"].as_array().unwrap();
        segments.iter().map(|it| it["segment"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(
        [names(0), names(1), names(2)],
        [vec!["ORC", "RXG", "TQ1", "RXR"], vec!["RXG", "RXR"], vec!["RXG"]]
    );
    let fields = |request: usize, segment: usize| &requests[request]["segments"][segment]["fields"];
    for (value, expected) in [
        (field(fields(0, 1), "RXG-1"), "1"),
        (field(fields(0, 2), "TQ1-1"), "1"),
        (field(fields(0, 2), "TQ1-13"), "60 min"),
        (field(fields(0, 3), "RXR-1"), "IV (HL70162)"),
        (field(fields(1, 0), "RXG-1"), "2"),
        (field(fields(1, 0), "RXG-32"), "750"),
        (field(fields(1, 0), "RXG-33"), "mL"),
    ] {
        assert_eq!(value["value"], expected);
        assert_eq!(value["partial"], serde_json::Value::Null, "{value}");
    }
    let values = |n: usize| &requests[n]["observations"][0]["value"];
    assert_eq!((values(0), values(1)), (&"loading-dose".into(), &"continuous".into()));
    assert_eq!(requests[0]["observations"][0]["notes"][0], "note of step one");
    assert_eq!(requests[1]["segments"][0]["notes"][0], "note of RXG");
}

// HL7 2.7: [{OBX}] behind PID
#[test]
fn an_observation_of_the_patient_is_hidden_and_under_no_request() {
    let rest = "PID|||4711||Garcia\nOBX|1|ST|8302-2^Body height^LN||SECRET\nPRT|1||||^SECRET\nNTE|1||SECRET\nPV1||I\n\
        OBR|1||F1|1^X^MDC\nOBX|1|NM|150456^MDC_PULS_OXIM_SAT_O2^MDC|1.1.1.1|97\n";
    let hidden = tree("ORU^R01^ORU_R01", rest);
    assert!(!hidden.to_string().contains("SECRET"), "{hidden:#}");
    assert_eq!(hidden["requests"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&hidden["requests"][0]["filler"], &hidden["requests"][0]["observations"][0]["value"]),
        (&"F1".into(), &"97".into())
    );
    let all = json(message("ORU^R01^ORU_R01", rest).as_bytes(), &with_patient());
    assert_eq!(all["patient"]["observations"][0]["value"], "SECRET");
    assert_eq!(all["patient"]["observations"][0]["notes"][0], "SECRET");
    // An alarm is no patient, wherever it stands.
    let alarm =
        "PID|||4711\nOBX|1|ST|196670^MDC_EVT_LO^MDC|1.1.1.1.1|low\nOBR|1||E1|196616^MDC_EVT_ALARM^MDC\n";
    let alarm = tree("ORU^R40^ORU_R40", alarm);
    assert_eq!(alarm["requests"][0]["alert"]["event"]["code"], "196670", "{alarm:#}");
    // A sender that writes no OBR has results all the same.
    let stray = tree("ORU^R01^ORU_R01", "PID|||4711\nOBX|1|ST|1^X^L||seen\n");
    assert_eq!(stray["requests"][0]["observations"][0]["value"], "seen");
}

#[test]
fn a_field_of_which_a_part_is_shown_is_named_as_such() {
    for (segment, name, value, is_partial) in [
        ("RXR|^IV^HL70162", "RXR-1", "IV (HL70162)", false),
        ("RXR|IV^Intravenous^HL70162", "RXR-1", "IV (HL70162)", true),
        ("RXR|IV^IV^HL70162~IM", "RXR-1", "IV (HL70162)", true),
        (
            "RXG|||||||||||||||5|265266^MDC_DIM_MILLI_L_PER_HR^MDC^mL/min^mL/min^UCUM",
            "RXG-16",
            "mL/h, also mL/min",
            false,
        ),
        ("RXG|||||||||||||||5|265266^MDC_DIM_MILLI_L_PER_HR^MDC^mL/h^mL/h^UCUM", "RXG-16", "mL/h", false),
        ("RXG|||||||||||||||5|265266^MDC_DIM_MILLI_L_PER_HR^MDC^x^SECRET^L", "RXG-16", "mL/h", true),
        ("RXG||||||||||||||SECRET|5^SECRET", "RXG-15", "5", true),
        ("TQ1||5^SECRET", "TQ1-2", "5", true),
        ("TQ1||||||90^min", "TQ1-6", "90 min", false),
        ("ORC|RE||||||||20260101^SECRET", "ORC-9", "20260101", true),
        ("ERR||PID^1^5", "ERR-2", "PID^1^5", false),
        ("ERR|||207^ Application internal error", "ERR-3", "207^Application internal error", false),
        (
            "ERR|||||9010^Unable to match medication to drug library",
            "ERR-5",
            "9010^Unable to match medication to drug library",
            false,
        ),
    ] {
        assert_eq!(shown(segment, name), (value.into(), is_partial), "{segment}");
    }
    assert_eq!(shown("RXR|Intravenous", "RXR-1").0, serde_json::Value::Null);
    let empty = tree("ORU^R01^ORU_R01", "OBR|1\nOBX|1|NM|1^X^L|1|5|||||~~^&||F\n");
    assert!(!empty.to_string().contains("OBX-10"), "separators are no value: {empty:#}");
}

#[test]
fn each_part_of_a_coded_field_and_of_a_note_is_shown() {
    let shown = tree(
        "ORU^R01^ORU_R01",
        "OBR|1|SAME|SAME|182777000^monitoring of patient^SCT^1^other^L\n\
        OBX|1|NM|1^X^99X|1|5|mmHg^Unit|||0.95||F|20260101|||||MEAS^Measured^99M^2^Other^L|||LA^Left arm^HL70163\n\
        NTE|1|L|text|RE\nOBX|2|NM|2^Y^MDC|2|5|262656^MDC_DIM_DIMLESS^MDC\nOBX|3|NM|2^Y^MDC|3|5|1^foo^99L\n",
    );
    let request = &shown["requests"][0];
    assert_eq!((&request["placer"], &request["service"]["system"]), (&"SAME".into(), &"SCT".into()));
    assert_eq!(field(&request["others"], "OBR-4")["value"], "other (1, L)");
    let node = &request["observations"][0];
    for (name, value) in
        [("OBX-6", "Unit"), ("OBX-9", "0.95"), ("OBX-12", "20260101"), ("NTE-2", "L"), ("NTE-4", "RE")]
    {
        assert_eq!(field(&node["others"], name)["value"], value, "{node:#}");
    }
    assert_eq!(
        (&node["method"], &node["site"]),
        (&"Measured (MEAS, 99M), also Other (2, L)".into(), &"Left arm (LA, HL70163)".into())
    );
    assert_eq!(request["observations"][1]["unit"], "dimensionless");
    assert_eq!(request["observations"][2]["unit"], "foo (1, 99L)");
}

// IHE PCD TF vol. 2, 3.9.4.1.2
#[test]
fn the_groups_of_a_report_are_no_places_of_a_device() {
    let rest =
        "OBR|1||F\nOBX|1|NM|721216^MDC_IDC_MSMT_BATTERY_VOLTAGE^MDC|1|2.950\nOBX|2|NM|721216^X^MDC|2|11\n";
    let of = |profile: &str| {
        let text = message("ORU^R01^ORU_R01", rest);
        let text = text.replace("|P|2.8", &format!("|P|2.8|||||||||{profile}"));
        let shown = json(text.as_bytes(), &TreeOptions::default());
        let node = &shown["requests"][0]["observations"][0];
        (node["level"].clone(), node["path"].clone(), node["sub-id"].clone())
    };
    assert_eq!(
        of("X^IHE PCD^1.3.6.1.4.1.19376.1.6.1.9.1^ISO"),
        (serde_json::Value::Null, "".into(), "1".into())
    );
    assert_eq!(of("X^IHE PCD^1.3.6.1.4.1.19376.1.6.1.1.1^ISO").0, "mds");
}

#[test]
fn a_second_patient_is_shown_as_a_whole_and_the_control_id_as_it_came() {
    let rest = "PID|||1||First\nOBR|1\nPID|||2||Second\nOBR|2\n";
    let text = message("ORU^R01^ORU_R01", rest).replace("|1|P|", "| 1-02|P|");
    let all = json(text.as_bytes(), &with_patient());
    assert_eq!(all["further-patients"][0]["name"], "Second");
    assert_eq!(all["control-id"], " 1-02");
}
