use super::super::fixtures::{
    NAME, acknowledgements, clock, config, device, directory, frame, frame_about, handle, peer,
};
use super::kept::MAX_CUT_COPY;
use super::*;
use crate::config::{Config, Identity};
use crate::hl7::{AcknowledgementCode, Message};
use crate::mllp::BrokenReason;
use crate::store::CUT;

const OTHER: &str = "00A037FFFE000002";

fn inbound(devices: Vec<Device>) -> Inbound {
    Inbound::new(peer(), SessionId::at(clock().now()), directory(devices), key(), Arc::default())
}

fn key() -> PatientKey {
    PatientKey::new(b"key")
}

fn settings(config: Config) -> Settings {
    Settings::new(handle(config))
}

fn evaluate_with(config: Config, devices: Vec<Device>, frame: Frame) -> Decision {
    inbound(devices).read(&only(frame), &settings(config), clock().now()).decide(|_| None, |_, _| Room::Free)
}

fn evaluate(frame: Frame) -> Decision {
    evaluate_with(config(), vec![device()], frame)
}

/// Evaluates a message.
pub(super) fn evaluate_text(text: &str) -> Decision {
    let payload = Bytes::copy_from_slice(text.as_bytes());
    evaluate(Frame { payload, deviations: std::iter::empty().collect() })
}

fn only(frame: Frame) -> Part {
    let mut parts = Part::split(frame);
    assert_eq!(parts.len(), 1, "one message");
    parts.remove(0)
}

/// The payload of a frame as the codec hands it over.
fn whole(frame: &[u8]) -> Frame {
    let payload = Bytes::copy_from_slice(&frame[1..frame.len() - 2]);
    Frame { payload, deviations: std::iter::empty().collect() }
}

fn broken(reason: BrokenReason, bytes: &[u8]) -> Decision {
    let broken = Broken { bytes: Bytes::copy_from_slice(bytes), reason };
    inbound(vec![device()]).evaluate_broken(&broken, &settings(config()), clock().now())
}

fn codes(frames: &[u8]) -> Vec<String> {
    acknowledgements(frames).into_iter().map(|(code, _)| code).collect()
}

/// What is sent if the store fails; `None` when that changes nothing.
fn store_failure(decision: &Decision) -> Option<(Bytes, Label)> {
    let Outcome::Accepted { on_store_failure: Some(failure), .. } = &decision.outcome else { return None };
    let inbound = inbound(vec![device()]);
    Some(inbound.answer_failure(
        failure,
        &Rejection::StoreUnavailable,
        decision.label,
        &settings(config()),
        clock().now(),
    ))
}

#[test]
fn an_accepted_message_has_an_answer_for_success_and_one_for_a_store_failure() {
    let decision = evaluate(whole(&frame("1")));
    assert_eq!(codes(&decision.record.acknowledgement), ["CA"]);
    let label = |acknowledgement| Label { transaction: "pcd-01", acknowledgement };
    assert_eq!((decision.label, decision.label.resend()), (label("CA"), label("resend")));
    let (frames, failed) = store_failure(&decision).unwrap();
    assert_eq!((codes(&frames), failed), (vec!["CE".into()], label("CE")));
}

// The raw message is with the store by then; the header was kept, in whatever form it was written.
#[test]
fn the_answer_to_a_store_failure_repeats_the_header() {
    let plain = String::from_utf8(frame("ID-1")).unwrap();
    let wrapped = plain.replacen("|ORU", "|\rORU", 1);
    assert_ne!(plain, wrapped);
    for text in [plain.clone(), wrapped, plain.replace('|', "!")] {
        let (failed, _) = store_failure(&evaluate(whole(text.as_bytes()))).unwrap();
        let answer = Message::parse(&failed[1..failed.len() - 2]).unwrap();
        let msa = answer.segment(b"MSA").unwrap();
        assert_eq!((msa.field(1).raw(), msa.field(2).raw()), (&b"CE"[..], &b"ID-1"[..]), "{text:?}");
        let sender =
            Message::parse(&text.as_bytes()[1..]).unwrap().header().sending_application().raw().to_vec();
        assert_eq!(answer.header().receiving_application().raw(), sender);
        assert!(failed.windows(17).any(|text| text == b"store-unavailable"));
    }
}

// HL7 2.6 ch. 2, 2.14.9.7: the zone of MSH-7 is that of every time in the message that has none of its own.
#[test]
fn a_time_without_zone_is_in_that_of_the_message() {
    let event_time = |msh_7: &str, obr_7: &str| {
        let frame = String::from_utf8(frame("1")).unwrap().replace("20260101120000+0000", msh_7);
        let frame = frame.replace("OBX|", &format!("OBR|1||1|1^X^MDC|||{obr_7}\rOBX|"));
        evaluate(whole(frame.as_bytes())).record.event_time.unwrap().to_string()
    };
    assert_eq!(event_time("20260101120000-0500", "20260101110000"), "2026-01-01T16:00:00Z");
    assert_eq!(event_time("20260101120000-0500", "20260101110000+0100"), "2026-01-01T10:00:00Z");
    assert_eq!(event_time("20260101120000-0500", ""), "2026-01-01T17:00:00Z");
}

// The columns that people read are text by MSH-18; the raw bytes are stored.
#[test]
fn listed_fields_are_decoded_by_the_character_set_of_the_message() {
    let bytes = String::from_utf8(frame("P")).unwrap().into_bytes();
    let at = bytes.windows(3).position(|piece| piece == b"|P|").unwrap() + 1;
    let mut german = [&bytes[..at], b"\xFC7", &bytes[at + 1..]].concat();
    let listed = |bytes: &[u8]| evaluate(whole(bytes)).record.control_id;
    assert_eq!(listed(&german), "\u{fc}7");
    let stated = german.windows(4).position(|piece| piece == b"|NE|").unwrap() + 4;
    german.splice(stated..stated + 1, *b"|8859/5|");
    assert_eq!(listed(&german), "\u{45c}7");
    assert_eq!(evaluate(whole(&german)).record.raw, german[1..german.len() - 2]);
}

// A device decides how long its fields are, so it must not decide how much an index of the store holds.
#[test]
fn the_columns_that_are_searched_have_at_most_256_characters() {
    let long = "\u{e4}".repeat(9_000);
    let text = format!(
        "MSH|^~\\&|{long}||||20260101||{long}|{long}|P|2.6\rOBX|1|||||||||||||||||{long}^^{long}^DNS\r"
    );
    let record = evaluate(whole(&[b"\x0B", text.as_bytes(), b"\x1C\r"].concat())).record;
    let columns = [&record.message_type, &record.control_id, &record.sending_application];
    let all = columns.into_iter().chain(&record.identities).chain(&record.not_allowed);
    let lengths: Vec<_> = all.map(|text| text.chars().count()).collect();
    assert!(lengths.len() > 4 && lengths.iter().all(|length| *length == 256), "{lengths:?}");
    assert_eq!(record.raw, text, "the message is complete");
}

#[test]
fn a_message_with_test_values_has_a_warning() {
    let clinical = String::from_utf8(frame("1")).unwrap();
    let warned =
        |text: &str| evaluate(whole(text.as_bytes())).record.warnings.contains(&"not-clinical".to_owned());
    assert!(!warned(&clinical));
    assert!(warned(&clinical.replace("|1.0.0.0||||", "|1.0.0.0||||demo")));
}

#[test]
fn a_rejection_does_not_depend_on_the_store() {
    let decision = evaluate(whole(&frame_about(OTHER, "1")));
    assert_eq!(codes(&decision.record.acknowledgement), ["CR"]);
    assert_eq!(decision.record.verdict, Verdict::Rejected { code: "identity-mismatch".to_owned() });
    assert!(matches!(decision.outcome, Outcome::Violation) && decision.violation.is_some());
    assert_eq!(store_failure(&decision), None);
}

// A broken frame is stored; an answer goes only to a peer that is still there and can use it.
#[test]
fn a_broken_frame_is_stored_and_answered_if_its_sender_can_use_the_answer() {
    let frame = frame("7");
    let header = &frame[1..200];
    for (reason, bytes, answer) in [
        // The header asks for an accept acknowledgement, and gets one.
        (BrokenReason::TooLarge, header, Some(("CR", "7"))),
        (BrokenReason::TooLarge, b"no header at all", None),
        (BrokenReason::Utf16, b"M\0S\0H\0", Some(("AR", ""))),
        (BrokenReason::Truncated, header, None),
        (BrokenReason::NoStartBlock, header, None),
        (BrokenReason::EndOfStream, header, None),
        (BrokenReason::TimedOut, header, None),
        (BrokenReason::BetweenFrames, header, None),
    ] {
        let decision = broken(reason, bytes);
        let expected: Vec<_> =
            answer.map(|(code, id)| (code.to_owned(), id.to_owned())).into_iter().collect();
        assert_eq!(acknowledgements(&decision.record.acknowledgement), expected, "{reason:?}");
        assert_eq!(decision.record.raw, bytes, "byte for byte");
        assert_eq!(decision.record.verdict, Verdict::Rejected { code: reason.code().to_owned() });
    }
}

#[test]
fn identity_rules_use_the_current_directory() {
    let gateway = Device { speaks_for: vec![OTHER.parse().unwrap()], ..device() };
    let about_other = || whole(&frame_about(OTHER, "1"));
    let violates = |devices: Vec<Device>, frame: Frame| {
        matches!(evaluate_with(config(), devices, frame).outcome, Outcome::Violation)
    };
    assert!(!violates(vec![gateway], about_other()));
    assert!(violates(vec![device()], about_other()));
    // A removed device speaks for itself until its session ends.
    assert!(!violates(Vec::new(), whole(&frame(NAME))));
    assert!(violates(Vec::new(), about_other()));
}

#[test]
fn an_awaited_acknowledgement_is_accepted_and_never_answered() {
    let part = only(whole(&super::super::fixtures::acknowledgement("OURS")));
    let expects = |control_id: &[u8]| (control_id == b"OURS").then(|| b"P".to_vec());
    let decision = inbound(vec![device()])
        .read(&part, &settings(config()), clock().now())
        .decide(expects, |_, _| Room::Free);
    let Outcome::Reply(reply) = &decision.outcome else { panic!("{decision:?}") };
    let expected =
        Reply { control_id: b"OURS".to_vec(), code: Some(AcknowledgementCode::CA), mode: b"P".to_vec() };
    assert_eq!((reply, &decision.record.verdict), (&expected, &Verdict::Accepted));
    assert!(decision.record.acknowledgement.is_empty() && store_failure(&decision).is_none());
}

// DEV-53, in any ORU: the decision carries the heartbeat, so that no other part of the platform parses the
// message again.
#[test]
fn an_accepted_heartbeat_is_carried_whatever_the_message_is() {
    use crate::liveness::Heartbeat;
    let profile = "IHE_PCD_001^IHE PCD^1.3.6.1.4.1.19376.1.6.1.1.1^ISO\r";
    let heartbeat = "\rOBX|1|ST|198200^MDC_EVT_WATCHDOG^MDC|1.0.0.1|continue||<10000\r";
    let report = String::from_utf8(frame("1")).unwrap().replace(profile, heartbeat);
    let found = |text: &str| match evaluate(whole(text.as_bytes())).outcome {
        Outcome::Accepted { sign, .. } => sign.heartbeat,
        outcome => panic!("{outcome:?}"),
    };
    let ten_seconds = Some(Heartbeat::Within(std::time::Duration::from_secs(10)));
    assert_eq!(found(&report), ten_seconds);
    let watchdog = report.replace("ORU^R01^ORU_R01", "ORU^R40^ORU_R40");
    assert_eq!(found(&watchdog), ten_seconds);
    assert_eq!(found(&watchdog.replace("<10000", "10000")), Some(Heartbeat::Continues));
    assert_eq!(found(&watchdog.replace("continue", "end")), Some(Heartbeat::Leaves));
    assert_eq!(found(&String::from_utf8(frame("1")).unwrap()), None);
}

#[test]
fn a_sender_with_unusable_separators_gets_its_control_id_back() {
    for (header, answered) in [
        ("MSH|^&|DEV||||2026||ORU^R01^ORU_R01|CTRL-7|P|2.6", Some(("AR", "CTRL-7"))),
        ("MSH|^&|DEV||||2026||ORU^R01^ORU_R01|CTRL-7|P|2.6|||AL|NE", Some(("CR", "CTRL-7"))),
        ("MSH|^~|DEV||||2026||ORU^R01^ORU_R01||P|2.6", Some(("AR", ""))),
        ("MSH", Some(("AR", ""))),
    ] {
        let payload = Bytes::from(format!("{header}\rPID|1\r"));
        let decision = evaluate(Frame { payload, deviations: std::iter::empty().collect() });
        assert_eq!(decision.record.verdict.rejection(), Some("bad-separators"), "{header}");
        let answers = acknowledgements(&decision.record.acknowledgement);
        let answers: Vec<_> = answers.iter().map(|(code, id)| (code.as_str(), id.as_str())).collect();
        assert_eq!(answers, answered.into_iter().collect::<Vec<_>>(), "{header}");
    }
}

#[test]
fn an_observation_with_a_stray_msa_is_answered_as_it_asks() {
    let text = String::from_utf8_lossy(&whole(&frame("9")).payload).into_owned() + "MSA|AA|OURS\r";
    let decision = evaluate(Frame { payload: text.into(), deviations: std::iter::empty().collect() });
    assert_eq!(codes(&decision.record.acknowledgement), ["CA"]);
    assert!(matches!(decision.outcome, Outcome::Accepted { .. }), "it answers no message of ours");
}

// A sender may write the patient into a field for a device. What is stored beside the bytes is listed,
// logged, audited and exported.
#[test]
fn a_patient_in_a_field_for_a_device_is_in_no_list_and_no_audit_row() {
    let text = String::from_utf8(frame("1")).unwrap();
    let rest = "PID|1||4711||Quackenbush^Zebulon\rOBX|9|||||||||||||||||Zebulon Quackenbush\rOBX|";
    let named = text.replacen(NAME, "Quackenbush^Zebulon^L", 1).replacen("OBX|", rest, 1);
    let decision = evaluate(whole(named.as_bytes()));
    assert_eq!(decision.record.verdict.rejection(), Some("identity-mismatch"));
    let shown = format!(
        "{:?} {:?} {} {:?}",
        decision.record.identities,
        decision.record.not_allowed,
        decision.record.sending_application,
        decision.violation
    );
    assert!(!shown.to_lowercase().contains("zebulon"), "{shown}");
    assert!(!shown.to_lowercase().contains("quackenbush"), "{shown}");
    let [hidden] = decision.record.not_allowed.as_slice() else { panic!("{shown}") };
    assert!(hidden.starts_with("[patient] ") && decision.record.identities.contains(hidden), "{shown}");
    assert!(shown.contains("[patient]^L"), "{shown}");
}

#[test]
fn a_number_of_the_patient_in_any_spelling_is_in_no_list_and_no_audit_row() {
    for number in ["00123456789", "123-456-789", "MRN123456789"] {
        let rest = format!("PID|1||123456789\rOBX|9|||||||||||||||||{number}\rOBX|");
        let named = String::from_utf8(frame("1")).unwrap().replacen("OBX|", &rest, 1);
        let MessageRecord { identities, not_allowed, .. } = evaluate(whole(named.as_bytes())).record;
        let shown = format!("{identities:?} {not_allowed:?}");
        assert!(!shown.contains(number) && shown.contains("[patient] "), "{shown}");
    }
}

/// The message about [`OTHER`], of a device that learns until `until`, beside `others` in the directory.
fn learnt(identity: Identity, until: Timestamp, others: Vec<Device>) -> Decision {
    let mut config = config();
    config.devices.identity = identity;
    let own = Device { learns_until: Some(until), ..device() };
    evaluate_with(config, [vec![own], others].concat(), whole(&frame_about(OTHER, "1")))
}

// A8: one certificate must not become that of a device which the directory knows.
#[test]
fn a_device_that_learns_may_name_what_no_other_entry_has_until_its_time_is_over() {
    let hour = jiff::SignedDuration::from_hours(1);
    let later = clock().now() + hour;
    let decision = learnt(Identity::Learn, later, Vec::new());
    assert_eq!(decision.record.verdict, Verdict::Accepted);
    assert!(decision.record.warnings.iter().any(|warning| warning == "identity-learned"));
    assert_eq!(decision.record.not_allowed, [OTHER], "an operator can allow it");
    assert!(matches!(decision.violation, Some(audit::Event::IdentityViolation { .. })));
    let Outcome::Accepted { sign, .. } = decision.outcome else { panic!("{:?}", decision.outcome) };
    assert!(sign.devices.is_empty(), "no sign of life of what is not allowed yet");

    let entry = |id: &str, list: &[&str]| Device {
        id: id.parse().unwrap(),
        speaks_for: list.iter().map(|text| text.parse().unwrap()).collect(),
        ..device()
    };
    let suspended = Device { status: crate::authz::DeviceStatus::Suspended, ..entry(OTHER, &[]) };
    for others in [
        vec![entry(OTHER, &[])],
        vec![suspended],
        vec![entry("00-a0-37-ff-fe-00-00-02", &[])],
        vec![entry("GW", &[OTHER])],
        vec![entry("GW", &["00A037*"])],
    ] {
        let decision = learnt(Identity::Learn, later, others.clone());
        assert_eq!(decision.record.verdict.rejection(), Some("identity-mismatch"), "{others:?}");
        assert!(matches!(decision.outcome, Outcome::Violation), "{others:?}");
    }
    let now = clock().now();
    for (identity, until) in
        [(Identity::Enforce, later), (Identity::Learn, now), (Identity::Learn, now - hour)]
    {
        let decision = learnt(identity, until, Vec::new());
        assert_eq!(decision.record.verdict.rejection(), Some("identity-mismatch"), "{identity:?} {until}");
    }
    let listed = Device { learns_until: Some(later), ..entry(NAME, &["ANOTHER"]) };
    let mut config = config();
    config.devices.identity = Identity::Learn;
    let decision = evaluate_with(config, vec![listed], whole(&frame_about(OTHER, "1")));
    assert!(matches!(decision.outcome, Outcome::Violation), "a list is enforced");
}

fn is_cut(record: &MessageRecord) -> bool {
    record.warnings.iter().any(|warning| warning == CUT)
}

#[test]
fn of_a_frame_that_is_too_large_the_beginning_is_kept_and_says_so() {
    let large = [&frame("1")[1..frame("1").len() - 2], &vec![b'x'; 3 << 20]].concat();
    let decision = broken(BrokenReason::TooLarge, &large);
    assert!(is_cut(&decision.record) && decision.record.raw == large[..MAX_CUT_COPY]);
    assert_eq!(
        (decision.storage, codes(&decision.record.acknowledgement)),
        (Storage::Stored, vec!["CR".into()])
    );
    let decision = broken(BrokenReason::EndOfStream, &frame("1"));
    assert!(!is_cut(&decision.record) && decision.record.raw == frame("1"), "all that came");
}

// A report that is rejected by mistake is as large as a device's share of an hour.
#[test]
fn of_a_rejected_message_that_exceeds_the_share_of_its_device_the_beginning_is_kept() {
    let foreign = frame_about(OTHER, "1");
    let message = |bytes: usize| {
        let note = format!("NTE|1||{}\r", "x".repeat(bytes));
        whole(&[&foreign[..foreign.len() - 2], note.as_bytes(), b"\x1C\r"].concat())
    };
    let decision = evaluate(message(3 << 20));
    assert!(!is_cut(&decision.record) && decision.record.raw.len() > 3 << 20);
    let decision = evaluate(message(10 << 20));
    assert_eq!(decision.record.verdict.rejection(), Some("identity-mismatch"));
    assert_eq!((decision.storage, decision.record.raw.len()), (Storage::Stored, MAX_CUT_COPY));
    assert!(is_cut(&decision.record));
    let mut small = config();
    small.messages.rejected_bytes_per_hour = 40_000;
    let decision = evaluate_with(small, vec![device()], message(50_000));
    assert_eq!((decision.storage, decision.record.raw.len()), (Storage::Stored, 10_000));
}
