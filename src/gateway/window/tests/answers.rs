//! What acknowledgements mean, also those that come after a message is settled.

use std::time::Duration;

use super::fixtures::{LIMIT, answer_to, one_job, sent_by};
use crate::gateway::window::{Effect, Expired, Limits, Window};
use crate::model::Clock;

// HL7 2.6 ch. 2, 2.9.3: a platform that does not know IHE PCD answers an alarm twice, if MSH-16 asks for it.
#[test]
fn a_second_answer_to_an_alarm_is_not_taken_for_that_of_another_message() {
    let mut window = Window::new();
    assert_eq!(sent_by(&mut window, one_job(1, "ORU^R40^ORU_R40", "7", "AL|AL")), 1);
    assert!(matches!(window.hear(&answer_to("7", "CA")), Effect::Settled(..)));
    assert_eq!(sent_by(&mut window, one_job(2, "ORU^R01^ORU_R01", "7", "AL|NE")), 0);
    assert!(window.is_over(), "a new connection takes it");
    assert!(matches!(window.hear(&answer_to("7", "AA")), Effect::Result(_, outcome) if outcome.is_accepted));
    assert!(matches!(window.hear(&answer_to("7", "AA")), Effect::Unexpected), "it has come");
}

// An application acknowledgement that comes after its time is of the message that it names, and counts.
#[test]
fn a_result_that_is_late_counts_and_costs_no_connection() {
    let mut window = Window::new();
    let limits = Limits { answer: LIMIT, result: Duration::from_secs(1) };
    sent_by(&mut window, one_job(1, "ORU^R01^ORU_R01", "1", "AL|AL"));
    let after = |seconds| Clock::system().instant() + Duration::from_secs(seconds);
    assert!(window.expire(after(2), limits).effects.is_empty(), "it has the time of an answer");
    assert!(window.oldest_awaited().is_some());
    assert!(matches!(window.hear(&answer_to("1", "CA")), Effect::Nothing));
    assert_eq!(window.oldest_awaited(), None, "the platform has it");
    assert!(window.deadline(limits, None).unwrap() <= after(1));
    let Expired { effects, missing, is_skipped, late } = window.expire(after(2), limits);
    assert_eq!(late, None);
    let [Effect::Settled(done, _)] = &effects[..] else { panic!("{effects:?}") };
    assert!(done[0].outcomes[0].1.is_accepted && !done[0].has_result && missing.len() == 1 && !is_skipped);
    // Others go on meanwhile, and the same MSH-10 on another connection.
    assert_eq!(sent_by(&mut window, one_job(1, "ORU^R01^ORU_R01", "2", "AL|AL")), 1);
    window.hear(&answer_to("2", "CA"));
    let Effect::Result(id, outcome) = window.hear(&answer_to("1", "AE")) else { panic!() };
    assert_eq!((id, &*outcome.code, outcome.is_accepted), (missing[0], "AE", false));
    assert!(outcome.answer.is_some(), "its device asked for it");
    assert!(matches!(window.hear(&answer_to("1", "AE")), Effect::Unexpected));
    let Effect::Settled(done, _) = window.hear(&answer_to("2", "AA")) else { panic!() };
    assert!(done[0].has_result);
    assert_eq!(sent_by(&mut window, one_job(2, "ORU^R01^ORU_R01", "1", "AL|NE")), 0);
    assert!(window.is_spent());
}

#[test]
fn a_second_answer_counts_also_while_the_connection_is_closed() {
    let mut window = Window::new();
    sent_by(&mut window, one_job(1, "ORU^R40^ORU_R40", "7", "AL|AL"));
    assert!(matches!(window.hear(&answer_to("7", "CA")), Effect::Settled(..)));
    let (_, outcome) = window.hear_last(&answer_to("7", "AE")).expect("it is about the alarm");
    assert_eq!((&*outcome.code, outcome.is_accepted), ("AE", false));
    assert!(window.hear_last(&answer_to("7", "AE")).is_none(), "it has come");
}

// A platform that does not answer in order: MSH-16 SU, and a later message is acknowledged first.
#[test]
fn a_late_answer_to_a_message_that_was_skipped_is_not_taken_for_that_of_another_message() {
    let mut window = Window::new();
    assert_eq!(sent_by(&mut window, one_job(1, "ORU^R01^ORU_R01", "7", "NE|SU")), 1);
    assert_eq!(sent_by(&mut window, one_job(2, "ORU^R01^ORU_R01", "8", "AL|NE")), 1);
    let Effect::Settled(done, _) = window.hear(&answer_to("8", "CA")) else { panic!() };
    assert_eq!(done.iter().map(|done| done.unanswered.len()).sum::<usize>(), 1, "it stays in the queue");
    assert_eq!(sent_by(&mut window, one_job(3, "ORU^R01^ORU_R01", "7", "AL|AL")), 0);
    assert!(window.is_over(), "a new connection takes it");
    assert!(matches!(window.hear(&answer_to("7", "AA")), Effect::Unexpected));
}
