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
