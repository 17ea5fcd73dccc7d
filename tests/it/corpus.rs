//! Messages of real senders, read as an independent reader read them.
//!
//! The messages belong to others and are not part of the project. `PCD_CORPUS` names a folder of them, with a
//! table `expect.tsv`: file, number of segments, MSH-9, 10, 12, 15, 16 without blanks, and the
//! acknowledgements that a receiver sends which accepts the message. Without the variable there is nothing to
//! read, and the tests say so.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use bytes::BytesMut;
use pcd_platform::hl7::{AcknowledgeAs, Field, Message, Outcome, Warning, batch};
use pcd_platform::mllp::{Codec, Received};
use pcd_platform::pcd::{AlertReport, Claim, Claims, Containment, Level, Transaction, profile};
use tokio_util::codec::Decoder as _;

struct Expected {
    segments: usize,
    /// MSH-9, 10, 12, 15, 16.
    header: [String; 5],
    answer: String,
}

pub struct Sample {
    pub name: String,
    pub payload: Vec<u8>,
    expected: Expected,
}

/// The corpus, if it was asked for.
pub fn corpus() -> Option<Vec<Sample>> {
    let Some(folder) = std::env::var_os("PCD_CORPUS").map(PathBuf::from) else {
        println!("not asked for: PCD_CORPUS=FOLDER names a folder of messages with its expect.tsv");
        return None;
    };
    let table = folder.join("expect.tsv");
    let table = fs::read_to_string(&table).unwrap_or_else(|error| panic!("{}: {error}", table.display()));
    let samples: Vec<_> = table.lines().skip(1).map(|row| sample(&folder, row)).collect();
    assert!(!samples.is_empty(), "expect.tsv has no rows");
    Some(samples)
}

fn sample(folder: &Path, row: &str) -> Sample {
    let mut cells = row.split('\t').map(str::to_owned);
    let mut cell = || cells.next().unwrap_or_default();
    let name = cell();
    let segments = cell().parse().unwrap_or_else(|error| panic!("{name}: number of segments: {error}"));
    let header = [cell(), cell(), cell(), cell(), cell()];
    let expected = Expected { segments, header, answer: cell() };
    let bytes = fs::read(folder.join(&name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let payload = if name.ends_with(".frame.bin") { unframed(&name, &bytes) } else { bytes };
    Sample { name, payload, expected }
}

fn unframed(name: &str, bytes: &[u8]) -> Vec<u8> {
    let (mut codec, mut buffer) = (Codec::new(64 * 1024), BytesMut::from(bytes));
    let Ok(Some(Received::Frame(frame))) = codec.decode(&mut buffer) else { panic!("{name}: no frame") };
    assert!(frame.deviations.is_empty() && buffer.is_empty(), "{name}: {:?}", frame.deviations);
    frame.payload.to_vec()
}

/// The table was written by a reader that takes each byte for one character.
fn latin1(field: Field<'_>) -> String {
    field.trimmed().iter().copied().map(char::from).collect()
}

fn answer(message: &Message<'_>) -> String {
    let header = message.header();
    // The table takes an ORU^R01 with MSA for an acknowledgement. It is a report: MSA must not exempt it from
    // the checks of reports.
    let is_report_with_msa =
        header.message_type().code == b"ORU" && message.segments().any(|segment| segment.is(b"MSA"));
    if message.acknowledgement().is_some() || is_report_with_msa {
        return "none".to_owned();
    }
    if header.control_id().is_empty() || header.message_type().code.is_empty() {
        return "negative".to_owned();
    }
    let transaction = Transaction::of(message);
    let request = Transaction::acknowledgement_request(transaction, &header, AcknowledgeAs::AsAsked);
    let codes: Vec<_> = request.answers(Outcome::Accepted).iter().map(|code| code.as_str()).collect();
    if codes.is_empty() { "none".to_owned() } else { codes.join("+") }
}

#[test]
fn every_message_is_read_as_expected() {
    for Sample { name, payload, expected } in corpus().unwrap_or_default() {
        let Ok(message) = Message::parse(&payload) else {
            assert_eq!("unreadable", expected.answer, "{name}");
            continue;
        };
        assert_eq!(message.segments().count(), expected.segments, "{name}: segments");
        let header = message.header();
        let found = [
            header.message_type_field(),
            header.control_id(),
            header.version(),
            header.accept_acknowledgement(),
            header.application_acknowledgement(),
        ];
        assert_eq!(found.map(latin1), expected.header, "{name}: MSH-9, 10, 12, 15, 16");
        assert_eq!(answer(&message), expected.answer, "{name}: answer");
    }
}

/// The rules against hidden identities refuse no message of a real sender.
#[test]
fn no_message_hides_a_device_from_some_reader() {
    let mut read = 0;
    for Sample { name, payload, .. } in corpus().unwrap_or_default() {
        let Ok(message) = Message::parse(&payload) else { continue };
        let claims = Claims::read(&message, Transaction::of(&message), 1024);
        let open: Vec<_> = claims.identities.iter().map(|claim| &claim.identity).collect();
        let hidden = claims.hidden.iter().find(|claim| !open.contains(&&claim.identity));
        assert_eq!(hidden, None, "{name}");
        assert!(!claims.exceeds_limit, "{name}");
        read += usize::from(!payload.is_ascii());
    }
    println!("{read} messages have text that is not ASCII");
}

#[test]
fn every_message_put_together_again_is_the_same_bytes() {
    for Sample { name, payload, .. } in corpus().unwrap_or_default() {
        let Ok(message) = Message::parse(&payload) else { continue };
        let mut again = Vec::new();
        for (range, segment) in message.ranges().zip(message.segments()) {
            again.extend_from_slice(&payload[again.len()..range.start]);
            let mut fields: Vec<&[u8]> = segment.fields().map(|field| field.raw()).collect();
            if segment.is(b"MSH") {
                fields.remove(0);
            }
            fields.insert(0, segment.id());
            again.extend_from_slice(&fields.join(&message.separators().field));
        }
        again.extend_from_slice(&payload[again.len()..]);
        assert_eq!(again, payload, "{name}");
    }
}

/// A second opinion, on the messages that both readers claim to understand.
#[test]
fn another_parser_finds_the_same_fields() {
    let Some(samples) = corpus() else { return };
    let mut compared = 0;
    for Sample { name, payload, .. } in samples {
        let (Ok(message), Ok(text)) = (Message::parse(&payload), std::str::from_utf8(&payload)) else {
            continue;
        };
        let names = |id: &[u8]| {
            id.len() == 3 && id.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
        };
        let structural = [Warning::LineFeeds, Warning::EmptyLines, Warning::UnusualEncodingCharacters];
        let odd = structural.iter().any(|warning| message.warnings().contains(*warning));
        if odd || !message.segments().all(|segment| names(segment.id())) {
            continue;
        }
        let other = hl7_parser::Message::parse(text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let ours: Vec<Vec<&[u8]>> =
            message.segments().map(|segment| segment.fields().map(|field| field.raw()).collect()).collect();
        let theirs: Vec<Vec<&[u8]>> = other
            .segments()
            .map(|segment| segment.fields().map(|field| field.raw_value().as_bytes()).collect())
            .collect();
        assert_eq!(ours, theirs, "{name}");
        compared += 1;
    }
    assert!(compared > 100, "only {compared} messages were compared");
}

#[test]
fn the_examples_of_the_technical_framework_are_what_they_are_called() {
    let Some(samples) = corpus() else { return };
    let found: HashMap<_, _> = samples
        .iter()
        .filter_map(|sample| {
            let message = Message::parse(&sample.payload).ok()?;
            Some((sample.name.as_str(), Transaction::of(&message)))
        })
        .collect();
    for (name, expected) in [
        ("ihe-dev-tf/r10-01-ORU_R01_ORU_R01.hl7", Transaction::Pcd01),
        ("ihe-dev-tf/r10-03-RGV_O15_RGV_O15.hl7", Transaction::Pcd03),
        ("ihe-dev-tf/r10-05-RRG_O16_RRG_O16.hl7", Transaction::Pcd03),
        ("ihe-dev-tf/r10-09-ORU_R40_ORU_R40.hl7", Transaction::Pcd04),
        ("ihe-dev-tf/r10-13-ORU_R01_ORU_R01.hl7", Transaction::Pcd01),
        ("ihe-dev-tf/r10-15-ORU_R42_ORU_R01.hl7", Transaction::Pcd10),
        ("ihe-dev-tf/pcmc-02-ORU_R40_ORU_R44.hl7", Transaction::Watchdog),
        ("ipf-pcd01/wan-valid-scale-continua-wan.hl7", Transaction::Pcd01),
    ] {
        assert_eq!(found.get(name), Some(&Some(expected)), "{name}");
    }
    assert_eq!(found.get("hapi/parser-adt_a03.hl7"), Some(&None));
}

#[test]
fn the_devices_of_the_technical_framework_are_found() {
    let Some(samples) = corpus() else { return };
    let claims = |name: &str| -> Vec<String> {
        let Some(sample) = samples.iter().find(|sample| sample.name == name) else {
            panic!("{name} is missing")
        };
        let message = Message::parse(&sample.payload).unwrap_or_else(|error| panic!("{name}: {error}"));
        let claims = Claim::all_of(&message, Transaction::of(&message));
        claims.into_iter().map(|claim| format!("{} {}", claim.place.code(), claim.identity)).collect()
    };
    let alert = claims("ihe-dev-tf/r10-10-ORU_R40_ORU_R40.hl7");
    let expected =
        ["sending-application 0012211839000001", "filler 0012211839000001", "equipment 0012210000000000"];
    assert_eq!(alert, expected);
    let blood_pressure = claims("ipf-pcd01/wan-valid-bp-continua-wan.hl7");
    let expected =
        ["sending-application ACDE48234567ABCD", "filler ACDE48234567ABCD", "equipment 0123456789ABCDEF"];
    assert_eq!(blood_pressure, expected);
}

#[test]
fn a_batch_is_taken_apart_and_nothing_else_is() {
    let Some(samples) = corpus() else { return };
    for Sample { name, payload, .. } in &samples {
        let split = batch::split(payload);
        if name != "mirth/tests-test-hl7-batch-input.hl7" {
            assert_eq!(split, None, "{name}");
            continue;
        }
        let Some(split) = split else { panic!("{name} is a batch") };
        assert_eq!((split.messages.len(), split.strays.len()), (1, 0), "{name}");
        let message =
            split.messages.first().and_then(|range| Message::parse(payload.get(range.clone())?).ok());
        assert_eq!(message.map(|message| message.segments().count()), Some(22), "{name}");
    }
}

#[test]
fn the_profiles_know_the_examples_that_keep_to_them() {
    let Some(samples) = corpus() else { return };
    let rules = |name: &str| -> Vec<&str> {
        let Some(sample) = samples.iter().find(|sample| sample.name == name) else {
            panic!("{name} is missing")
        };
        let message = Message::parse(&sample.payload).unwrap_or_else(|error| panic!("{name}: {error}"));
        let Some(transaction) = Transaction::of(&message) else { panic!("{name} is none of IHE PCD") };
        profile::check(&message, transaction).into_iter().map(|finding| finding.rule).collect()
    };
    // B.1 has AL and NE; these were sent to web services, which have NE and AL.
    let mode = ["msh-acknowledgement-mode"; 2];
    assert_eq!(rules("ipf-pcd01/wan-valid-thermometer-continua-wan.hl7"), mode);
    // Table B.8-1 requires OBX-2 unless OBX-11 is X.
    let found = rules("ipf-pcd01/pcd01-valid-pcd01-request.hl7");
    assert_eq!(found, ["obx-value-type-missing", "obx-value-type-missing", mode[0], mode[1]]);
    // NIST's own examples of these two conform to its profiles. One misspells the reference id
    // of a term (150034^MDC_PREeSS_BLD_ART_DIA) and of a unit (266016^MDC_DdIM_MMHG), which is advice.
    let misspelt = ["obx-term-contradiction", "obx-unit-contradiction"];
    assert_eq!(rules("nist/PCD01-message.hl7"), misspelt);
    assert_eq!(rules("nist/PCD10-message.hl7"), [""; 0]);
    // The watchdog of the proposal is no alert and has none of its facets.
    assert!(!rules("ihe-dev-tf/pcmc-02-ORU_R40_ORU_R44.hl7").contains(&"alert-phase-missing"));
    for name in
        samples.iter().map(|sample| sample.name.as_str()).filter(|name| name.contains("ORU_R01_ORU_R01"))
    {
        assert!(!rules(name).contains(&"segment-sequence"), "{name}: {:?}", rules(name));
    }
}

/// The event of each alert, whatever precedes it and however many OBR the alert has; its phase and its time.
#[test]
fn the_event_of_each_alert_is_the_event() {
    let Some(samples) = corpus() else { return };
    let folder = std::env::var_os("PCD_CORPUS").map(PathBuf::from).unwrap_or_default();
    for (name, expected) in [
        // OBX-3 is the event.
        ("ihe-dev-tf/r10-09-ORU_R40_ORU_R40.hl7", ["196670", "start", "20120111150457-0600"]),
        // OBX-5 is, and it has no OBX-14.
        ("ihe-dev-tf/r10-10-ORU_R40_ORU_R40.hl7", ["196940", "start", "20120109175417-0600"]),
        ("ihe-dev-tf/r10-11-ORU_R40_ORU_R40.hl7", ["196940", "end", "20120109175426-0600"]),
        // It has a name, and no number.
        (
            "ihe-dev-tf/r10-12-ORU_R40_ORU_R40.hl7",
            ["MDCX_DOCUMENTATION_ERROR", "start", "20120109175426-0600"],
        ),
        // Devices precede it, and the alert has three OBR.
        ("nist/PCD04-message.hl7", ["199728", "start", "20171116204412+0000"]),
    ] {
        let payload = match samples.iter().find(|sample| sample.name == name) {
            Some(sample) => sample.payload.clone(),
            None => fs::read(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}")),
        };
        let message = Message::parse(&payload).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(Transaction::of(&message), Some(Transaction::Pcd04), "{name}");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let reports: Vec<_> = AlertReport::all_of(&message)
            .into_iter()
            .map(|AlertReport { key, .. }| [text(&key.event), text(&key.phase), text(&key.time)])
            .collect();
        assert_eq!(reports, [expected.map(str::to_owned)], "{name}");
    }
}

#[test]
fn the_printed_alerts_have_their_facets_and_the_printed_devices_their_tree() {
    let Some(samples) = corpus() else { return };
    let payload = |name: &str| match samples.iter().find(|sample| sample.name == name) {
        Some(sample) => sample.payload.as_slice(),
        None => panic!("{name} is missing"),
    };
    for (name, phase) in [
        ("ihe-dev-tf/r10-09-ORU_R40_ORU_R40.hl7", "start"),
        ("ihe-dev-tf/r10-11-ORU_R40_ORU_R40.hl7", "end"),
        ("ihe-dev-tf/r10-12-ORU_R40_ORU_R40.hl7", "start"),
    ] {
        let message = Message::parse(payload(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let reports = AlertReport::all_of(&message);
        let phases: Vec<_> = reports.iter().map(|report| report.key.phase.as_slice()).collect();
        assert_eq!(phases, [phase.as_bytes()], "{name}");
    }
    // The end of an alert has a number of its own, and names the one under which the alert began.
    let report = |name: &str| {
        let message = Message::parse(payload(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        AlertReport::all_of(&message).pop()
    };
    let [start, end] = ["10", "11"].map(|n| report(&format!("ihe-dev-tf/r10-{n}-ORU_R40_ORU_R40.hl7")));
    let (Some(start), Some(end)) = (start, end) else { panic!("these are alerts") };
    assert_eq!(end.continues.as_ref(), Some(&start.key.filler));
    assert_ne!(end.key.filler, start.key.filler);
    let name = "ihe-dev-tf/r10-01-ORU_R01_ORU_R01.hl7";
    let message = Message::parse(payload(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let trees = Containment::all_of(&message);
    let levels =
        |level| trees.iter().flat_map(Containment::nodes).filter(|node| node.path.level() == level).count();
    assert_eq!([Level::Mds, Level::Vmd, Level::Channel, Level::Metric].map(levels), [1, 3, 3, 10]);
    assert!(trees.iter().flat_map(Containment::nodes).all(|node| node.depth == node.path.level() as usize));
}

/// With `conformance = "strict"` the examples that the technical framework prints are taken, but for those
/// that are not what the text beside them says.
#[test]
fn strict_takes_the_examples_of_the_technical_framework_but_for_their_misprints() {
    // The status stands in OBX-10: a separator is missing before it.
    const MISPRINTS: &[(&str, &str)] = &[
        ("r10-09-ORU_R40_ORU_R40.hl7", "obx-status-missing OBX[5]-11"),
        ("r10-10-ORU_R40_ORU_R40.hl7", "obx-status-missing OBX[5]-11"),
        ("r10-11-ORU_R40_ORU_R40.hl7", "obx-status-missing OBX[5]-11"),
        // Table B.8-1 requires OBX-2 unless OBX-11 is X.
        ("r10-13-ORU_R01_ORU_R01.hl7", "obx-value-type-missing OBX[1]-2"),
        ("r10-13-ORU_R01_ORU_R01.hl7", "obx-value-type-missing OBX[2]-2"),
        // Drafts for Rev. 11 leave out what 3.3.4.4 of Rev. 10 requires.
        ("r11draft-09-RGV_O15_RGV_O15.hl7", "orc-time-missing ORC[1]-9"),
        ("r11draft-10-RGV_O15_RGV_O15.hl7", "orc-time-missing ORC[1]-9"),
        ("r11draft-11-RGV_O15_RGV_O15.hl7", "orc-time-missing ORC[1]-9"),
        ("r10-13-ORU_R01_ORU_R01.hl7", "obx-status-missing OBX[2]-11"),
        ("r10-13-ORU_R01_ORU_R01.hl7", "obx-status-missing OBX[3]-11"),
        ("r10-13-ORU_R01_ORU_R01.hl7", "obx-status-missing OBX[4]-11"),
        ("r10-13-ORU_R01_ORU_R01.hl7", "obx-status-missing OBX[5]-11"),
    ];
    let Some(samples) = corpus() else { return };
    let mut found = Vec::new();
    for Sample { name, payload, .. } in samples.iter().filter(|sample| sample.name.starts_with("ihe-dev-tf/"))
    {
        let Ok(message) = Message::parse(payload) else { panic!("{name} is unreadable") };
        let Some(transaction) = Transaction::of(&message) else { continue };
        for finding in profile::check(&message, transaction).iter().filter(|finding| !finding.is_advice) {
            found.push((name.as_str(), format!("{} {}", finding.rule, finding.location)));
        }
    }
    let known = |(name, finding): &&(&str, String)| {
        !MISPRINTS.iter().any(|(file, misprint)| name.ends_with(file) && finding == misprint)
    };
    let unknown: Vec<_> = found.iter().filter(known).collect();
    assert!(unknown.is_empty(), "{unknown:#?}");
    let gone = MISPRINTS.iter().filter(|(file, misprint)| {
        !found.iter().any(|(name, finding)| name.ends_with(file) && finding == misprint)
    });
    assert_eq!(gone.count(), 0, "a reason that nothing needs");
}
