//! What a broken or malicious device costs.

use super::*;

#[test]
fn an_order_is_settled_when_the_answer_of_the_device_is_durable() {
    let mut bench = Bench::new(LIMITS);
    let device = NAME.parse().unwrap();
    let session = Some(SessionId::at(bench.clock.now()));
    let mut exchange = bench.pending_replies.expect(&device, b"ORDER", session, false).unwrap();
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

#[test]
fn the_memory_of_a_large_frame_is_freed_with_it() {
    let mut bench = Bench::new(LIMITS);
    bench.receive(&framed(&"x".repeat(60_000)));
    let next = frame("1");
    assert!(bench.session.buffer().capacity() <= LARGE_FRAME, "{}", bench.session.buffer().capacity());
    let (head, tail) = next.split_at(20);
    bench.receive(&[&framed(&"x".repeat(60_000)), head].concat());
    assert!(bench.session.buffer().capacity() <= LARGE_FRAME);
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
