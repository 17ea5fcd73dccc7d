//! Patient data stays in the store: marked data in every field that may hold it appears in no output that an
//! operator did not ask for by `--phi` or `--raw` (A9.4).

use pcd_platform::pki::KeyType;

use crate::harness::{Site, Wire, framed};

const MONITOR: &str = "00A037FFFE000001";
/// The marks begin with this. Latin and other letters: decoders must not change what is hidden.
const MARK: &str = "GEHEIM";

/// A field after field that holds a mark, for segments about the patient.
fn marked(segment: &str, fields: usize) -> String {
    let fields: Vec<_> =
        (1..=fields).map(|n| format!("{MARK}{segment}{n}^{MARK}\u{e9}&{MARK}~{MARK}")).collect();
    format!("{segment}|{}\r", fields.join("|"))
}

/// An observation of a device, with marks in the fields that no output shows.
fn observation(n: usize, term: &str, value: &str) -> String {
    format!("OBX|{n}|ST|{term}|1.0.0.{n}|{value}\r")
}

/// A message in which every field about the patient is marked.
fn message(kind: &str, control_id: &str) -> Vec<u8> {
    let mut text = format!(
        "MSH|^~\\&|MON^{MONITOR}^EUI-64||||20260101120000+0000||{kind}|{control_id}|P|2.6|||AL|NE||UNICODE UTF-8\r"
    );
    for (segment, fields) in [
        ("PID", 39),
        ("PD1", 21),
        ("NK1", 39),
        ("PV1", 52),
        ("PV2", 49),
        ("GT1", 57),
        ("IN1", 53),
        ("AL1", 6),
    ] {
        text.push_str(&marked(segment, fields));
        text.push_str(&marked("NTE", 4));
    }
    text.push_str(&format!("{MARK} LINE WITHOUT SEPARATOR\rpid|{MARK}\rZPI|{MARK}\r"));
    text.push_str(&marked("ORC", 30));
    // OBR-3, OBR-4 and OBR-7 are of the device.
    let orders: Vec<_> = (8..=49).map(|n| format!("{MARK}OBR{n}")).collect();
    text.push_str(&format!(
        "OBR|1|{MARK}|F1^^{MONITOR}^EUI-64|196616^MDC_EVT_ALARM^MDC|{MARK}|{MARK}|20260101115959+0000|{}\r",
        orders.join("|")
    ));
    text.push_str(&format!("NTE|1||PATIENT NAME^{MARK}\rNTE|2||seen by {MARK}PID5\r"));
    let rest = format!("|{MARK}").repeat(12);
    for (at, term) in [
        "67931^^MDC",
        "^mdc_attr_pt_id",
        "1^X^L^67932^^MDC",
        "0067928",
        r"^MDC\X5F\ATTR_PT_DOB",
        "MDC_ATTR_PT_NAME^68000",
    ]
    .iter()
    .enumerate()
    {
        text.push_str(&observation(at + 1, term, &format!("{MARK}{rest}")));
        text.push_str(&format!("ADD|{MARK}\rNTE|1|{MARK}|{MARK}|{MARK}\r"));
    }
    text.push_str(&observation(20, "150456^MDC_PULS_OXIM_SAT_O2^MDC", "97 by"));
    text.push_str(&format!("NTE|1||{MARK}PID5 is asleep, {MARK}PID3\r"));
    text.push_str(&observation(21, "1^FREE^L", &format!("bed of {MARK}NK12, {MARK}PID11")));
    text.into_bytes()
}

#[test]
fn a9_4_marked_patient_data_appears_in_no_output_without_phi() {
    let site = Site::new().with("log", "level = \"trace\"");
    let platform = site.start();
    platform.admit(MONITOR, &[]);
    let cli = platform.cli();
    let mut wire = Wire::connect(&site, platform.address, &site.certificate(MONITOR, KeyType::Ecc));
    for (kind, id) in [
        ("ORU^R01^ORU_R01", "M-1"),
        ("ORU^R40^ORU_R40", "M-2"),
        // Refused, and kept with its bytes.
        ("ADT^A01^ADT_A01", "M-3"),
    ] {
        wire.write(&framed(&message(kind, id)));
        let answer = wire.answer().unwrap();
        assert!(!answer.contains(MARK), "{answer}");
    }
    let mut outputs = Vec::new();
    for listed in cli.json(&["message", "list"]) {
        let id = listed["id"].as_str().unwrap();
        outputs.push(cli.run(&["message", "show", id]));
        outputs.push(cli.run(&["message", "show", id, "--json"]));
        let tree = cli.run(&["message", "show", id, "--tree"]);
        let is_observation = listed["control-id"] != "M-3";
        assert!(
            !is_observation || tree.contains("hidden; --phi shows it") && tree.contains("= 97 by"),
            "{tree}"
        );
        outputs.push(tree);
        outputs.push(cli.run(&["message", "show", id, "--tree", "--full"]));
        outputs.push(cli.run(&["message", "show", id, "--tree", "--full", "--utc", "--json"]));
        let all = cli.run(&["message", "show", id, "--tree", "--phi"]);
        assert!(all.contains(MARK), "the mark is there to be hidden: {all}");
    }
    outputs.push(cli.run(&["message", "list"]));
    outputs.push(cli.run(&["message", "list", "--json"]));
    outputs.push(cli.run(&["device", "show", MONITOR]));
    for list in
        [&["audit", "list", "--json"][..], &["audit", "export"], &["audit", "export", "--format", "atna"]]
    {
        outputs.push(cli.run(list));
    }
    for path in ["/api/messages", "/api/devices", "/api/sessions", "/api/audit", "/metrics"] {
        outputs.push(platform.get(path).1);
    }
    outputs.push(platform.stop().log);
    for output in outputs {
        let found = output.find(MARK).map(|at| &output[at.saturating_sub(200)..(at + 40).min(output.len())]);
        assert_eq!(found, None, "of {} bytes", output.len());
    }
}
