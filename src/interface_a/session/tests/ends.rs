//! Whether everything that came was taken when a session ends: what close_notify says.

use super::super::super::fixtures::frame_about;
use super::*;

/// A message of the device that asks for no acknowledgement.
fn silent(control_id: &str) -> Vec<u8> {
    String::from_utf8(frame(control_id)).unwrap().replacen("|AL|NE|", "|NE|NE|", 1).into_bytes()
}

fn stored() -> Result<RecordOutcome, StoreError> {
    Ok(RecordOutcome::Stored(MessageId::at(clock().now())))
}

/// Whether a session has taken everything that was withdrawn after these bytes; what is being stored gets
/// this outcome.
fn takes_all(bytes: &[u8], outcome: impl Fn() -> Result<RecordOutcome, StoreError>) -> bool {
    let mut bench = Bench::new(LIMITS);
    bench.receive(bytes);
    bench.then(|session, _| session.withdraw(Refusal::SuspendedDevice));
    while !bench.storing.is_empty() {
        bench.answered(0, outcome());
    }
    assert_eq!(bench.end, Some(SessionEnd::Withdrawn(Refusal::SuspendedDevice)));
    bench.session.has_taken_all()
}

#[test]
fn a_session_that_ends_knows_whether_it_has_taken_everything() {
    assert!(takes_all(b"", stored));
    assert!(takes_all(&silent("1"), stored));
    assert!(takes_all(b"\r\n", stored), "line breaks are no message");
    let second = silent("2");
    assert!(!takes_all(&[&silent("1"), &second[..20]].concat(), stored), "a frame has begun");
    assert!(!takes_all(&second[..1], stored));
    let many: Vec<u8> = (0..100).flat_map(|number| silent(&number.to_string())).collect();
    assert!(!takes_all(&many, stored), "more than may be stored at once");
}

#[test]
fn what_is_not_stored_is_taken_only_if_its_sender_learns_it() {
    let failed = || Err(StoreError::Closed);
    assert!(takes_all(&frame("1"), failed), "it is refused");
    assert!(!takes_all(&silent("1"), failed));
    let foreign = String::from_utf8(frame_about("0004A30000000001", "1")).unwrap();
    let foreign = foreign.replacen("|AL|NE|", "|NE|NE|", 1);
    assert!(takes_all(foreign.as_bytes(), stored), "it is rejected, and kept");
    assert!(!takes_all(foreign.as_bytes(), failed));
}

#[test]
fn a_frame_that_is_read_no_further_is_taken_only_if_it_is_refused() {
    let late = frame("1");
    let mut bench = Bench::new(LIMITS);
    bench.receive(&late[..late.len() - 20]);
    bench.pass(LIMITS.frame_timeout);
    bench.stored(0);
    assert_eq!((bench.end, bench.sent.is_empty()), (Some(SessionEnd::FrameTimeout), true));
    assert!(!bench.session.has_taken_all());
    for (message, is_taken) in [(frame("1"), true), (silent("1"), false)] {
        let mut bench = Bench::new(LIMITS);
        let large = [&message[..message.len() - 2], &vec![b'x'; LIMITS.max_frame]].concat();
        bench.receive(&large);
        bench.stored(0);
        assert_eq!((bench.end, !bench.sent.is_empty()), (Some(SessionEnd::FrameTooLarge), is_taken));
        assert_eq!(bench.session.has_taken_all(), is_taken);
    }
}
