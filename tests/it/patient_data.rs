//! Patient data stays in the store: marked data in every field that may hold it appears in no output that an
//! operator did not ask for by `--phi` or `--raw` (A9.4).

use pcd_platform::pki::KeyType;

use crate::harness::{Site, Wire, framed};

pub const MONITOR: &str = "00A037FFFE000001";
/// The marks begin with this. Latin and other letters: decoders must not change what is hidden.
pub const MARK: &str = "GEHEIM";

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
pub fn message(kind: &str, control_id: &str) -> Vec<u8> {
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
    // OBR-3, OBR-4 and OBR-7 are of the device. OBR-2, OBR-8 and OBR-29 are shown, and may repeat the
    // patient.
    let orders: Vec<_> = (8..=49)
        .map(|n| if matches!(n, 8 | 29) { format!("{MARK}PID5") } else { format!("{MARK}OBR{n}") })
        .collect();
    text.push_str(&format!(
        "OBR|1|{MARK}PID3|F1^^{MONITOR}^EUI-64|196616^MDC_EVT_ALARM {MARK}PID5^MDC|{MARK}|{MARK}|\
        20260101115959+0000|{}\r",
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
    // Each field of an observation of the device repeats the patient, but for its type, path and device.
    let repeated = format!("{MARK}PID5");
    text.push_str(&format!(
        "OBX|22|ST|2^{repeated}^L|1.0.0.22|{repeated}|1^{repeated}^L|{repeated}|{repeated}~H|{repeated}|{repeated}|F|\
        {repeated}|{repeated}|{repeated}|{repeated}|{repeated}|1^{repeated}|{MONITOR}^^{MONITOR}^EUI-64|{repeated}|1^{repeated}|{repeated}\r"
    ));
    // Further segments. PRT-10 is a device.
    for (segment, fields) in
        [("RXG", 25), ("RXR", 6), ("TQ1", 14), ("PRT", 9), ("ROL", 12), ("SPM", 30), ("TXA", 23)]
    {
        text.push_str(&marked(segment, fields));
    }
    text.into_bytes()
}

/// What a device may send that is no message: without MSH, with unusable separators, not framed, cut off, in
/// an unknown version, of an unknown type, and a batch with lines between its messages. MSH-9 and MSH-10 are
/// shown as they came.
pub fn unreadable() -> Vec<Vec<u8>> {
    let patient = format!("PID|1||{MARK}||{MARK}");
    let header = |rest: &str| format!("MSH|^~\\&|MON^{MONITOR}^EUI-64||||20260101120000+0000||{rest}");
    vec![
        framed(patient.as_bytes()),
        framed(format!("MSH{patient}\r{patient}").as_bytes()),
        framed(format!("MSH|^&|{MARK}|{MARK}\r{patient}").as_bytes()),
        framed(format!("{}\r{patient}\r", header("ORU^R01^ORU_R01||P|2.6")).as_bytes()),
        framed(format!("{}\r{patient}\r", header(&format!("ORU^R01^ORU_R01|U-4|{MARK}|{MARK}"))).as_bytes()),
        framed(
            format!("{}\r{patient}\r", header(&format!("ZZZ^Z01^ZZZ_Z01|U-5|P|2.6||{MARK}|||{MARK}")))
                .as_bytes(),
        ),
        framed(
            format!(
                "BHS|^~\\&|MON|ICU|||||{MARK}|{MARK}\r{}\r{patient}\r{MARK}|{MARK}\rBTS|7|{MARK}\r",
                header("ORU^R01^ORU_R01|U-6|P|2.6|||AL|NE")
            )
            .as_bytes(),
        ),
        patient.into_bytes(),
    ]
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
    for bytes in unreadable() {
        let mut wire = Wire::connect(&site, platform.address, &site.certificate(MONITOR, KeyType::Ecc));
        wire.write(&bytes);
        let cut = format!("MSH|^~\\&|MON^{MONITOR}^EUI-64\rPID|{MARK}");
        // The platform may have closed the connection for the bytes before.
        let _ = wire.try_write(&framed(cut.as_bytes()));
    }
    let mut outputs = Vec::new();
    // A copy of a message outside of the store, as a file and as an order.
    let file = site.path().join("message.hl7");
    std::fs::write(&file, message("ORU^R01^ORU_R01", "M-1")).unwrap();
    let file = file.to_str().unwrap();
    for words in [
        &["message", "judge", file][..],
        &["message", "judge", file, "--device", MONITOR, "--strict"],
        &["message", "judge", file, "--json"],
        &["message", "reconsider", "--device", MONITOR],
        &["message", "reconsider", "--device", MONITOR, "--json"],
        &["order", "send", MONITOR, file, "--no-wait"],
        &["order", "list", "--json"],
        &["device", "propose", MONITOR],
    ] {
        let (_, stdout, stderr) = cli.try_run(words);
        outputs.extend([stdout, stderr]);
    }
    for order in cli.json(&["order", "list"]) {
        let id = order["id"].as_str().unwrap();
        outputs.push(cli.run(&["order", "show", id]));
        outputs.push(cli.run(&["order", "show", id, "--tree", "--full"]));
    }
    for listed in cli.json(&["message", "list"]) {
        let id = listed["id"].as_str().unwrap();
        outputs.push(cli.run(&["message", "show", id]));
        outputs.push(cli.run(&["message", "show", id, "--json"]));
        let control_id = listed["control-id"].as_str().unwrap();
        if !["M-1", "M-2", "M-3"].contains(&control_id) {
            // Some of these cannot be read: the error says why.
            let (_, stdout, stderr) = cli.try_run(&["message", "show", id, "--tree", "--full"]);
            outputs.extend([stdout, stderr]);
            continue;
        }
        let tree = cli.run(&["message", "show", id, "--tree"]);
        let is_observation = control_id != "M-3";
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

/// A panic may quote what it stumbled over: neither the log of the platform nor stderr of a command has it.
#[test]
fn a9_4_a_crash_shows_no_patient_data() {
    let site = Site::new().with("log", "level = \"trace\"");
    let fault = site.path().join("fault");
    let site = site.with_environment("PCD_TEST_FAULT", fault.clone());
    let platform = site.start();
    platform.admit(MONITOR, &[]);
    let cli = platform.cli();
    let credential = site.certificate(MONITOR, KeyType::Ecc);
    let connect = || Wire::connect(&site, platform.address, &credential);
    let mut wire = connect();
    wire.write(&framed(&message("ORU^R01^ORU_R01", "C-1")));
    wire.answer().unwrap();
    std::fs::write(&fault, "panic message").unwrap();
    let mut crashing = connect();
    crashing.write(&framed(&message("ORU^R01^ORU_R01", "C-2")));
    assert!(!matches!(crashing.try_answer(), Ok(Some(_))), "the connection ends without an answer");
    std::fs::write(&fault, "panic content").unwrap();
    let id = cli.json(&["message", "list"])[0]["id"].as_str().unwrap().to_owned();
    let (status, stdout, stderr) = cli.try_run(&["message", "show", &id, "--tree", "--offline"]);
    assert!(!status.success() && stderr.contains("a fault of the program at src/"), "{stderr}");
    // The same by the running platform, which goes on.
    let (status, _, by_platform) = cli.try_run(&["message", "show", &id, "--tree"]);
    assert!(!status.success() && by_platform.contains("a fault of the platform"), "{by_platform}");
    assert_eq!(by_platform.find(MARK), None);
    std::fs::remove_file(&fault).unwrap();
    wire.write(&framed(&message("ORU^R01^ORU_R01", "C-3")));
    wire.answer().expect("other connections go on");
    let log = platform.stop().log;
    assert!(log.contains("panic: a fault of the platform"), "{log}");
    for output in [stdout, stderr, log] {
        let found = output.find(MARK).map(|at| &output[at.saturating_sub(200)..(at + 40).min(output.len())]);
        assert_eq!(found, None);
    }
}
