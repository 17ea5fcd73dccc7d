use super::super::fixtures::{NAME, acknowledgements, clock, config, device, frame, frame_about, inbound};
use super::*;

const OTHER: &str = "00A037FFFE000002";

fn judge_with(config: &Config, directory: Vec<Device>, frame: Frame) -> Judged {
    let clock = clock();
    inbound(config, directory, &clock).judge(&only(frame), clock.now(), |_| false)
}

fn judge(frame: Frame) -> Judged {
    judge_with(&config(), vec![device()], frame)
}

fn only(frame: Frame) -> Part {
    let mut parts = Part::all_of(frame);
    assert_eq!(parts.len(), 1, "one message");
    parts.remove(0)
}

/// The payload of a frame as the codec hands it over.
fn whole(frame: &[u8]) -> Frame {
    let payload = Bytes::copy_from_slice(&frame[1..frame.len() - 2]);
    Frame { payload, deviations: std::iter::empty().collect() }
}

fn broken(reason: BrokenReason, bytes: &[u8]) -> Judged {
    let clock = clock();
    let broken = Broken { bytes: Bytes::copy_from_slice(bytes), reason };
    inbound(&config(), vec![device()], &clock).broken(broken, clock.now())
}

fn codes(answer: &(Bytes, Label)) -> Vec<String> {
    acknowledgements(&answer.0).into_iter().map(|(code, _)| code).collect()
}

/// What is sent if the store fails.
fn failed(judged: Judged) -> (Bytes, Label) {
    let clock = clock();
    let inbound = inbound(&config(), vec![device()], &clock);
    inbound.failed(judged.on_failure, judged.on_stored, clock.now())
}

#[test]
fn what_is_accepted_has_one_answer_for_success_and_one_for_our_failure() {
    let judged = judge(whole(&frame("1")));
    assert_eq!(codes(&judged.on_stored), ["CA"]);
    assert_eq!(judged.record.acknowledgement, judged.on_stored.0, "a resend gets the same");
    let label = |acknowledgement| Label { transaction: "pcd-01", acknowledgement };
    assert_eq!((judged.on_stored.1, judged.resend), (label("CA"), label("resend")));
    let failed = failed(judged);
    assert_eq!((codes(&failed), failed.1), (vec!["CE".into()], label("CE")));
}

// The message is with the store by then; its header is given back all the same, and however it was written.
#[test]
fn the_answer_of_our_failure_gives_back_the_header() {
    let plain = String::from_utf8(frame("ID-1")).unwrap();
    let wrapped = plain.replacen("|ORU", "|\rORU", 1);
    assert_ne!(plain, wrapped);
    for text in [plain.clone(), wrapped, plain.replace('|', "!")] {
        let failed = failed(judge(whole(text.as_bytes()))).0;
        let answer = Message::parse(&failed[1..failed.len() - 2]).unwrap();
        let msa = answer.segment(b"MSA").unwrap();
        assert_eq!((msa.field(1).raw(), msa.field(2).raw()), (&b"CE"[..], &b"ID-1"[..]), "{text:?}");
        let sender =
            Message::parse(&text.as_bytes()[1..]).unwrap().header().sending_application().raw().to_vec();
        assert_eq!(answer.header().receiving_application().raw(), sender);
        assert!(failed.windows(17).any(|text| text == b"store-unavailable"));
    }
}

// HL7 2.6 ch. 2, 2.15.9.7: the zone of MSH-7 is that of every time in the message that has none of its own.
#[test]
fn a_time_without_zone_is_in_that_of_the_message() {
    let told = |msh_7: &str, obr_7: &str| {
        let frame = String::from_utf8(frame("1")).unwrap().replace("20260101120000+0000", msh_7);
        let frame = frame.replace("OBX|", &format!("OBR|1||1|1^X^MDC|||{obr_7}\rOBX|"));
        judge(whole(frame.as_bytes())).record.event_time.unwrap().to_string()
    };
    assert_eq!(told("20260101120000-0500", "20260101110000"), "2026-01-01T16:00:00Z");
    assert_eq!(told("20260101120000-0500", "20260101110000+0100"), "2026-01-01T10:00:00Z");
    assert_eq!(told("20260101120000-0500", ""), "2026-01-01T17:00:00Z");
}

// What people read is text by MSH-18; what is kept is the bytes.
#[test]
fn what_is_listed_of_a_message_is_in_its_own_character_set() {
    let bytes = String::from_utf8(frame("P")).unwrap().into_bytes();
    let at = bytes.windows(3).position(|piece| piece == b"|P|").unwrap() + 1;
    let mut german = [&bytes[..at], b"\xFC7", &bytes[at + 1..]].concat();
    let listed = |bytes: &[u8]| judge(whole(bytes)).record.control_id;
    assert_eq!(listed(&german), "\u{fc}7");
    let stated = german.windows(4).position(|piece| piece == b"|NE|").unwrap() + 4;
    german.splice(stated..stated + 1, *b"|8859/5|");
    assert_eq!(listed(&german), "\u{45c}7");
    assert_eq!(judge(whole(&german)).record.raw, german[1..german.len() - 2]);
}

#[test]
fn values_that_are_a_test_are_told_wherever_the_message_is_listed() {
    let clinical = String::from_utf8(frame("1")).unwrap();
    let warned =
        |text: &str| judge(whole(text.as_bytes())).record.warnings.contains(&"not-clinical".to_owned());
    assert!(!warned(&clinical));
    assert!(warned(&clinical.replace("|1.0.0.0||||", "|1.0.0.0||||demo")));
}

#[test]
fn a_refusal_does_not_depend_on_the_store() {
    let judged = judge(whole(&frame_about(OTHER, "1")));
    assert_eq!(codes(&judged.on_stored), ["CR"]);
    assert_eq!(judged.record.verdict, Verdict::Rejected { code: "identity-mismatch".to_owned() });
    assert!(judged.violation && judged.audit.is_some());
    let on_stored = judged.on_stored.clone();
    assert_eq!(failed(judged), on_stored);
}

// hl7.md: what was no frame is kept; an answer goes only to a peer that is still there and can use it.
#[test]
fn what_is_no_frame_is_kept_and_answered_where_that_makes_sense() {
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
    ] {
        let judged = broken(reason, bytes);
        let expected: Vec<_> =
            answer.map(|(code, id)| (code.to_owned(), id.to_owned())).into_iter().collect();
        assert_eq!(acknowledgements(&judged.on_stored.0), expected, "{reason:?}");
        assert_eq!(judged.record.acknowledgement, judged.on_stored.0);
        assert_eq!(judged.record.raw, bytes, "byte for byte");
        assert_eq!(judged.record.verdict, Verdict::Rejected { code: reason.code().to_owned() });
    }
}

#[test]
fn the_directory_of_this_moment_says_for_whom_a_device_speaks() {
    let gateway = Device { speaks_for: vec![OTHER.parse().unwrap()], ..device() };
    let about_other = || whole(&frame_about(OTHER, "1"));
    assert!(!judge_with(&config(), vec![gateway], about_other()).violation);
    assert!(judge_with(&config(), vec![device()], about_other()).violation);
    // Removed while connected: for the moment that it has left, it speaks for itself.
    assert!(!judge_with(&config(), Vec::new(), whole(&frame(NAME))).violation);
    assert!(judge_with(&config(), Vec::new(), about_other()).violation);
}

#[test]
fn an_awaited_acknowledgement_is_accepted_and_never_answered() {
    let clock = clock();
    let inbound = inbound(&config(), vec![device()], &clock);
    let frame = super::super::fixtures::acknowledgement("OURS");
    let judged = inbound.judge(&only(whole(&frame)), clock.now(), |control_id| control_id == b"OURS");
    let answers = judged.answers.as_ref().unwrap();
    assert_eq!((&answers.control_id[..], answers.code), (&b"OURS"[..], Some(AcknowledgementCode::CA)));
    assert_eq!(judged.record.verdict, Verdict::Accepted);
    assert!(judged.on_stored.0.is_empty() && failed(judged).0.is_empty());
}
