//! A message that was sent to the platform, and what is heard of it. Pure.

use std::time::Instant;

use bytes::Bytes;

use super::answer::as_application;
use crate::hl7::{
    AcknowledgeAs, AcknowledgementCode, AcknowledgementRequest, Condition, Message, Outcome, answers_mode,
};
use crate::interface_b::{Answer, acknowledgement};
use crate::model::MessageId;
use crate::pcd::Transaction;
use crate::store::{ForwardOutcome, WaitingForward};

/// A message that was sent, and not acknowledged yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) id: MessageId,
    /// MSH-10, which MSA-2 repeats.
    control_id: String,
    /// MSH-11.1, which that of an acknowledgement has to be: what a training system says counts for nothing.
    mode: Vec<u8>,
    /// What the platform sends if it accepts the message.
    accept: bool,
    application: bool,
    /// When the device awaits an application acknowledgement.
    awaited: Condition,
    /// What the device gets where the platform accepts the message and says nothing: it awaits an answer for
    /// which its message does not ask.
    own_answer: Option<Bytes>,
    /// Whether CA has come.
    is_accepted: bool,
    /// Whether the platform says nothing in some case: if it accepts the message, or if it does not.
    is_silent: bool,
    /// Whether the platform speaks of refusals alone: what it says nothing about it has taken.
    is_taken_in_silence: bool,
    /// Whether another application acknowledgement may come after the one that settles it.
    is_followed: bool,
    /// What has come for a message that others followed without waiting.
    answered: Option<ForwardOutcome>,
    /// Whether it stays in the queue.
    is_postponed: bool,
    /// Whether the platform has answered that it cannot take it at present.
    is_refused_now: bool,
}

/// What is known of a message when nothing more is heard of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Known {
    /// The platform has it, or has refused it.
    Settled(MessageId, ForwardOutcome),
    /// It stays in the queue. Its identifier, if the platform has answered that it cannot take it.
    Postponed(Option<MessageId>),
    /// It stays in the queue, though the platform has had it: an acknowledgement was to come, and did not.
    Unanswered(MessageId),
}

/// What an acknowledgement means for a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Heard {
    /// It is about another message.
    Other,
    /// The application acknowledgement follows.
    More,
    /// The platform has it, or has refused it.
    Settled(ForwardOutcome),
    /// The platform could not take it now.
    Later,
}

/// The messages of a job that are under way on a connection: any number that ask for no acknowledgement, and
/// then at most one that asks for one.
#[derive(Debug)]
pub(super) struct Flight<J> {
    pub(super) job: J,
    /// In the order in which they were sent.
    pub(super) sent: Vec<Sent>,
    /// The number of the last one among all messages of the connection.
    pub(super) number: u64,
    pub(super) since: Instant,
}

impl Sent {
    /// The message, as the device sent it. `acknowledge` is how the directory has the device acknowledged.
    pub(super) fn of(WaitingForward { id, raw }: &WaitingForward, acknowledge: AcknowledgeAs) -> Self {
        let silent = Self {
            id: *id,
            control_id: String::new(),
            mode: Vec::new(),
            accept: false,
            application: false,
            awaited: Condition::Never,
            own_answer: None,
            is_accepted: false,
            is_silent: true,
            is_taken_in_silence: false,
            is_followed: false,
            answered: None,
            is_postponed: false,
            is_refused_now: false,
        };
        // What is in the queue was read before, and a damaged message is not forwarded.
        let Ok(message) = Message::parse(raw) else { return silent };
        let (header, transaction) = (message.header(), Transaction::of(&message));
        let request = |acknowledge| Transaction::acknowledgement_request(transaction, &header, acknowledge);
        let answers = |outcome| request(AcknowledgeAs::AsAsked).answers(outcome);
        let expected = answers(Outcome::Accepted);
        let is_answered = |outcome| answers(outcome).iter().next().is_some();
        let as_written = AcknowledgementRequest::from_header(&header, AcknowledgeAs::AsAsked);
        let may_have_result = as_written.application() != Condition::Never;
        let awaited = request(acknowledge).application();
        let is_unasked = awaited.holds(Outcome::Accepted) && !is_answered(Outcome::Accepted);
        Self {
            control_id: String::from_utf8_lossy(&header.repeated_control_id()).into_owned(),
            mode: header.mode(),
            accept: expected.accept.is_some(),
            application: expected.application.is_some(),
            is_silent: ![Outcome::Accepted, Outcome::Error, Outcome::Rejected].into_iter().all(is_answered),
            is_taken_in_silence: !is_answered(Outcome::Accepted) && is_answered(Outcome::Error),
            is_followed: may_have_result && expected.application.is_none(),
            awaited,
            own_answer: is_unasked.then(|| acknowledgement(&message, AcknowledgementCode::AA, None)),
            ..silent
        }
    }

    /// Whether the platform says nothing in some case: no answer is no fault of the connection.
    pub(super) const fn is_silent(&self) -> bool {
        self.is_silent
    }

    /// What an application acknowledgement says that comes when the message is settled. `None`: it is none of
    /// this message.
    pub(super) fn hear_late(&self, answer: &Answer) -> Option<(MessageId, ForwardOutcome)> {
        use AcknowledgementCode::{AA, AE, AR};
        let is_result = self.is_meant_by(answer) && matches!(answer.code, AA | AE | AR);
        is_result.then(|| (self.id, self.outcome(answer)))
    }

    /// Whether CA has settled it, and its device waits for an application acknowledgement of errors alone:
    /// the platform sends one when it has processed the message, or says nothing.
    pub(super) fn awaits_errors(&self, settled: &ForwardOutcome) -> bool {
        self.awaited == Condition::OnError && settled.code == AcknowledgementCode::CA.as_str()
    }

    fn outcome(&self, answer: &Answer) -> ForwardOutcome {
        use AcknowledgementCode::{AA, AE, CA, CE};
        let outcome = match answer.code {
            AA | CA => Outcome::Accepted,
            AE | CE => Outcome::Error,
            _ => Outcome::Rejected,
        };
        ForwardOutcome {
            is_accepted: answer.code.is_positive(),
            code: answer.code.as_str().to_owned(),
            reason: answer.reason.clone().filter(|reason| !reason.is_empty()),
            answer: self.awaited.holds(outcome).then(|| as_application(&answer.raw)),
        }
    }

    /// Whether another application acknowledgement may come after the one that settles it. A platform that
    /// does not know IHE PCD takes MSH-16 of an alarm for what HL7 makes of it.
    pub(super) const fn is_followed(&self) -> bool {
        self.is_followed
    }

    /// MSH-10.
    pub(super) fn control_id(&self) -> &str {
        &self.control_id
    }

    fn is_meant_by(&self, answer: &Answer) -> bool {
        answer.control_id == self.control_id && answers_mode(&answer.mode, &self.mode)
    }

    /// Takes an acknowledgement.
    pub(super) fn hear(&mut self, answer: &Answer) -> Heard {
        if !self.is_meant_by(answer) {
            return Heard::Other;
        }
        if answer.code == AcknowledgementCode::CA && self.accept && self.application {
            self.is_accepted = true;
            return Heard::More;
        }
        let is_temporary = || answer.reason.as_deref().is_some_and(|code| TEMPORARY.contains(&code));
        if !answer.code.is_positive() && is_temporary() {
            self.is_refused_now = answer.reason.as_deref().is_some_and(|code| OWN.contains(&code));
            return Heard::Later;
        }
        Heard::Settled(self.outcome(answer))
    }

    /// What is known of a message that has arrived, where nothing more is heard. Silence means that it was
    /// accepted, if the platform speaks only of what it refuses; and that it was not, if the platform speaks
    /// of what it accepts.
    pub(super) fn known(self) -> Known {
        let accepted = |code: &str| ForwardOutcome {
            is_accepted: true,
            code: code.to_owned(),
            reason: None,
            answer: None,
        };
        match self.answered {
            Some(outcome) => Known::Settled(self.id, outcome),
            None if self.is_postponed => Known::Postponed(self.is_refused_now.then_some(self.id)),
            None if self.is_accepted => Known::Settled(self.id, accepted(AcknowledgementCode::CA.as_str())),
            None if self.accept || self.application => Known::Unanswered(self.id),
            None => {
                let answer = self.own_answer;
                Known::Settled(self.id, ForwardOutcome { answer, ..accepted("") })
            }
        }
    }

    /// Whether an acknowledgement was to come, and nothing has come.
    pub(super) const fn is_unanswered(&self) -> bool {
        (self.accept || self.application) && !self.has_arrived()
    }

    /// Whether the platform has acknowledged it in some way.
    pub(super) const fn has_arrived(&self) -> bool {
        self.is_accepted || self.is_postponed || self.answered.is_some()
    }

    /// The message was acknowledged.
    pub(super) fn settle(&mut self, outcome: ForwardOutcome) {
        self.answered = Some(outcome);
    }
}

impl<J> Flight<J> {
    /// Whether it waits for an acknowledgement.
    pub(super) fn awaits(&self) -> bool {
        self.sent.last().is_some_and(|last| !last.is_silent())
    }

    /// The silence of the platform says nothing: those that it would settle stay in the queue.
    pub(super) fn postpone_silent(&mut self) {
        self.sent.iter_mut().filter(|sent| sent.is_silent()).for_each(|sent| sent.is_postponed = true);
    }

    /// An answer of the platform cannot be read: it may have been a refusal.
    pub(super) fn doubt(&mut self) {
        self.sent
            .iter_mut()
            .filter(|sent| sent.is_taken_in_silence)
            .for_each(|sent| sent.is_postponed = true);
    }

    /// The platform could not take the last message. An answer that it has given counts.
    pub(super) fn postpone(&mut self) {
        if let Some(last) = self.sent.last_mut() {
            last.is_postponed = true;
        }
    }

    /// The last message was acknowledged.
    pub(super) fn settle(&mut self, outcome: ForwardOutcome) {
        if let Some(last) = self.sent.last_mut() {
            last.settle(outcome);
        }
    }

    /// Whether the application acknowledgement is all that is missing.
    pub(super) fn is_accepted(&self) -> bool {
        self.sent.last().is_some_and(|last| last.is_accepted)
    }

    /// Takes an acknowledgement. That of a message which others followed is kept until the flight ends.
    pub(super) fn hear(&mut self, answer: &Answer) -> Heard {
        let Some((last, before)) = self.sent.split_last_mut() else { return Heard::Other };
        for silent in before {
            match silent.hear(answer) {
                Heard::Other => continue,
                Heard::Settled(outcome) => silent.settle(outcome),
                Heard::Later => silent.is_postponed = true,
                Heard::More => {}
            }
            return Heard::More;
        }
        last.hear(answer)
    }
}

/// Reasons (ERR-5.1) for which a platform refuses a message that it may take a little later.
const TEMPORARY: [&str; 5] = [
    "store-unavailable",
    "forward-queue-full",
    "answer-queue-full",
    "platform-unreachable",
    "frame-memory-limit",
];

/// Those of them that may be about this message alone. The others hold for every message.
const OWN: [&str; 2] = ["store-unavailable", "frame-memory-limit"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Clock;

    fn sent(kind: &str, accept: &str, application: &str, acknowledge: AcknowledgeAs) -> Sent {
        let raw = format!("MSH|^~\\&|A||B||20260101||{kind}|7|P|2.6|||{accept}|{application}\r");
        let id = MessageId::at(Clock::system().now());
        Sent::of(&WaitingForward { id, raw: Bytes::from(raw) }, acknowledge)
    }

    fn answer(code: &str, control_id: &str, reason: &str) -> Answer {
        let raw =
            format!("MSH|^~\\&|B||A||20260101||ACK|1|P|2.6\rMSA|{code}|{control_id}\rERR||||E|{reason}\r");
        Answer {
            code: AcknowledgementCode::from_bytes(code.as_bytes()).unwrap(),
            control_id: control_id.to_owned(),
            reason: (!reason.is_empty()).then(|| reason.to_owned()),
            mode: b"P".to_vec(),
            raw: Bytes::from(raw),
        }
    }

    #[test]
    fn an_acknowledgement_of_another_processing_mode_counts_for_nothing() {
        let in_mode = |mode: &str| Answer { mode: mode.into(), ..answer("AA", "7", "") };
        let mut message = sent("ORU^R01^ORU_R01", "", "", AcknowledgeAs::AsAsked);
        assert_eq!(message.hear(&in_mode("T")), Heard::Other);
        assert!(message.hear_late(&in_mode("T")).is_none());
        assert!(matches!(message.clone().hear(&in_mode("")), Heard::Settled(_)), "many leave it out");
        assert!(matches!(message.hear(&in_mode("P")), Heard::Settled(_)));
    }

    /// For each acknowledgement `+` accepted, `-` refused, `.` more to come, `?` another message, `~` later.
    fn heard(mut sent: Sent, answers: &[(&str, &str, &str)]) -> (String, bool) {
        let mut has_answer = false;
        let word = |(code, id, reason): &(&str, &str, &str)| match sent.hear(&answer(code, id, reason)) {
            Heard::Other => '?',
            Heard::More => '.',
            Heard::Later => '~',
            Heard::Settled(outcome) => {
                has_answer = outcome.answer.is_some();
                if outcome.is_accepted { '+' } else { '-' }
            }
        };
        (answers.iter().map(word).collect(), has_answer)
    }

    #[test]
    fn an_acknowledgement_settles_its_message_by_msa_2() {
        let asked = AcknowledgeAs::AsAsked;
        let of = |accept, application| sent("ORU^R01", accept, application, asked);
        let one = |code| vec![(code, "7", "")];
        assert_eq!(heard(of("AL", "NE"), &[("CA", "8", ""), ("CA", "7", "")]), ("?+".to_owned(), false));
        assert_eq!(heard(of("AL", "AL"), &[("CA", "7", ""), ("AA", "7", "")]), (".+".to_owned(), true));
        assert_eq!(heard(of("AL", "AL"), &one("AA")), ("+".to_owned(), true));
        assert_eq!(heard(of("", ""), &one("AR")), ("-".to_owned(), true));
        assert_eq!(heard(of("AL", "NE"), &[("CE", "7", "store-unavailable")]), ("~".to_owned(), false));
        assert_eq!(heard(of("AL", "NE"), &[("CE", "7", "obr-filler-missing")]), ("-".to_owned(), false));
        // The application acknowledgement of PCD-04 is none: MSH-16 has another meaning there.
        assert_eq!(heard(sent("ORU^R40", "AL", "AL", asked), &one("CA")), ("+".to_owned(), false));
        // Of success the platform says nothing more, and the gateway does not say it in its place.
        assert_eq!(heard(of("AL", "ER"), &one("CA")), ("+".to_owned(), false));
        assert_eq!(heard(of("AL", "ER"), &one("CE")), ("-".to_owned(), true));
        assert_eq!(heard(of("NE", "ER"), &one("AE")), ("-".to_owned(), true));
        assert!(of("AL", "ER").is_followed());
        // The directory says that the device wants AA, whatever it writes.
        let original = sent("ORU^R01", "AL", "NE", AcknowledgeAs::Original);
        assert_eq!(heard(original, &one("CA")), ("+".to_owned(), true));
        assert!(of("NE", "NE").is_silent() && of("NE", "ER").is_silent() && !of("AL", "NE").is_silent());
    }

    fn flight(sent: Vec<Sent>) -> Flight<()> {
        Flight { job: (), sent, number: 1, since: Clock::system().instant() }
    }

    fn numbered(control_id: &str, accept: &str) -> Sent {
        let raw = format!("MSH|^~\\&|A||B||20260101||ORU^R01|{control_id}|P|2.6|||{accept}|NE\r");
        let id = MessageId::at(Clock::system().now());
        Sent::of(&WaitingForward { id, raw: Bytes::from(raw) }, AcknowledgeAs::AsAsked)
    }

    #[test]
    fn a_message_that_the_platform_could_not_take_stays_whatever_follows_it() {
        let mut flight = flight(["1", "2", "3"].map(|id| numbered(id, "ER")).into());
        assert_eq!(flight.hear(&answer("CE", "2", "store-unavailable")), Heard::More);
        let known: Vec<_> = flight.sent.into_iter().map(Sent::known).collect();
        assert!(
            matches!(&known[..], [Known::Settled(..), Known::Postponed(Some(_)), Known::Settled(..)]),
            "{known:?}"
        );
    }

    // To a platform such a device is connected to it answers AA. Of a gateway it sees NE, and says nothing.
    #[test]
    fn a_device_that_awaits_what_its_message_does_not_ask_for_gets_aa_when_it_has_arrived() {
        for (accept, application) in [("NE", "NE"), ("", "NE"), ("NE", "ER"), ("ER", "NE")] {
            for acknowledge in [AcknowledgeAs::Original, AcknowledgeAs::Application] {
                for kind in ["ORU^R01", "ORU^R40^ORU_R40"] {
                    let sent = sent(kind, accept, application, acknowledge);
                    let Known::Settled(_, outcome) = sent.known() else { panic!("silence means success") };
                    let answer = outcome.answer.expect("an answer");
                    let text = String::from_utf8_lossy(&answer);
                    assert!(outcome.is_accepted && text.contains("\rMSA|AA|7"), "{text}");
                }
            }
            let asked = sent("ORU^R01", accept, application, AcknowledgeAs::AsAsked);
            assert!(matches!(asked.known(), Known::Settled(_, outcome) if outcome.answer.is_none()));
        }
    }

    // HL7 table 0155: SU, acknowledged if it is accepted
    #[test]
    fn silence_means_refusal_where_the_platform_speaks_of_what_it_accepts() {
        let silent = numbered("1", "SU");
        assert!(silent.is_silent(), "it may say nothing");
        assert!(matches!(silent.known(), Known::Unanswered(_)));
        let mut accepted = flight(vec![numbered("1", "SU"), numbered("2", "AL")]);
        assert_eq!(accepted.hear(&answer("CA", "1", "")), Heard::More);
        assert!(matches!(accepted.sent.remove(0).known(), Known::Settled(_, outcome) if outcome.is_accepted));
    }

    #[test]
    fn msa_2_is_compared_as_the_platform_repeats_it() {
        for (sent, repeated) in [("\u{a0}7", "\u{a0}7"), (" 7 ", "7"), ("7\u{1c}1", "71"), ("\u{b}7", "7")] {
            assert!(
                matches!(numbered(sent, "AL").hear(&answer("CA", repeated, "")), Heard::Settled(_)),
                "{sent:?}"
            );
        }
    }
}
