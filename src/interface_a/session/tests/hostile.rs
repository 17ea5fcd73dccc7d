//! What a broken or malicious device costs.

use super::super::buffer::{LARGE_FRAME, READ_SIZE};
use super::super::timing::REFUSED_BYTES_KEPT;
use super::*;

#[test]
fn an_order_is_settled_when_the_answer_of_the_device_is_durable() {
    let mut bench = Bench::new(LIMITS);
    let device = NAME.parse().unwrap();
    let session = Some(SessionId::at(bench.clock.now()));
    let mut exchange =
        bench.pending_replies.expect(&device, b"ORDER", session, false, b"P".to_vec()).unwrap();
    bench.receive(&acknowledgement("ORDER"));
    assert_eq!(bench.storing.len(), 1);
    assert_eq!(exchange.answer().now_or_never(), None, "the answer is not stored yet");
    bench.answered(0, Err(StoreError::Closed));
    assert_eq!(exchange.answer().now_or_never(), None, "an answer that is lost settles nothing");
    bench.receive(&acknowledgement("ORDER"));
    bench.stored(0);
    let answer = exchange.answer().now_or_never().unwrap().unwrap();
    assert_eq!(answer.code, Some(AcknowledgementCode::CA));
}

#[test]
fn a_run_of_truncated_frames_makes_one_row_and_ends_the_session() {
    let mut bench = Bench::new(Limits { max_violations: 5, ..LIMITS });
    bench.receive(&b"\x0BMSH|half".repeat(100));
    assert_eq!(bench.storing.len(), 1);
    assert_eq!(bench.deviated, ["truncated-frame"; 5]);
    bench.stored(0);
    assert_eq!(bench.end, Some(SessionEnd::Violations));
}

#[test]
fn an_accepted_message_ends_a_run_of_truncated_frames() {
    let mut bench = Bench::new(Limits { max_violations: 3, ..LIMITS });
    for number in 0..10 {
        let message = frame(&number.to_string());
        bench.receive(&[b"\x0BMSH|half", &b"\x0BMSH|half"[..], &message].concat());
        assert_eq!(bench.storing.len(), 2, "one truncated frame and the message");
        bench.stored(0);
        bench.stored(0);
    }
    assert_eq!(bench.end, None);
}

/// Receives bytes as a connection reads them.
fn read(bench: &mut Bench, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        bench.session.grow_buffer();
        let buffer = bench.session.buffer();
        let (now, later) = bytes.split_at(bytes.len().min(buffer.capacity() - buffer.len()));
        bench.receive(now);
        bytes = later;
    }
}

#[test]
fn the_memory_of_a_large_frame_is_freed_with_it() {
    let mut bench = Bench::new(LIMITS);
    // Of the buffer that grew for it, more than a small one is left behind it.
    let large = framed(&"x".repeat(40_000));
    read(&mut bench, &large);
    assert_eq!(bench.session.buffer().capacity(), 0);
    let next = frame("1");
    let (head, tail) = next.split_at(20);
    read(&mut bench, &[&large, head].concat());
    assert!((1..=LARGE_FRAME).contains(&bench.session.buffer().capacity()));
    bench.receive(tail);
    assert_eq!(bench.storing.len(), 3, "the beginning of the next frame stays");
}

// A buffer that doubles without limit takes twice the largest frame.
#[test]
fn the_buffer_of_a_frame_grows_up_to_the_largest_frame() {
    let mut bench = Bench::new(LIMITS);
    bench.receive(b"\x0BMSH|");
    let mut capacities = Vec::new();
    while bench.storing.is_empty() {
        bench.session.grow_buffer();
        let buffer = bench.session.buffer();
        capacities.push(buffer.capacity());
        let space = buffer.capacity() - buffer.len();
        assert!(space >= READ_SIZE);
        bench.receive(&b"x".repeat(space));
    }
    assert!(
        capacities.len() < 8 && capacities.iter().all(|bytes| *bytes <= LIMITS.max_frame + 2 * READ_SIZE)
    );
    assert_eq!(bench.rejections(), [Some("too-large")]);
}

#[test]
fn a_frame_that_is_refused_for_its_memory_is_answered_and_ends_the_session() {
    let mut bench = Bench::new(LIMITS);
    let large = [&frame("7")[..200], &b"x".repeat(40_000)].concat();
    bench.receive(&large);
    bench.then(|session, now| session.refuse_frame(now));
    assert_eq!(bench.rejections(), [Some("frame-memory-limit")]);
    assert_eq!(bench.storing[0].1.raw, large[1..=REFUSED_BYTES_KEPT]);
    bench.stored(0);
    assert_eq!(bench.answers(), [("CE".to_owned(), "7".to_owned())], "to be sent again");
    assert_eq!(bench.end, Some(SessionEnd::FrameMemoryLimit));
}

fn rejecting(number: u32, bytes: usize) -> ConfigHandle {
    let mut config = LIMITS.applied_to(config());
    config.devices.max_violations = 1000;
    (config.messages.rejected_per_hour, config.messages.rejected_bytes_per_hour) = (number, bytes);
    handle(config)
}

#[test]
fn too_many_rejected_messages_are_answered_and_counted() {
    let mut bench = Bench::with_config(rejecting(2, 1 << 20), PendingReplies::default());
    let foreign = |id: &str| frame_about("00A037FFFE000002", id);
    for id in ["1", "2"] {
        bench.receive(&foreign(id));
        bench.stored(0);
    }
    assert_eq!((bench.audited.len(), bench.not_stored), (2, 0), "a violation each");
    bench.answers();
    // One that is being stored is answered before those that are not stored.
    bench.receive(&[frame("3"), foreign("4"), foreign("5"), foreign("6")].concat());
    assert_eq!(bench.answers(), []);
    bench.stored(0);
    let text = String::from_utf8(std::mem::take(&mut bench.sent)).unwrap();
    let rejected = ["4", "5", "6"].map(|id| ("CR".to_owned(), id.to_owned()));
    assert_eq!(acknowledgements(text.as_bytes()), [&positive(&["3"])[..], &rejected].concat());
    assert_eq!(text.matches("this one is not stored").count(), 3, "{text}");
    assert_eq!((bench.storing.len(), bench.not_stored), (0, 3));
    assert_eq!(bench.rejected, ["identity-mismatch"; 5], "each is counted by its reason");
    let [_, _, audit::Event::RejectionsNotStored { messages: 1, .. }] = &bench.audited[..] else {
        panic!("{:?}", bench.audited)
    };
    bench.clock.advance(Duration::from_hours(1));
    bench.receive(&foreign("7"));
    assert_eq!(bench.storing.len(), 1, "another hour");
}

#[test]
fn many_messages_that_are_not_stored_are_read_at_once() {
    let mut bench = Bench::with_config(rejecting(0, 0), PendingReplies::default());
    let count = 3 * LIMITS.in_flight;
    let all: Vec<u8> = (0..count).flat_map(|id| frame_about("00A037FFFE000002", &id.to_string())).collect();
    bench.receive(&all);
    assert_eq!(bench.answers().len(), count, "none waits for bytes that never come");
}

#[test]
fn a_device_that_sends_too_fast_is_read_more_slowly() {
    let mut config = LIMITS.applied_to(config());
    config.devices.messages_per_second = 10;
    let mut bench = Bench::with_config(handle(config), PendingReplies::default());
    let all: Vec<u8> = (0..15).flat_map(|id| frame(&id.to_string())).collect();
    bench.receive(&all);
    assert_eq!((bench.storing.len(), bench.slowed), (11, 1), "a second's worth, and one to be late for");
    assert!(!bench.session.wants_input());
    while !bench.storing.is_empty() {
        bench.stored(0);
    }
    for _ in 0..4 {
        assert_eq!(bench.session.deadline(), Some(bench.clock.instant() + Duration::from_millis(100)));
        bench.pass(Duration::from_millis(100));
        assert_eq!(bench.storing.len(), 1);
        bench.stored(0);
    }
    let ids: Vec<_> = (0..15).map(|id| id.to_string()).collect();
    assert_eq!(
        bench.answers(),
        positive(&ids.iter().map(String::as_str).collect::<Vec<_>>()),
        "none is lost"
    );
    bench.pass(Duration::from_secs(1));
    assert!(bench.session.wants_input() && bench.end.is_none());
}
