//! In a gateway: messages that wait for the platform, and what goes on meanwhile on their connection.

use super::super::super::fixtures::gateway_config;
use super::*;
use crate::config::DuringOutage;
use crate::interface_a::relay::PlatformWord;

/// A session of a gateway. The platform's answers are given by the test.
fn gateway(change: impl FnOnce(&mut Config)) -> Bench {
    let mut config = LIMITS.applied_to(gateway_config());
    change(&mut config);
    Bench::with_config(handle(config), PendingReplies::default())
}

/// A message in original mode, or with these MSH-15 and MSH-16.
fn asking(control_id: &str, asked: &str) -> Vec<u8> {
    let text = String::from_utf8(frame(control_id)).unwrap();
    text.replacen("|||AL|NE|", &format!("|||{asked}|"), 1).into_bytes()
}

impl Bench {
    /// A message comes and is stored; its ticket, and whether its connection waits for the platform.
    fn take(&mut self, bytes: &[u8]) -> (Ticket, MessageId) {
        self.receive(bytes);
        let (ticket, id) = (self.storing[0].0, self.storing[0].1.id);
        self.stored(0);
        (ticket, id)
    }

    /// The platform has answered.
    fn relayed(&mut self, (ticket, _): (Ticket, MessageId), control_id: &str, code: &str) {
        let answer = format!("MSH|^~\\&|P||A||2026||ACK|1|P|2.6\rMSA|{code}|{control_id}\r");
        let word = PlatformWord::Answered(Some(Bytes::from(answer)));
        self.then(|session, now| session.relayed(ticket, word, now));
    }

    fn all_answers(&mut self) -> Vec<String> {
        self.answers().into_iter().map(|(code, id)| format!("{code} {id}")).collect()
    }
}

#[test]
fn an_accept_acknowledgement_does_not_wait_behind_a_message_that_waits_for_the_platform() {
    let mut bench = gateway(|_| {});
    let original = bench.take(&asking("1", "|"));
    let application = bench.take(&asking("2", "NE|AL"));
    assert_eq!(bench.all_answers(), [""; 0], "both are safe, and the platform has not answered");
    bench.take(&frame("3"));
    assert_eq!(bench.all_answers(), ["CA 3"]);
    bench.relayed(application, "2", "AA");
    assert_eq!(bench.all_answers(), [""; 0], "application acknowledgements leave in the order of arrival");
    bench.relayed(original, "1", "AE");
    assert_eq!(bench.all_answers(), ["AE 1", "AA 2"]);
}

#[test]
fn messages_that_wait_for_the_platform_pause_no_reads() {
    let mut bench = gateway(|config| config.interface_a.in_flight = 4);
    for number in 0..40 {
        bench.take(&asking(&format!("O{number}"), "|"));
    }
    assert!(bench.session.wants_input());
    bench.take(&frame("ALARM"));
    assert_eq!(bench.all_answers(), ["CA ALARM"]);
    // The device answers an order.
    let device = NAME.parse().unwrap();
    let mut exchange = bench.pending_replies.expect(&device, b"OURS-1", None, false, b"P".to_vec()).unwrap();
    bench.take(&acknowledgement("OURS-1"));
    assert!(exchange.answer().now_or_never().flatten().is_some(), "the answer to an order is read");
    assert_eq!(bench.session.idle_since(), None, "the device waits, it is not idle");
    bench.pass(LIMITS.idle_timeout * 2);
    assert_eq!(bench.end, None);
}

#[test]
fn a_repetition_takes_the_place_of_its_first_copy() {
    let mut bench = gateway(|_| {});
    for asked in ["|", "AL|AL"] {
        let first = bench.take(&asking("1", asked));
        bench.receive(&asking("1", asked));
        let again = bench.storing[0].0;
        let acknowledgement = bench.storing[0].1.acknowledgement.clone();
        bench.answered(0, Ok(RecordOutcome::Resend { original: first.1, acknowledgement }));
        assert!(bench.session.awaits(first.0) && !bench.session.awaits(again));
        bench.answers();
        bench.relayed(first, "1", "AA");
        bench.relayed((again, first.1), "1", "AA");
        assert_eq!(bench.all_answers(), ["AA 1"], "{asked}: one answer");
    }
    assert!(!bench.session.awaited.holds_places());
}

#[test]
fn beyond_the_limit_a_message_that_waits_for_the_platform_is_refused_at_once() {
    let mut bench = gateway(|config| config.gateway.as_mut().unwrap().awaited_per_connection = 2);
    let first = bench.take(&asking("1", "|"));
    bench.take(&asking("2", "AL|AL"));
    assert_eq!(bench.all_answers(), ["CA 2"]);
    for (asked, refusal) in [("|", "AE 3"), ("NE|AL", "AE 3"), ("AL|AL", "CE 3"), ("AL|NE", "CA 3")] {
        bench.receive(&asking("3", asked));
        let expected = (asked != "AL|NE").then_some("answer-queue-full");
        assert_eq!(bench.rejections(), [expected], "{asked}");
        bench.stored(0);
        assert_eq!(bench.all_answers(), [refusal], "{asked}: before what waits");
    }
    // What waits may be sent again.
    bench.receive(&asking("1", "|"));
    assert_eq!(bench.rejections(), [None]);
    bench.answered(0, Ok(RecordOutcome::Resend { original: first.1, acknowledgement: Bytes::new() }));
    bench.relayed(first, "1", "AA");
    assert_eq!(bench.all_answers(), ["AA 1"]);
    bench.take(&asking("4", "|"));
    assert_eq!(bench.all_answers(), [""; 0], "there is a place again");
}

// Its answer is kept for its turn; a device that repeats it must not fill the memory with copies.
#[test]
fn a_repetition_of_an_answered_message_takes_no_place_beyond_the_limit() {
    let mut bench = gateway(|config| config.gateway.as_mut().unwrap().awaited_per_connection = 2);
    bench.take(&asking("1", "|"));
    let answered = bench.take(&asking("2", "|"));
    bench.relayed(answered, "2", "AA");
    assert_eq!(bench.all_answers(), [""; 0], "it waits for its turn");
    for _ in 0..3 {
        bench.receive(&asking("2", "|"));
        assert_eq!(bench.rejections(), [Some("answer-queue-full")]);
        bench.stored(0);
        assert_eq!(bench.all_answers(), ["AE 2"]);
    }
}

// The header is kept until the platform has answered.
#[test]
fn the_bytes_of_headers_that_wait_are_bounded() {
    let mut bench = gateway(|config| config.gateway.as_mut().unwrap().awaited_per_connection = 10);
    let large = |id: &str| {
        let text = String::from_utf8(asking(id, "|")).unwrap();
        text.replacen("|WARD|", &format!("|{}|", "W".repeat(9000)), 1).into_bytes()
    };
    bench.take(&large("1"));
    bench.receive(&large("2"));
    assert_eq!(bench.rejections(), [Some("answer-queue-full")]);
    bench.stored(0);
    assert_eq!(bench.all_answers(), ["AE 2"]);
    bench.take(&asking("3", "|"));
    assert_eq!(bench.all_answers(), [""; 0]);
}

#[test]
fn refusals_of_the_gateway_and_answers_of_the_platform_leave_in_one_order() {
    let mut bench = gateway(|_| {});
    let first = bench.take(&asking("1", "|"));
    let foreign = String::from_utf8(asking("2", "|")).unwrap().replace(NAME, "00A037FFFE000002");
    bench.take(foreign.as_bytes());
    let third = bench.take(&asking("3", "|"));
    bench.receive(&asking("4", "|"));
    bench.answered(0, Err(StoreError::Closed));
    bench.relayed(third, "3", "AA");
    assert_eq!(bench.all_answers(), [""; 0]);
    bench.relayed(first, "1", "AA");
    assert_eq!(bench.all_answers(), ["AA 1", "AR 2", "AA 3", "AE 4"]);
}

#[test]
fn an_answer_that_comes_while_an_earlier_message_is_being_stored_waits_for_its_turn() {
    let mut bench = gateway(|_| {});
    bench.receive(&[asking("1", "|"), asking("2", "|")].concat());
    let tickets = [0, 1].map(|at| (bench.storing[at].0, bench.storing[at].1.id));
    bench.stored(1);
    bench.relayed(tickets[1], "2", "AA");
    bench.stored(0);
    assert_eq!(bench.all_answers(), [""; 0]);
    bench.relayed(tickets[0], "1", "AA");
    assert_eq!(bench.all_answers(), ["AA 1", "AA 2"]);
}

#[test]
fn a_late_platform_is_reported_with_ae_and_the_rest_goes_on() {
    let mut config = LIMITS.applied_to(gateway_config());
    config.gateway.as_mut().unwrap().during_outage = DuringOutage::Refuse;
    let mut bench = Bench::with_config(handle(config), PendingReplies::default());
    assert_eq!(bench.session.platform_timeout(), Some(Duration::from_secs(30)));
    bench.session.inbound.relay().unwrap().set_connected(true);
    let [first, second] = ["1", "2"].map(|id| bench.take(&asking(id, "|")));
    for (ticket, _) in [second, first] {
        bench.then(|session, now| session.relayed(ticket, PlatformWord::Late, now));
    }
    assert_eq!(bench.all_answers(), ["AE 1", "AE 2"]);
}

// HL7 2.6 ch. 2, 2.9: a message that is stored and was not processed gets an application acknowledgement.
#[test]
fn a_message_that_is_given_up_is_reported_with_ae_where_its_device_waits_for_an_answer() {
    for (asked, expected) in [
        ("|", vec!["AE 1", "AA 2"]),
        ("NE|AL", vec!["AE 1", "AA 2"]),
        ("ER|AL", vec!["AE 1", "AA 2"]),
        ("AL|AL", vec!["CA 1", "AE 1", "AA 2"]),
        ("AL|ER", vec!["CA 1", "AE 1", "AA 2"]),
        ("AL|SU", vec!["CA 1", "AA 2"]),
        ("NE|SU", vec!["AA 2"]),
    ] {
        let mut bench = gateway(|_| {});
        let [(first, _), second] = [bench.take(&asking("1", asked)), bench.take(&asking("2", "|"))];
        bench.then(|session, now| session.relayed(first, PlatformWord::GivenUp, now));
        bench.relayed(second, "2", "AA");
        assert_eq!(bench.all_answers(), expected, "{asked}");
    }
}

#[test]
fn a_session_that_ends_waits_only_for_a_peer_that_has_closed_its_own_side() {
    let mut bench = gateway(|_| {});
    let first = bench.take(&asking("1", "|"));
    bench.then(Session::peer_closed);
    assert_eq!(bench.end, None);
    bench.relayed(first, "1", "AA");
    assert_eq!((bench.all_answers(), bench.end), (vec!["AA 1".to_owned()], Some(SessionEnd::PeerClosed)));

    let mut bench = gateway(|_| {});
    bench.take(&asking("1", "|"));
    bench.receive(&asking("2", "|"));
    bench.then(|session, _| session.drain(SessionEnd::Shutdown));
    bench.stored(0);
    assert_eq!(bench.end, Some(SessionEnd::Shutdown), "what is being stored is finished");
}
