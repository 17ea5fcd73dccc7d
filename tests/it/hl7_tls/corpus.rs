//! Every message of the corpus (see tests/it/corpus.rs), sent by a device over TLS: answered as it asks, kept
//! as it came.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::BytesMut;
use pcd_platform::hl7::Message;
use pcd_platform::mllp::{Codec, Received};
use pcd_platform::pcd::Transaction;
use pcd_platform::pki::KeyType;
use serde_json::Value;
use tokio_util::codec::Decoder as _;

use crate::harness::{Site, Wire, complaints, framed, message};

const NAME: &str = "00A037FFFE000001";

/// FHS and BHS: the table's reader takes no batches. The one message in it is answered and kept on its own.
const BATCH: &str = "mirth/tests-test-hl7-batch-input.hl7";

struct Sample {
    name: String,
    payload: Vec<u8>,
    control_id: String,
    version: String,
    answer: String,
}

/// The corpus, if it was asked for.
fn corpus() -> Option<Vec<Sample>> {
    let Some(folder) = std::env::var_os("PCD_CORPUS").map(PathBuf::from) else {
        println!("not asked for: PCD_CORPUS=FOLDER names a folder of messages with its expect.tsv");
        return None;
    };
    let table = fs::read_to_string(folder.join("expect.tsv")).unwrap();
    let read = |row: &str| {
        let cells: Vec<_> = row.split('\t').collect();
        let bytes = fs::read(folder.join(cells[0])).unwrap();
        let payload = if cells[0].ends_with(".frame.bin") { unframed(&bytes) } else { bytes };
        Sample {
            name: cells[0].to_owned(),
            payload,
            control_id: cells[3].to_owned(),
            version: cells[4].to_owned(),
            answer: cells[7].to_owned(),
        }
    };
    let samples: Vec<_> = table.lines().skip(1).filter(|row| !row.is_empty()).map(read).collect();
    assert!(!samples.is_empty(), "expect.tsv has no rows");
    Some(samples)
}

fn unframed(bytes: &[u8]) -> Vec<u8> {
    let Ok(Some(Received::Frame(frame))) = Codec::new(64 * 1024).decode(&mut BytesMut::from(bytes)) else {
        panic!("no frame")
    };
    frame.payload.to_vec()
}

/// What the rules make of a sample: its answers, and the code under which it is rejected.
///
/// The table says what a receiver answers that takes the message. Where the rules say otherwise, they say
/// why.
fn expected(sample: &Sample) -> (Vec<&'static str>, Option<&'static str>) {
    let Ok(message) = Message::parse(&sample.payload) else {
        // No MSH: a batch without header, a fragment.
        return (vec!["AR"], Some("no-header"));
    };
    let header = message.header();
    if message.acknowledgement().is_some() {
        // Acknowledgements are never acknowledged; this one answers nothing that we sent.
        return (Vec::new(), Some("unexpected-acknowledgement"));
    }
    if message.segment(b"MSA").is_some() {
        // A report of version 2.2 that asks for both: MSA does not make it an acknowledgement.
        return (vec!["CR"], Some("unsupported-version"));
    }
    let asks = [header.accept_acknowledgement(), header.application_acknowledgement()];
    let enhanced_alert =
        asks.iter().any(|field| !field.is_empty()) && Transaction::of(&message) == Some(Transaction::Pcd04);
    let version = sample.version.as_str();
    let refused = if sample.control_id.is_empty() {
        Some("no-control-id")
    } else if !version.starts_with("2.") || matches!(version, "2.1" | "2.2") {
        // MSH-12 2.3 to 2.8 is read, whatever types are taken.
        Some("unsupported-version")
    } else {
        None
    };
    let answers: Vec<_> = match (refused, sample.answer.as_str()) {
        (Some(_), "CA" | "CA+AA") => vec!["CR"],
        (Some(_), "none") => Vec::new(),
        (Some(_), _) => vec!["AR"],
        // IHE PCD TF vol. 2, 3.4: beside an accept acknowledgement, MSH-16 of an alert report asks for
        // nothing.
        (None, "CA+AA") if enhanced_alert => vec!["CA"],
        (None, "AA") => vec!["AA"],
        (None, "CA") => vec!["CA"],
        (None, "CA+AA") => vec!["CA", "AA"],
        (None, "none") => Vec::new(),
        (None, other) => panic!("{}: the table says {other}", sample.name),
    };
    (answers, refused)
}

/// MSA-1 and MSA-2, by the separators of the message, byte for byte.
fn verdict(answer: &str) -> (String, String) {
    let message = Message::parse(answer.as_bytes()).unwrap();
    let msa = message.segment(b"MSA").unwrap();
    let text = |n| String::from_utf8(msa.field(n).raw().to_vec()).unwrap();
    (text(1), text(2))
}

/// A message that asks for an accept acknowledgement: when that comes, everything before it has been
/// answered.
fn sentinel(number: usize) -> Vec<u8> {
    message(NAME, &format!("SENTINEL-{number}")).to_vec()
}

#[test]
fn every_message_is_answered_as_it_asks_and_kept_as_it_came() {
    let Some(samples) = corpus() else { return };
    let site = Site::new()
        .with("messages", "types = \"any\"")
        .with("messages", "processing-ids = [\"P\", \"T\", \"D\"]")
        .with("devices", "identity = \"record\"");
    let platform = site.start();
    platform.admit(NAME, &[]);
    let mut wire = Wire::connect(&site, platform.address, &site.certificate(NAME, KeyType::Ecc));
    let (mut wrong, mut rejected, mut batches) = (Vec::new(), Vec::new(), 0);
    for (number, sample) in samples.iter().enumerate() {
        wire.write(&framed(&sample.payload));
        wire.write(&framed(&sentinel(number)));
        let mut answers = Vec::new();
        loop {
            let answer = wire.answer().expect("an acknowledgement");
            let (code, of) = verdict(&answer);
            if of == format!("SENTINEL-{number}") {
                assert_eq!(code, "CA", "{}", sample.name);
                break;
            }
            answers.push((code, of));
        }
        if sample.name == BATCH {
            assert_eq!(answers.len(), 1, "{answers:?}");
            batches += 1;
            continue;
        }
        let (codes, code) = expected(sample);
        let found: Vec<_> = answers.iter().map(|(code, _)| code.as_str()).collect();
        if found != codes {
            wrong.push(format!("{}: {found:?}, expected {codes:?}", sample.name));
        }
        let parsed = Message::parse(&sample.payload);
        let id =
            parsed.as_ref().map(|message| message.header().control_id().raw().to_vec()).unwrap_or_default();
        for (_, of) in &answers {
            if of.as_bytes() != id {
                wrong.push(format!("{}: MSA-2 of {} bytes", sample.name, of.len()));
            }
        }
        rejected.extend(code.map(|code| (sample, code)));
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), samples.len(), wrong.join("\n"));
    assert_eq!(batches, 1);

    let exported = platform.cli().json(&["message", "export"]);
    let raw = |line: &Value| STANDARD.decode(line["raw"].as_str().unwrap()).unwrap();
    // The newest first, strictly: messages of one millisecond as well.
    let mut came = samples.iter().enumerate().flat_map(|(number, sample)| [Ok(sample), Err(number)]);
    for line in exported.iter().rev() {
        let (bytes, id) = (raw(line), line["control-id"].as_str().unwrap());
        let is_this = |sent: Result<&Sample, usize>| match sent {
            Ok(Sample { name, .. }) if name == BATCH => id == "12345678",
            Ok(sample) => sample.payload == bytes,
            Err(number) => id == format!("SENTINEL-{number}"),
        };
        // A message that is skipped here was a resend.
        assert!(came.any(is_this), "{id} is out of order");
    }
    let mut kept: HashMap<Vec<u8>, Vec<&Value>> = HashMap::new();
    for line in &exported {
        kept.entry(raw(line)).or_default().push(line);
    }
    let distinct: HashSet<_> = samples.iter().map(|sample| sample.payload.as_slice()).collect();
    for sample in samples.iter().filter(|sample| sample.name != BATCH) {
        let rows = kept.get(&sample.payload).unwrap_or_else(|| panic!("{} is lost", sample.name));
        let (_, code) = expected(sample);
        let came = samples.iter().filter(|other| other.payload == sample.payload).count();
        // What was accepted is kept once, however often it comes; each rejection is kept.
        assert_eq!(rows.len(), if code.is_some() { came } else { 1 }, "{}", sample.name);
        assert!(rows.iter().all(|row| row["rejection"].as_str() == code), "{}", sample.name);
    }
    println!("{} messages, {} distinct, {} of them rejected", samples.len(), distinct.len(), rejected.len());

    let mut listed = platform.cli().json(&["message", "list", "--rejected", "--limit", "1000"]);
    assert_eq!(listed.len(), rejected.len());
    listed.truncate(3);
    for row in &listed {
        let shown = platform.cli().run_raw(&["message", "show", row["id"].as_str().unwrap(), "--raw"]);
        assert!(rejected.iter().any(|(sample, _)| sample.payload == shown), "{row}");
    }
    // Nothing that can be read makes the tree fail.
    for row in exported.iter().filter(|row| row["rejection"] != "no-header").step_by(9) {
        let id = row["id"].as_str().unwrap();
        let tree = platform.cli().run(&["message", "show", id, "--tree"]);
        assert!(tree.contains(row["message-type"].as_str().unwrap().trim()), "{tree}");
    }
    assert_eq!(complaints(&platform.stop().log), [""; 0]);
}
