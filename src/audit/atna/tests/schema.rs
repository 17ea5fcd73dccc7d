//! Every kind of message against the schema of DICOM PS3.15 A.5.1, and against a second reader that knows
//! what the schema does not express (tests/peers/atna_reader.py).
//!
//! `PCD_AUDIT_SCHEMA` names the schema in the compact syntax of RELAX NG. It belongs to others and is not
//! part of the project; without the variable the test states that it is skipped.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use jiff::Timestamp;

use super::super::RecordedEvent;
use crate::audit::fixtures::{every_event, node, peer};
use crate::audit::{Event, RefusalCount, RefusedPeers, SessionEnd};
use crate::model::{Refusal, SessionId};

/// Documents of every event, and of the forms of those that have several.
fn documents() -> Vec<String> {
    let at = Timestamp::from_second(1_750_000_000).unwrap();
    let count = RefusalCount { count: 3, first: at, last: at };
    let device = || "00A037EB2175780F".parse().unwrap();
    let address = |device| RefusedPeers::Address {
        address: "2001:db8::".parse().unwrap(),
        device,
        refusal: Refusal::ProtocolViolation,
    };
    let counted = [
        address(None),
        address(Some(device())),
        RefusedPeers::Others { refusals: [(Refusal::Expired, 3)].into() },
    ];
    let mut events = every_event();
    events.extend(counted.map(|peers| Event::RefusalsCounted { peers, count }));
    events.push(Event::ConnectionRefused {
        peer: peer(),
        balancer: None,
        refusal: Refusal::NoCertificate,
        certificate: None,
        extension: None,
        revocation: Vec::new(),
    });
    let session = SessionId::at(at);
    events.extend(Refusal::ALL.iter().map(|refusal| Event::SessionEnded {
        session,
        device: device(),
        why: SessionEnd::Withdrawn(*refusal),
    }));
    let node = node();
    let mut documents: Vec<String> = Vec::new();
    for event in &events {
        let details = event.details();
        for site in [None, Some("St. Elsewhere")] {
            let recorded = RecordedEvent { node: &node, at, event: event.name(), details: &details };
            documents.extend(recorded.message(site).map(|message| message.xml));
        }
    }
    documents
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    if output.status.success() { Ok(()) } else { Err(text) }
}

/// The schema in XML. rnc2rng does not read the annotations behind a pattern (`##`): they become comments.
fn schema(compact: &Path, folder: &Path) -> PathBuf {
    let text = fs::read_to_string(compact).unwrap_or_else(|error| panic!("{}: {error}", compact.display()));
    let (plain, schema) = (folder.join("schema.rnc"), folder.join("schema.rng"));
    fs::write(&plain, text.replace("##", "#")).unwrap();
    let rnc2rng = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers/python/bin/rnc2rng");
    assert!(rnc2rng.is_file(), "rnc2rng is not installed (tests/run does it)");
    run(Command::new(rnc2rng).args([&plain, &schema])).unwrap();
    schema
}

// IHE ITI TF-2 3.20; DICOM PS3.15 A.5
#[test]
fn every_message_is_valid_by_the_schema_of_dicom_and_to_a_second_reader() {
    let Some(compact) = std::env::var_os("PCD_AUDIT_SCHEMA").map(PathBuf::from) else {
        println!("skipped: PCD_AUDIT_SCHEMA=FILE names audit-message.rnc of DICOM PS3.15");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let schema = schema(&compact, folder.path());
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let validate = |documents: &[String]| {
        let mut files = Vec::new();
        for (number, document) in documents.iter().enumerate() {
            let file = folder.path().join(format!("{number}.xml"));
            fs::write(&file, document).unwrap();
            files.push(file);
        }
        let mut xmllint = Command::new("xmllint");
        run(xmllint.args(["--noout", "--nonet", "--relaxng"]).arg(&schema).args(&files))?;
        let mut reader = Command::new(root.join("target/peers/python/bin/python"));
        run(reader.arg(root.join("tests/peers/atna_reader.py")).args(&files))
    };
    let documents = documents();
    assert!(documents.len() > 60, "only {} documents", documents.len());
    validate(&documents).unwrap();

    // Neither of the two is an ornament.
    for (from, to) in [
        ("<EventID ", "<EventId "),
        ("UserIsRequestor=", "IsRequestor="),
        ("type=\"Alert Description\"", "type=\"description\""),
        ("UserID=\"alice@node-1\"", "UserID=\"alice\""),
        ("ParticipantObjectID=\"00A037EB2175780F@node-1\"", "ParticipantObjectID=\"00A037EB2175780F\""),
        ("csd-code=\"110153\"", "csd-code=\"110152\""),
        ("csd-code=\"110150\"", "csd-code=\"110151\""),
    ] {
        let changed: Vec<_> = documents.iter().filter(|document| document.contains(from)).collect();
        assert!(!changed.is_empty(), "{from}");
        for document in changed.into_iter().take(3) {
            assert!(validate(&[document.replace(from, to)]).is_err(), "{from} → {to}: {document}");
        }
    }
}
