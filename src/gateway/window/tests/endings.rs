//! What is known when a time is over, and when a connection ends.

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::fixtures::{LIMIT, LIMITS, answer_to, one_job, sent_by};
use crate::gateway::orders::{Last, OrderReply};
use crate::gateway::passed::Passed;
use crate::gateway::window::{Effect, Expired, Late, Limits, PROOF_AFTER, Window};
use crate::hl7::AcknowledgeAs;
use crate::model::{Clock, MessageId};

// To send it again would repeat it, for a platform that does not recognise a resend.
#[test]
fn what_was_accepted_is_recorded_also_where_another_message_ends_the_connection() {
    let mut window = Window::new();
    sent_by(&mut window, one_job(1, "ORU^R01^ORU_R01", "1", "AL|AL"));
    sent_by(&mut window, one_job(2, "ORU^R01^ORU_R01", "2", "AL|AL"));
    assert!(matches!(window.hear(&answer_to("1", "CA")), Effect::Nothing));
    let Expired { effects, missing, late, .. } = window.expire(Clock::system().instant() + LIMIT, LIMITS);
    let [Effect::Settled(done, _)] = &effects[..] else { panic!("{effects:?}") };
    assert!(done[0].outcomes[0].1.is_accepted && missing.len() == 1);
    assert!(matches!(late, Some(Late(Some(_)))), "nothing is known of the other one");
}

#[test]
fn a_message_that_the_platform_skips_is_no_fault_of_the_connection() {
    let mut window = Window::new();
    sent_by(&mut window, one_job(1, "ORU^R01^ORU_R01", "1", "AL|NE"));
    sent_by(&mut window, one_job(2, "ORU^R01^ORU_R01", "2", "AL|NE"));
    let later = || Clock::system().instant() + LIMIT;
    assert!(matches!(window.expire(later(), LIMITS).late, Some(Late(Some(_)))), "nothing is known");
    assert!(matches!(window.hear(&answer_to("2", "CA")), Effect::Settled(..)));
    let Expired { effects, is_skipped, .. } = window.expire(later(), LIMITS);
    let [Effect::Settled(done, _)] = &effects[..] else { panic!("{effects:?}") };
    assert!(is_skipped);
    assert!(done[0].unanswered.len() == 1 && done[0].outcomes.is_empty() && done[0].is_postponed);
}

#[test]
fn a_clean_end_shows_that_a_late_message_was_skipped() {
    for (after, unanswered) in [(LIMIT, 1), (Duration::ZERO, 0)] {
        let mut window = Window::new();
        sent_by(&mut window, one_job(1, "ORU^R01^ORU_R01", "1", "AL|NE"));
        let done = window.finish(Clock::system().instant() + after, LIMITS);
        assert_eq!((done[0].unanswered.len(), done[0].outcomes.len()), (unanswered, 0));
    }
    // Also where the time for an answer is shorter than that for a proof.
    let (limit, began) = (PROOF_AFTER / 2, Clock::system().instant());
    let mut window = Window::new();
    window.send(one_job(1, "ORU^R01^ORU_R01", "1", "AL|NE"), AcknowledgeAs::AsAsked, began).unwrap();
    let done = window.finish(began + limit, Limits { answer: limit, result: limit });
    assert_eq!((done[0].unanswered.len(), done[0].outcomes.len()), (1, 0));
}

// The platform may have closed the connection by itself while the last messages were on their way.
#[test]
fn a_clean_end_proves_nothing_of_what_was_sent_just_now() {
    for (after, settled) in [(PROOF_AFTER, 1), (PROOF_AFTER - Duration::from_millis(1), 0)] {
        let began = Clock::system().instant();
        let mut window = Window::new();
        let job = one_job(1, "ORU^R01^ORU_R01", "1", "NE|NE");
        assert_eq!(window.send(job, AcknowledgeAs::AsAsked, began).unwrap().len(), 1);
        let done = window.finish(began + after, LIMITS);
        assert_eq!((done[0].outcomes.len(), done[0].is_postponed), (settled, settled == 0));
        let (returned, mut again) = mpsc::channel(1);
        let mut passed = Passed::new(returned);
        let order = MessageId::at(Clock::system().now());
        let finishes = Some(Last::of_device(order));
        passed.add(OrderReply { raw: Bytes::new(), finishes, is_closed: false }, 0, began);
        assert_eq!(passed.proved_by_end(began + after).len(), settled);
        drop(passed);
        assert_eq!(again.try_recv().is_ok(), settled == 0, "the next connection sends it again");
    }
}
