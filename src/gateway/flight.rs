//! A message that was sent to the platform, and what is heard of it. Pure.

use std::time::Instant;

use super::answer::as_application;
use crate::hl7::{AcknowledgeAs, AcknowledgementCode, Condition, Message, Outcome};
use crate::interface_b::Answer;
use crate::model::MessageId;
use crate::pcd::Transaction;
use crate::store::{ForwardOutcome, WaitingForward};

/// A message that was sent, and not acknowledged yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) id: MessageId,
    /// MSH-10, which MSA-2 repeats.
    control_id: String,
    /// What the platform sends if it accepts the message.
    accept: bool,
    application: bool,
    /// Whether the device awaits an application acknowledgement.
    is_awaited: bool,
    /// Whether CA has come.
    is_accepted: bool,
    /// The refusal of a message that asks for no acknowledgement.
    refusal: Option<ForwardOutcome>,
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
            accept: false,
            application: false,
            is_awaited: false,
            is_accepted: false,
            refusal: None,
        };
        // What is in the queue was read before; a damaged row is sent, and its refusal is reported.
        let Ok(message) = Message::parse(raw) else { return silent };
        let (header, transaction) = (message.header(), Transaction::of(&message));
        let request = |acknowledge| Transaction::acknowledgement_request(transaction, &header, acknowledge);
        let expected = request(AcknowledgeAs::AsAsked).answers(Outcome::Accepted);
        Self {
            control_id: String::from_utf8_lossy(header.control_id().trimmed()).into_owned(),
            accept: expected.accept.is_some(),
            application: expected.application.is_some(),
            is_awaited: request(acknowledge).application() != Condition::Never,
            ..silent
        }
    }

    /// Whether the platform says nothing if it accepts the message.
    pub(super) const fn is_silent(&self) -> bool {
        !self.accept && !self.application
    }

    /// MSH-10.
    pub(super) fn control_id(&self) -> &str {
        &self.control_id
    }

    /// Takes an acknowledgement.
    pub(super) fn hear(&mut self, answer: &Answer) -> Heard {
        if answer.control_id.trim() != self.control_id {
            return Heard::Other;
        }
        if answer.code == AcknowledgementCode::CA && self.accept && self.application {
            self.is_accepted = true;
            return Heard::More;
        }
        let is_temporary = || answer.reason.as_deref().is_some_and(|code| TEMPORARY.contains(&code));
        if !answer.code.is_positive() && is_temporary() {
            return Heard::Later;
        }
        Heard::Settled(ForwardOutcome {
            is_accepted: answer.code.is_positive(),
            code: answer.code.as_str().to_owned(),
            reason: answer.reason.clone().filter(|reason| !reason.is_empty()),
            answer: self.is_awaited.then(|| as_application(&answer.raw)),
        })
    }

    /// What is known where nothing more is heard: the message was accepted, unless it was refused before.
    fn ended(self) -> (MessageId, ForwardOutcome) {
        let code = if self.is_accepted { AcknowledgementCode::CA.as_str() } else { "" };
        let accepted =
            || ForwardOutcome { is_accepted: true, code: code.to_owned(), reason: None, answer: None };
        (self.id, self.refusal.unwrap_or_else(accepted))
    }

    /// The outcomes of the messages of a flight; `last` is that of the last one, if it was acknowledged.
    pub(super) fn outcomes(
        sent: Vec<Self>,
        last: Option<ForwardOutcome>,
    ) -> Vec<(MessageId, ForwardOutcome)> {
        let mut outcomes: Vec<_> = sent.into_iter().map(Self::ended).collect();
        if let (Some(outcome), Some((_, of_last))) = (last, outcomes.last_mut()) {
            *of_last = outcome;
        }
        outcomes
    }
}

impl<J> Flight<J> {
    /// Whether it waits for an acknowledgement.
    pub(super) fn awaits(&self) -> bool {
        self.sent.last().is_some_and(|last| !last.is_silent())
    }

    /// Whether the application acknowledgement is all that is missing.
    pub(super) fn is_accepted(&self) -> bool {
        self.sent.last().is_some_and(|last| last.is_accepted)
    }

    /// Takes an acknowledgement. A refusal of a message that asks for none is kept until the flight ends.
    pub(super) fn hear(&mut self, answer: &Answer) -> Heard {
        let Some((last, before)) = self.sent.split_last_mut() else { return Heard::Other };
        for silent in before {
            if let Heard::Settled(outcome) = silent.hear(answer) {
                silent.refusal = Some(outcome);
                return Heard::More;
            }
        }
        match last.hear(answer) {
            Heard::Settled(outcome) if last.is_silent() => {
                last.refusal = Some(outcome);
                Heard::More
            }
            heard => heard,
        }
    }
}

/// Reasons (ERR-5.1) for which a platform refuses a message that it may take a little later.
const TEMPORARY: [&str; 4] =
    ["store-unavailable", "forward-queue-full", "platform-unreachable", "frame-memory-limit"];

#[cfg(test)]
mod tests {
    use bytes::Bytes;

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
            raw: Bytes::from(raw),
        }
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
        // The directory says that the device wants AA, whatever it writes.
        let original = sent("ORU^R01", "AL", "NE", AcknowledgeAs::Original);
        assert_eq!(heard(original, &one("CA")), ("+".to_owned(), true));
        assert!(of("NE", "NE").is_silent() && of("NE", "ER").is_silent() && !of("AL", "NE").is_silent());
    }
}
