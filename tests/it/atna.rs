//! The audit trail in the words of IHE ATNA.

use std::fs;
use std::path::Path;

use pcd_platform::pki::KeyType;

use crate::harness::{Cli, Device, Finished, Site, command, command_at, finish, message};

const NAME: &str = "00A037FFFE000001";
const OTHER: &str = "00A037FFFE000002";

/// What xmllint says of documents against the structure of DICOM PS3.15 A.5.1.
pub fn validated(folder: &Path, documents: &[&str]) -> Finished {
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/schema/audit-message.rng");
    let mut xmllint = command("xmllint", "libxml2-utils");
    xmllint.args(["--noout", "--nonet", "--relaxng"]).arg(schema);
    for (number, document) in documents.iter().enumerate() {
        let file = folder.join(format!("{number}.xml"));
        fs::write(&file, document).unwrap();
        xmllint.arg(file);
    }
    finish(xmllint, b"", None)
}

/// What a second reader says of the documents that [`validated`] wrote: it looks for the mandatory elements
/// that the schema does not express (tests/peers/atna_reader.py).
fn read_by_python(folder: &Path, documents: usize) -> Finished {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut reader = command_at(&root.join("target/peers/python/bin/python"));
    reader.arg(root.join("tests/peers/atna_reader.py"));
    reader.args((0..documents).map(|number| folder.join(format!("{number}.xml"))));
    finish(reader, b"", None)
}

#[test]
fn the_exported_trail_is_audit_messages_as_dicom_has_them() {
    let site = Site::new();
    let platform = site.start();
    let cli = platform.cli().clone();
    platform.admit(NAME, &[]);
    cli.run(&["device", "suspend", NAME]);
    cli.run(&["device", "resume", NAME]);
    let mut device = Device::connect(&site, platform.address, &site.certificate(NAME, KeyType::Ecc)).unwrap();
    assert_eq!(device.code(message(NAME, "1")), "CA");
    assert_eq!(device.code(message(OTHER, "2")), "CR");
    device.close().unwrap();
    // A name that is markup.
    let stranger = site.certificate("<a b=\"&\">", KeyType::Ecc);
    drop(
        Device::connect(&site, platform.address, &stranger).map(|mut device| device.send(message(NAME, "3"))),
    );
    let id = cli.json(&["message", "list"])[0]["id"].as_str().unwrap().to_owned();
    cli.run(&["message", "show", &id, "--tree"]);
    cli.run(&["message", "export", "--limit", "1"]);
    cli.run(&["audit", "verify"]);
    assert!(platform.stop().status.success());

    let cli = Cli::of(&site);
    let export = cli.run(&["audit", "export", "--format", "atna"]);
    let documents: Vec<&str> = export.lines().collect();
    let output = validated(site.path(), &documents);
    assert!(output.success, "{}", output.text());
    let output = read_by_python(site.path(), documents.len());
    assert!(output.success, "{}", output.text());
    let count = |code: &str| {
        documents.iter().filter(|text| text.contains(&format!("<EventID csd-code=\"{code}\""))).count()
    };
    assert_eq!(count("110100"), 2, "start and stop");
    assert_eq!(count("110101"), 2, "verified and exported");
    assert_eq!(count("110106"), 1);
    assert_eq!(count("110107"), 2, "accepted and rejected");
    assert_eq!(count("110110"), 1);
    // Certificates, device added, suspended, resumed, identity violation, a refused stranger.
    assert_eq!(count("110113"), 6, "{export}");
    let rows = cli.json(&["audit", "list", "--limit", "1000"]);
    assert!(rows.len() > documents.len(), "what ATNA does not name is not exported");
    // No patient, no value: the content of the message stays out of it.
    let raw = String::from_utf8(cli.run_raw(&["message", "show", &id, "--raw"])).unwrap();
    assert!(raw.contains("PID|") || raw.contains("OBX|"), "{raw}");
    assert!(!export.contains("PID|") && !export.contains("OBX|"));

    // The schema is no ornament.
    let first = documents[0];
    for (from, to) in [
        ("EventOutcomeIndicator=\"0\"", "EventOutcomeIndicator=\"1\""),
        ("UserIsRequestor=\"false\"", ""),
        ("<EventID ", "<EventId "),
        ("</AuditMessage>", ""),
    ] {
        assert!(first.contains(from), "{first}");
        assert!(!validated(site.path(), &[&first.replace(from, to)]).success, "{from} → {to}");
    }
}
