//! What `message show --tree` says of every message of the corpus, compared with the message as the package
//! `hl7` of Python reads it (tests/peers/hl7_shown.py): each value of each field is shown, or named as left
//! out.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pcd_platform::hl7::Message;
use pcd_platform::pki::KeyType;
use serde_json::{Value, json};

use crate::corpus::{Sample, corpus};
use crate::harness::{Platform, Site, Wire, command_at, eventually, finish, framed};

const NAME: &str = "00A037FFFE000001";

/// Sends the messages; returns the identifier of each one, by its bytes.
fn stored(site: &Site, platform: &Platform, samples: &[&Sample]) -> HashMap<Vec<u8>, String> {
    let credential = site.certificate(NAME, KeyType::Ecc);
    let mut wire = Wire::connect(site, platform.address, &credential);
    samples.iter().for_each(|sample| wire.write(&framed(&sample.payload)));
    let mut found = HashMap::new();
    eventually("each message is stored", || {
        for words in [&["message", "export"][..], &["message", "export", "--rejected"]] {
            for message in platform.cli().json(words) {
                let raw = STANDARD.decode(message["raw"].as_str().unwrap()).unwrap();
                found.insert(raw, message["id"].as_str().unwrap().to_owned());
            }
        }
        samples.iter().all(|sample| found.contains_key(&sample.payload))
    });
    wire.close();
    found
}

#[test]
fn every_value_of_every_field_is_shown_or_named_as_left_out() {
    let Some(samples) = corpus() else { return };
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers/python/bin/python");
    assert!(python.is_file(), "the Python peer is not installed (tests/run does it)");
    let site = Site::new()
        .with("messages", "types = \"any\"")
        .with("messages", "processing-ids = [\"P\", \"D\", \"T\"]")
        .with("devices", "identity = \"record\"");
    let platform = site.start();
    platform.admit(NAME, &[]);
    let (readable, unread): (Vec<_>, Vec<_>) = samples
        .iter()
        .partition(|sample| Message::parse(&sample.payload).is_ok() && !is_batch(&sample.payload));
    let ids = stored(&site, &platform, &readable);
    let mut input = String::new();
    for sample in &readable {
        let show = |more: &[&str]| {
            let id = ids[&sample.payload].as_str();
            platform.cli().run(&[&["message", "show", id, "--tree", "--utc"], more].concat())
        };
        let hex = sample.payload.iter().fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").unwrap();
            hex
        });
        let tree: Value = serde_json::from_str(&show(&["--phi", "--full", "--json"])).unwrap();
        let case = json!({
            "name": sample.name, "bytes": hex, "json": tree, "all": show(&["--phi", "--full"]), "plain": show(&[]),
        });
        writeln!(input, "{case}").unwrap();
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, input).unwrap();
    let mut command = command_at(&python);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/hl7_shown.py")).arg(file.path());
    let output = finish(command, b"", None);
    assert!(output.success, "{}", output.text());
    let text = String::from_utf8_lossy(&output.stdout);
    let answers: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut wrong = Vec::new();
    for answer in &answers {
        let missing = answer["missing"].as_array().unwrap().iter();
        wrong.extend(missing.map(|missing| format!("{}: {}", answer["name"], missing)));
    }
    let values: u64 = answers.iter().filter_map(|answer| answer["values"].as_u64()).sum();
    println!("{} messages with {values} values", answers.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let unread: Vec<&str> = unread.iter().map(|sample| sample.name.as_str()).collect();
    assert_eq!(answers.len() + unread.len(), 152, "each message of the corpus");
    assert_eq!(unread, NOT_COMPARED);
    assert!(values > 5000, "{values} values");
}

/// What is no single message; [`super::fields`] says why.
const NOT_COMPARED: [&str; 4] = [
    "mirth/samples-hl7.hl7",
    "mirth/tests-test-hl7-batch-input.hl7",
    "mirth/tests-test-hl7-single-field-output.hl7",
    "mirth/tests-test-hl7-single-segment-output.hl7",
];

/// Whether the bytes have several messages, or lines of a batch around one.
fn is_batch(payload: &[u8]) -> bool {
    let lines = payload.split(|byte| matches!(byte, b'\r' | b'\n'));
    lines.filter(|line| [&b"MSH"[..], b"BHS", b"FHS", b"BTS"].iter().any(|id| line.starts_with(id))).count()
        > 1
}
