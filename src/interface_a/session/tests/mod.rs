use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use proptest::prelude::*;

use super::super::fixtures::{
    LIMITS, Limits, NAME, acknowledgement, acknowledgements, clock, config, device, frame, frame_about,
    framed, handle, now, session_of, session_with,
};
use super::*;
use crate::audit;
use crate::authz::{Device, DeviceKind};
use crate::config::ConfigHandle;
use crate::hl7::AcknowledgementCode;
use crate::interface_a::Exchange;
use crate::model::Refusal;
use crate::model::{Clock, Deadline, MessageId, SessionId};
use crate::store::MessageRecord;

mod answers;
mod awaited;
mod costly;
pub(crate) mod counterpart;
mod ends;
mod hostile;
mod model;

/// A session whose store, clock and peer are driven by the test.
struct Bench {
    session: Session,
    clock: Clock,
    /// Messages that are being stored.
    storing: Vec<(Ticket, Box<MessageRecord>)>,
    sent: Vec<u8>,
    audited: Vec<audit::Event>,
    pending_replies: PendingReplies,
    passed_on: Vec<UnawaitedAnswer>,
    counted: Vec<&'static str>,
    deviated: Vec<&'static str>,
    rejected: Vec<String>,
    not_stored: usize,
    slowed: usize,
    end: Option<SessionEnd>,
}

impl Bench {
    fn new(limits: Limits) -> Self {
        Self::with_config(handle(limits.applied_to(config())), PendingReplies::default())
    }

    fn with_config(config: ConfigHandle, pending_replies: PendingReplies) -> Self {
        let clock = clock();
        Self {
            session: session_with(config, pending_replies.clone(), &clock),
            clock,
            pending_replies,
            passed_on: Vec::new(),
            storing: Vec::new(),
            sent: Vec::new(),
            audited: Vec::new(),
            counted: Vec::new(),
            deviated: Vec::new(),
            rejected: Vec::new(),
            not_stored: 0,
            slowed: 0,
            end: None,
        }
    }

    fn now(&self) -> Now {
        now(&self.clock)
    }

    fn receive(&mut self, bytes: &[u8]) {
        self.session.buffer().extend_from_slice(bytes);
        let now = self.now();
        self.session.received(now);
        self.perform();
    }

    fn stored(&mut self, at: usize) {
        let id = self.storing[at].1.id;
        self.answered(at, Ok(RecordOutcome::Stored(id)));
    }

    fn answered(&mut self, at: usize, outcome: Result<RecordOutcome, StoreError>) {
        let (ticket, _) = self.storing.remove(at);
        let now = self.now();
        self.session.recorded(ticket, &outcome, now);
        self.perform();
    }

    /// Time passes, and the deadline fires if it is due.
    fn pass(&mut self, time: Duration) {
        self.clock.advance(time);
        let now = self.now();
        self.session.expired(now);
        self.perform();
    }

    fn then(&mut self, change: impl FnOnce(&mut Session, Now)) {
        let now = self.now();
        change(&mut self.session, now);
        self.perform();
    }

    fn perform(&mut self) {
        self.take_effects();
        while self.session.has_more() {
            let now = self.now();
            self.session.evaluate(now);
            self.take_effects();
        }
    }

    fn take_effects(&mut self) {
        while let Some(effect) = self.session.next_effect() {
            assert_eq!(self.end, None, "nothing happens after the end: {effect:?}");
            match effect {
                Effect::Record { ticket, record, .. } => self.storing.push((ticket, record)),
                Effect::Send(bytes) => self.sent.extend_from_slice(&bytes),
                Effect::PassOn(answer) => self.passed_on.push(answer),
                Effect::Audit(event) => self.audited.push(event),
                Effect::Count(label, _) => self.counted.push(label.acknowledgement),
                Effect::Deviated(code) => self.deviated.push(code),
                Effect::Rejected(code) => self.rejected.push(code),
                Effect::NotStored => self.not_stored += 1,
                Effect::Slowed => self.slowed += 1,
                Effect::Refused(reason, _) => assert!(reason.must_close()),
                Effect::End(why) => self.end = Some(why),
            }
        }
    }

    /// The acknowledgements since the last call: MSA-1 and MSA-2.
    fn answers(&mut self) -> Vec<(String, String)> {
        acknowledgements(&std::mem::take(&mut self.sent))
    }

    fn rejections(&self) -> Vec<Option<&str>> {
        self.storing.iter().map(|(_, record)| record.verdict.rejection()).collect()
    }
}

fn positive(ids: &[&str]) -> Vec<(String, String)> {
    ids.iter().map(|id| ("CA".to_owned(), (*id).to_owned())).collect()
}

// What a session copies at its start would stay as it was until the device connects again, often for weeks.
#[test]
fn a_reload_reaches_an_open_session() {
    let config = handle(LIMITS.applied_to(config()));
    let mut bench = Bench::with_config(Arc::clone(&config), PendingReplies::default());
    let as_test = |id: &str| {
        String::from_utf8(frame(id)).unwrap().replace(&format!("|{id}|P|"), &format!("|{id}|T|")).into_bytes()
    };
    let foreign = |id: &str| frame_about("00A037FFFE000002", id);
    let answered = |bench: &mut Bench, bytes: &[u8]| {
        bench.receive(bytes);
        bench.stored(0);
        let text = String::from_utf8_lossy(&bench.sent).into_owned();
        (text.split('|').nth(2).unwrap_or_default().to_owned(), bench.answers().remove(0).0)
    };
    let platform = |code: &str| ("PCD-PLATFORM".to_owned(), code.to_owned());
    assert_eq!(answered(&mut bench, &as_test("1")), platform("CR"));
    assert_eq!(answered(&mut bench, &foreign("2")), platform("CR"));

    let mut reloaded = Config::clone(&config.load());
    reloaded.messages.processing_ids.push("T".to_owned());
    reloaded.messages.application = "WARD-7".to_owned();
    reloaded.devices.identity = crate::config::Identity::Record;
    reloaded.interface_a.max_frame = 600;
    config.store(Arc::new(reloaded));
    let ward = ("WARD-7".to_owned(), "CA".to_owned());
    assert_eq!(answered(&mut bench, &as_test("3")), ward);
    assert_eq!(answered(&mut bench, &foreign("4")), ward);
    let mut large = frame("5");
    large.splice(large.len() - 2.., b"NTE|".iter().copied().chain([b'x'; 600]));
    assert_eq!(answered(&mut bench, &large).1, "CR");
    assert_eq!(bench.end, Some(SessionEnd::FrameTooLarge));
}

// Nothing wakes a session when a configuration is published: it looks by itself while it waits.
#[test]
fn another_idle_timeout_reaches_a_session_that_waits() {
    for (minutes, expected) in [(30, 30), (10, 10), (1, 1)] {
        let config = handle(LIMITS.applied_to(config()));
        let mut bench = Bench::with_config(Arc::clone(&config), PendingReplies::default());
        let start = bench.now().instant;
        let limits = Limits { idle_timeout: Duration::from_mins(minutes), ..LIMITS };
        let mut reloaded = Some(limits.applied_to(Config::clone(&config.load())));
        while bench.end.is_none() {
            // As a connection waits: the deadline was taken when the reload comes.
            bench.then(|session, now| session.set_reading(true, now));
            let deadline = bench.session.deadline().unwrap();
            reloaded.take().into_iter().for_each(|new| config.store(Arc::new(new)));
            bench.pass(deadline - bench.now().instant);
        }
        assert_eq!(bench.now().instant - start, Duration::from_mins(expected), "15 minutes at first");
        assert_eq!(bench.end, Some(SessionEnd::IdleTimeout));
    }
}

// B.1: senders match acknowledgements by control id; many only count them.
#[test]
fn acknowledgements_leave_in_the_order_of_arrival() {
    let mut bench = Bench::new(LIMITS);
    bench.receive(&[frame("1"), frame("2"), frame("3")].concat());
    assert_eq!(bench.storing.len(), 3, "all of them are being stored at once");
    bench.stored(2);
    bench.stored(1);
    assert_eq!(bench.answers(), [], "2 and 3 are safe and wait for 1");
    bench.stored(0);
    assert_eq!(bench.answers(), positive(&["1", "2", "3"]));
}

#[test]
fn nothing_is_acknowledged_before_it_is_durable() {
    let mut bench = Bench::new(LIMITS);
    bench.receive(&frame("1"));
    assert!(bench.sent.is_empty());
    bench.answered(0, Err(StoreError::Closed));
    assert_eq!(bench.answers(), [("CE".to_owned(), "1".to_owned())], "the sender keeps it");
    assert_eq!(bench.end, None, "and the connection stays");
}

#[test]
fn a_resend_gets_its_own_answer_and_no_bytes_of_the_database() {
    let mut bench = Bench::new(LIMITS);
    bench.receive(&frame("1"));
    let of = MessageId::at(bench.clock.now());
    bench.answered(
        0,
        Ok(RecordOutcome::Resend {
            original: of,
            acknowledgement: Bytes::from_static(b"\x0BMSH|^~\\&|\rMSA|AE|1|stop the pump\r\x1C\r"),
        }),
    );
    assert_eq!(bench.answers(), positive(&["1"]));
    assert_eq!(bench.counted, ["resend"]);
}

#[test]
fn a_second_result_for_a_ticket_changes_nothing() {
    let mut bench = Bench::new(LIMITS);
    bench.receive(&frame("1"));
    let ticket = bench.storing[0].0;
    bench.stored(0);
    assert_eq!(bench.answers(), positive(&["1"]));
    let again = Ok(RecordOutcome::Stored(MessageId::at(bench.clock.now())));
    bench.then(|session, now| session.recorded(ticket, &again, now));
    assert_eq!(bench.answers(), []);
}

#[test]
fn a_slow_store_pauses_reads() {
    let mut bench = Bench::new(Limits { in_flight: 2, ..LIMITS });
    bench.receive(&[frame("1"), frame("2"), frame("3"), frame("4")].concat());
    assert_eq!(bench.storing.len(), 2);
    assert!(!bench.session.wants_input());
    assert_eq!(bench.session.deadline(), None, "a peer that is not read cannot be late");
    bench.stored(1);
    assert!(!bench.session.wants_input(), "2 is safe, and still in the way of its answer");
    bench.stored(0);
    assert_eq!(bench.answers(), positive(&["1", "2"]));
    assert_eq!(bench.storing.len(), 2, "what had been read already is taken up without new bytes");
    bench.stored(0);
    bench.stored(0);
    assert_eq!(bench.answers(), positive(&["3", "4"]));
    assert!(bench.session.wants_input());
}

// A device must not be disconnected for a delay that the platform causes.
#[test]
fn timeouts_are_suspended_while_backpressure_pauses_reads() {
    let mut bench = Bench::new(LIMITS);
    let bytes = frame("1");
    bench.receive(&bytes[..10]);
    bench.pass(LIMITS.frame_timeout - Duration::from_secs(2));
    bench.then(|session, now| session.set_reading(false, now));
    assert_eq!(bench.session.deadline(), None);
    bench.pass(LIMITS.idle_timeout * 2);
    bench.then(|session, now| session.set_reading(false, now));
    bench.then(|session, now| session.set_reading(true, now));
    bench.pass(Duration::from_secs(1));
    assert_eq!((bench.rejections(), bench.end), (vec![], None), "a second of its time is left");
    bench.receive(&bytes[10..]);
    bench.stored(0);
    assert_eq!(bench.answers(), positive(&["1"]));

    bench.receive(&bytes[..10]);
    bench.then(|session, now| session.set_reading(false, now));
    bench.pass(LIMITS.frame_timeout);
    bench.then(|session, now| session.set_reading(true, now));
    bench.pass(LIMITS.frame_timeout);
    assert_eq!(bench.rejections(), [Some("frame-timeout")], "its own time runs as before");
}

#[test]
fn an_idle_session_ends_unless_it_waits_for_the_store() {
    let mut bench = Bench::new(LIMITS);
    bench.pass(LIMITS.idle_timeout - Duration::from_secs(1));
    bench.receive(&frame("1"));
    bench.pass(LIMITS.idle_timeout * 2);
    assert_eq!(bench.end, None, "the platform is slow, not the peer");
    bench.stored(0);
    bench.pass(LIMITS.idle_timeout - Duration::from_secs(1));
    assert_eq!(bench.end, None, "the timeout starts with the answer");
    bench.pass(Duration::from_secs(1));
    assert_eq!(bench.end, Some(SessionEnd::IdleTimeout));
}

#[test]
fn a_slow_frame_ends_at_the_frame_timeout() {
    let mut bench = Bench::new(LIMITS);
    let bytes = frame("1");
    for byte in &bytes[..10] {
        bench.pass(Duration::from_secs(2));
        bench.receive(&[*byte]);
    }
    assert_eq!(bench.end, None);
    bench.pass(Duration::from_secs(12));
    assert_eq!(bench.rejections(), [Some("frame-timeout")], "30 s after its first byte");
    assert_eq!(bench.end, None, "what came of it is kept first");
    bench.stored(0);
    assert_eq!((bench.answers(), bench.end), (vec![], Some(SessionEnd::FrameTimeout)));
}

#[test]
fn a_missing_carriage_return_delays_the_frame_briefly() {
    let mut bench = Bench::new(LIMITS);
    let mut bytes = frame("1");
    bytes.pop();
    bench.receive(&bytes);
    bench.pass(CARRIAGE_RETURN_TIMEOUT - Duration::from_millis(1));
    assert!(bench.storing.is_empty());
    bench.pass(Duration::from_millis(1));
    assert_eq!(bench.storing[0].1.warnings[0], "frame-missing-carriage-return");
    // A carriage return that comes later changes nothing.
    bench.receive(&[&b"\r"[..], &frame("2")].concat());
    assert_eq!(bench.rejections(), [None, None]);
}

#[test]
fn a_draining_session_answers_what_is_in_flight_and_reads_no_more() {
    let mut bench = Bench::new(LIMITS);
    bench.receive(&frame("1"));
    bench.then(|session, _| session.drain(SessionEnd::Shutdown));
    assert!(bench.session.is_draining() && !bench.session.wants_input());
    bench.receive(&frame("2"));
    assert_eq!((bench.storing.len(), bench.end), (1, None));
    bench.stored(0);
    assert_eq!(bench.answers(), positive(&["1"]));
    assert_eq!(bench.end, Some(SessionEnd::Shutdown));

    let mut idle = Bench::new(LIMITS);
    idle.then(|session, _| session.drain(SessionEnd::Shutdown));
    assert_eq!(idle.end, Some(SessionEnd::Shutdown), "a session with nothing in flight ends at once");
}

#[test]
fn the_first_reason_to_end_is_reported() {
    let mut bench = Bench::new(LIMITS);
    bench.receive(&frame("1"));
    bench.then(|session, _| session.withdraw(Refusal::Revoked));
    bench.then(|session, _| session.drain(SessionEnd::Shutdown));
    bench.then(|session, now| session.peer_closed(now));
    bench.stored(0);
    assert_eq!(bench.end, Some(SessionEnd::Withdrawn(Refusal::Revoked)));
    assert_eq!(bench.answers(), positive(&["1"]), "what is stored is acknowledged all the same");
}

#[test]
fn a_frame_that_the_peer_does_not_finish_is_stored_as_rejected() {
    let mut bench = Bench::new(LIMITS);
    bench.receive(&[&frame("1")[..], b"\x0BMSH|half"].concat());
    bench.then(|session, now| session.peer_closed(now));
    assert_eq!(bench.rejections(), [None, Some("end-of-stream")]);
    bench.stored(0);
    bench.stored(0);
    assert_eq!((bench.answers(), bench.end), (positive(&["1"]), Some(SessionEnd::PeerClosed)));

    // A reset keeps it as well.
    let mut bench = Bench::new(LIMITS);
    bench.receive(&[&frame("1")[..], b"\x0BMSH|half"].concat());
    bench.then(|session, now| session.connection_lost(SessionEnd::ConnectionLost, now));
    assert_eq!(bench.rejections(), [None, Some("end-of-stream")]);
    assert_eq!(bench.deviated, ["end-of-stream"]);
    bench.stored(0);
    bench.stored(0);
    assert_eq!(bench.end, Some(SessionEnd::ConnectionLost));

    // Only the last carriage return is missing: that message is whole.
    let mut bench = Bench::new(LIMITS);
    let bytes = frame("2");
    bench.receive(&bytes[..bytes.len() - 1]);
    bench.then(|session, now| session.peer_closed(now));
    assert_eq!(bench.rejections(), [None]);
}

#[test]
fn consecutive_violations_end_the_session_and_an_accepted_message_resets_them() {
    let mut bench = Bench::new(LIMITS);
    let foreign = |id: &str| frame_about("00A037FFFE000002", id);
    bench.receive(&[foreign("1"), foreign("2"), frame("3"), foreign("4"), foreign("5")].concat());
    assert!(bench.session.wants_input());
    bench.receive(&[foreign("6"), frame("7")].concat());
    assert_eq!(bench.storing.len(), 6, "7 is not read any more");
    while !bench.storing.is_empty() {
        bench.stored(0);
    }
    let codes: Vec<_> = bench.answers().into_iter().map(|(code, _)| code).collect();
    assert_eq!(codes, ["CR", "CR", "CA", "CR", "CR", "CR"]);
    assert_eq!(bench.end, Some(SessionEnd::Violations));
    assert_eq!(bench.audited.len(), 5);
    assert!(bench.audited.iter().all(|event| event.name() == "identity-violation"));
}

#[test]
fn one_device_behind_a_gateway_does_not_end_the_connection_of_all() {
    let mut bench = Bench::new(LIMITS);
    let gateway = Device { kind: DeviceKind::Gateway, ..device() };
    let config = handle(LIMITS.applied_to(config()));
    bench.session = session_of(gateway, config, bench.pending_replies.clone(), &bench.clock);
    let foreign: Vec<_> = (0..20).flat_map(|id| frame_about("00A037FFFE000002", &id.to_string())).collect();
    bench.receive(&[foreign, frame("own")].concat());
    while !bench.storing.is_empty() {
        bench.stored(0);
    }
    let codes: Vec<_> = bench.answers().into_iter().map(|(code, _)| code).collect();
    assert_eq!((codes.len(), codes.last().map(String::as_str), bench.end), (21, Some("CA"), None));
}

#[test]
fn rejected_messages_between_violations_do_not_reset_them() {
    let mut bench = Bench::new(LIMITS);
    let foreign = |id: &str| frame_about("00A037FFFE000002", id);
    bench.receive(
        &[foreign("1"), framed("garbage"), foreign("2"), acknowledgement("X"), foreign("3")].concat(),
    );
    assert_eq!((bench.storing.len(), bench.session.is_draining()), (5, true));
}

// Every deviation has a stable word, and is counted under it.
#[test]
fn each_deviation_of_a_frame_is_counted() {
    let mut bench = Bench::new(LIMITS);
    let whole = |id: &str| frame(id);
    let cut = |id: &str, end: &[u8]| [&frame(id)[..frame(id).len() - 2], end].concat();
    bench.receive(&whole("1"));
    assert!(bench.deviated.is_empty());
    for (bytes, code) in [
        (cut("2", b"\x1C\n"), "frame-line-feed-for-carriage-return"),
        ([b"\r\n", &whole("3")[..]].concat(), "frame-line-breaks-between"),
        ([b"noise", &whole("4")[..]].concat(), "frame-bytes-between"),
        ([b"\x0B", &whole("5")[..]].concat(), "frame-repeated-start-block"),
        (cut("6", b"\x1Cmore\r\x1C\r"), "frame-file-separator-in-payload"),
        ([b"\x0BMSH|half", &whole("7")[..]].concat(), "truncated-frame"),
        (b"\x0BM\0S\0H\0|\0\x1C\r".to_vec(), "utf-16"),
    ] {
        bench.receive(&bytes);
        assert_eq!(std::mem::take(&mut bench.deviated).pop(), Some(code));
    }
    bench.receive(&cut("8", b"\x1C"));
    bench.pass(CARRIAGE_RETURN_TIMEOUT);
    assert_eq!(std::mem::take(&mut bench.deviated), ["frame-missing-carriage-return"]);
    bench.receive(b"\x0BMSH|half");
    bench.pass(LIMITS.frame_timeout);
    assert_eq!(std::mem::take(&mut bench.deviated), ["frame-timeout"]);

    let mut bench = Bench::new(LIMITS);
    bench.receive(b"\x0BMSH|half");
    bench.then(|session, now| session.peer_closed(now));
    assert_eq!(bench.deviated, ["end-of-stream"]);
    let mut bench = Bench::new(Limits { max_frame: 64, ..LIMITS });
    bench.receive(&whole("9"));
    assert_eq!(bench.deviated, ["too-large"]);
    let mut bench = Bench::new(LIMITS);
    bench.receive(&vec![b'x'; Codec::NO_START_LIMIT + 1]);
    assert_eq!(bench.deviated, ["no-start-block"]);
}

/// The last carriage return is missing and the peer has closed its side. Every message of its batch is
/// stored, whatever the limit of messages in flight.
#[test]
fn a_batch_before_the_end_of_the_stream_is_stored_completely() {
    let mut bench = Bench::new(Limits { in_flight: 2, ..LIMITS });
    let message = |id: &str| String::from_utf8(frame(id)[1..frame(id).len() - 2].to_vec()).unwrap();
    let ids = ["1", "2", "3", "4", "5"];
    let batch = format!("BHS|^~\\&\r{}BTS|5\r", ids.map(message).concat());
    bench.receive(&[b"\x0B", batch.as_bytes(), b"\x1C"].concat());
    bench.then(|session, now| session.peer_closed(now));
    assert_eq!(bench.storing.len(), 2);
    while !bench.storing.is_empty() {
        assert_eq!(bench.end, None);
        bench.stored(0);
    }
    assert_eq!((bench.answers(), bench.end), (positive(&ids), Some(SessionEnd::PeerClosed)));
}

#[test]
fn a_frame_that_is_too_large_is_answered_and_ends_the_session() {
    let mut bench = Bench::new(Limits { max_frame: 300, ..LIMITS });
    let mut bytes = frame("1");
    bytes.splice(bytes.len() - 2.., b"NTE|".iter().copied().chain([b'x'; 300]));
    bench.receive(&bytes);
    assert_eq!(bench.rejections(), [Some("too-large")]);
    assert_eq!(bench.storing[0].1.raw.len(), 300);
    bench.stored(0);
    assert_eq!(bench.answers(), [("CR".to_owned(), "1".to_owned())]);
    assert_eq!(bench.end, Some(SessionEnd::FrameTooLarge));
}

// B.1: MSA-2 says which message of ours is meant.
#[test]
fn a_delivery_is_acknowledged_by_the_message_that_names_it() {
    let mut bench = Bench::new(LIMITS);
    // Sent into another session of the device: it may answer on this one.
    let (device, elsewhere) = (NAME.parse().unwrap(), SessionId::at(bench.clock.now()));
    let expect = |id: &[u8]| {
        bench
            .pending_replies
            .expect(&device, id, Some(elsewhere), false, b"P".to_vec())
            .expect("no other message is pending")
    };
    let (mut seventh, mut eighth) = (expect(b"OURS-7"), expect(b"OURS-8"));
    let ours = Bytes::from(framed("MSH|^~\\&|OURS\r"));
    let clock = bench.clock.clone();
    let outgoing = |id: &[u8], exchange: &Exchange| Outgoing {
        control_id: id.to_vec(),
        exchange: exchange.id(),
        deadline: Deadline::after(&clock, jiff::SignedDuration::MAX),
        frame: ours.clone(),
    };
    let withdrawn = outgoing(b"OURS-6", &expect(b"OURS-6"));
    let _again = expect(b"OURS-6");
    bench.then(|session, now| session.deliver(withdrawn, now));
    assert!(bench.sent.is_empty(), "its sender stopped waiting, though another one has its MSH-10");
    bench.then(|session, now| session.deliver(outgoing(b"OURS-7", &seventh), now));
    assert_eq!(bench.sent, ours);
    bench.sent.clear();
    bench
        .receive(&[acknowledgement("OURS-8"), acknowledgement("OURS-9"), acknowledgement("OURS-7")].concat());
    let brought: Vec<_> = [0, 2].map(|at| bench.storing[at].1.id).into();
    let unexpected = Some("unexpected-acknowledgement");
    assert_eq!(bench.rejections(), [None, unexpected, None]);
    (0..3).for_each(|_| bench.stored(0));
    let taken = |exchange: &mut Exchange| exchange.answer().now_or_never().flatten().unwrap();
    let answers = [taken(&mut eighth), taken(&mut seventh)];
    assert!(answers.iter().all(|answer| answer.code == Some(AcknowledgementCode::CA)));
    assert_eq!(answers.map(|answer| answer.message), brought[..]);
    bench.receive(&acknowledgement("OURS-7"));
    assert_eq!(bench.rejections(), [unexpected], "an acknowledgement counts once");
    let passed_on = |bench: &Bench| -> Vec<_> {
        bench.passed_on.iter().map(|answer| answer.control_id.clone()).collect()
    };
    assert_eq!(passed_on(&bench), ["OURS-9"], "what is not durable is not passed on");
    bench.stored(0);
    assert_eq!(passed_on(&bench), ["OURS-9", "OURS-7"], "it may change an outcome");
    assert!(bench.sent.is_empty(), "acknowledgements are never acknowledged");
    assert_eq!(bench.end, None);
}

#[test]
fn an_order_that_expired_on_its_way_into_the_session_is_not_sent() {
    let mut bench = Bench::new(LIMITS);
    let (device, clock) = (NAME.parse().unwrap(), bench.clock.clone());
    let exchange = bench.pending_replies.expect(&device, b"1", None, false, b"P".to_vec()).unwrap();
    let outgoing = |millis| {
        let deadline = Deadline::after(&clock, jiff::SignedDuration::from_millis(millis));
        Outgoing { control_id: b"1".to_vec(), exchange: exchange.id(), deadline, frame: Bytes::from("order") }
    };
    bench.then(|session, at| session.deliver(outgoing(0), at));
    assert!(bench.sent.is_empty());
    bench.then(|session, at| session.deliver(outgoing(1), at));
    assert_eq!(bench.sent, b"order");
}

#[test]
fn a_shutdown_waits_for_the_answer_to_an_order_that_was_sent_on_the_session() {
    let shut_down = |bench: &mut Bench| bench.then(|session, now| session.shut_down(now));
    let mut bench = Bench::new(LIMITS);
    let device = NAME.parse().unwrap();
    let expect = |bench: &Bench| {
        bench
            .pending_replies
            .expect(&device, b"OURS-1", Some(bench.session.id), false, b"P".to_vec())
            .unwrap()
    };
    let _exchange = expect(&bench);
    shut_down(&mut bench);
    bench.receive(&frame("1"));
    bench.stored(0);
    assert_eq!(bench.answers(), positive(&["1"]), "the device may still send");
    bench.receive(&acknowledgement("OURS-1"));
    shut_down(&mut bench);
    assert_eq!(bench.end, None, "the answer is not durable");
    bench.stored(0);
    shut_down(&mut bench);
    assert_eq!(bench.end, Some(SessionEnd::Shutdown));

    // A device that does not answer does not hold up the shutdown until the sessions are cut off.
    let mut bench = Bench::new(LIMITS);
    let _exchange = expect(&bench);
    shut_down(&mut bench);
    bench.pass(Duration::from_secs(14));
    shut_down(&mut bench);
    assert_eq!(bench.end, None);
    bench.pass(Duration::from_secs(1));
    shut_down(&mut bench);
    assert_eq!(bench.end, Some(SessionEnd::Shutdown));
}

#[test]
fn bytes_between_frames_are_audited_once_per_session() {
    let mut bench = Bench::new(LIMITS);
    bench.receive(&[b"noise", &frame("1")[..], b"more", &frame("2"), b"\r\n"].concat());
    assert!(bench.audited.is_empty());
    assert_eq!(bench.rejections(), [Some("between-frames"), None, Some("between-frames"), None]);
    while !bench.storing.is_empty() {
        bench.stored(0);
    }
    bench.then(|session, now| session.peer_closed(now));
    let [audit::Event::BytesBetweenFrames { count: 11, device, .. }] = &bench.audited[..] else {
        panic!("{:?}", bench.audited)
    };
    assert_eq!(device.as_str(), NAME);

    let mut tidy = Bench::new(LIMITS);
    tidy.receive(&[b"\r\n", &frame("1")[..], b"\n"].concat());
    tidy.stored(0);
    tidy.then(|session, now| session.peer_closed(now));
    assert!(tidy.audited.is_empty(), "line breaks are the habit of many devices");
}

#[test]
fn a_message_is_stored_as_it_came() {
    let mut bench = Bench::new(LIMITS);
    let bytes = frame("1");
    bench.receive(&bytes);
    let record = &bench.storing[0].1;
    assert_eq!(record.raw, bytes[1..bytes.len() - 2]);
    assert_eq!((record.control_id.as_str(), record.transaction.as_deref()), ("1", Some("PCD-01")));
    assert_eq!((record.device.as_str(), record.verdict.clone()), (NAME, Verdict::Accepted));
    assert_eq!(record.received_at, bench.clock.now());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// However the bytes are cut and in whatever order the store answers: every message is answered once, in
    /// the order of arrival, and the session never holds more than it may.
    #[test]
    fn every_message_is_answered_once_and_in_order(
        messages in 1usize..24,
        in_flight in 1usize..6,
        steps in prop::collection::vec((any::<bool>(), 1usize..700, any::<u8>()), 1..80),
    ) {
        let mut bench = Bench::new(Limits { in_flight, max_violations: u32::MAX, ..LIMITS });
        let ids: Vec<_> = (0..messages).map(|number| number.to_string()).collect();
        let all: Vec<u8> = ids.iter().flat_map(|id| frame(id)).collect();
        let (mut rest, mut expected) = (&all[..], vec![String::new(); messages]);
        let mut steps = steps.into_iter().cycle();
        while !rest.is_empty() || !bench.storing.is_empty() {
            let (reads, size, choice) = steps.next().unwrap();
            if bench.session.wants_input() && !rest.is_empty() && (reads || bench.storing.is_empty()) {
                let (now, later) = rest.split_at(size.min(rest.len()));
                rest = later;
                bench.receive(now);
            } else if !bench.storing.is_empty() {
                let at = usize::from(choice) % bench.storing.len();
                let number: usize = bench.storing[at].1.control_id.parse().unwrap();
                let fails = choice % 3 == 0;
                expected[number] = if fails { "CE" } else { "CA" }.to_owned();
                if fails { bench.answered(at, Err(StoreError::Closed)) } else { bench.stored(at) }
            }
            prop_assert!(bench.storing.len() <= in_flight);
        }
        let expected: Vec<_> = expected.into_iter().zip(ids).collect();
        prop_assert_eq!(bench.answers(), expected);
        prop_assert_eq!(bench.counted.len(), messages);
        prop_assert_eq!(bench.end, None);
    }
}
