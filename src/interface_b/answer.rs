//! Acknowledgements: those that a message requests, and those that come.

use bytes::Bytes;

use crate::hl7::{
    AcknowledgeAs, AcknowledgementCode, Answers, Field, Message, Outcome, Unreadable, answers_mode,
};
use crate::pcd::Transaction;

/// An acknowledgement of the platform.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    /// MSA-1.
    pub code: AcknowledgementCode,
    /// MSA-2: the MSH-10 of the acknowledged message.
    pub control_id: String,
    /// ERR-5.1: the platform's code of the reason, if there is one.
    pub reason: Option<String>,
    /// MSH-11.1 in upper case; empty when the platform leaves it out.
    pub mode: Vec<u8>,
    /// The acknowledgement, byte for byte.
    pub raw: Bytes,
}

impl Answer {
    /// The acknowledgement in these bytes. `None` if they are none, or have no code of HL7 table 0008.
    ///
    /// # Errors
    /// When the bytes are no HL7 message.
    pub fn read(raw: Bytes) -> Result<Option<Self>, Unreadable> {
        let message = Message::parse(&raw)?;
        let Some(acknowledgement) = message.acknowledgement() else { return Ok(None) };
        let Some(code) = acknowledgement.code else { return Ok(None) };
        let control_id = String::from_utf8_lossy(acknowledgement.control_id).into_owned();
        let reason = message
            .segment(b"ERR")
            .map(|err| String::from_utf8_lossy(err.field(5).component(1).trimmed()).into_owned())
            .filter(|reason| !reason.is_empty());
        let mode = message.header().mode();
        Ok(Some(Self { code, control_id, reason, mode, raw }))
    }

    /// What a platform without codes of ours says of a rejection: the condition (ERR-3, HL7 table 0357) and
    /// its texts (ERR-7, ERR-8, MSA-3), without control characters. `None` if it says nothing.
    #[must_use]
    pub fn explanation(&self) -> Option<String> {
        let message = Message::parse(&self.raw).ok()?;
        let text = |field: Field<'_>| {
            let text = String::from_utf8_lossy(field.trimmed()).into_owned();
            let text: String = text.chars().filter(|one| !one.is_control()).take(MAX_EXPLANATION).collect();
            (!text.is_empty()).then_some(text)
        };
        let error = message.segment(b"ERR");
        let of_error = error.iter().flat_map(|err| [3, 7, 8].map(|number| text(err.field(number))));
        let of_acknowledgement = message.segment(b"MSA").and_then(|msa| text(msa.field(3)));
        let texts: Vec<_> = of_error.chain([of_acknowledgement]).flatten().collect();
        (!texts.is_empty()).then(|| texts.join("; "))
    }
}

/// Characters of one field of an acknowledgement that are repeated.
const MAX_EXPLANATION: usize = 200;

/// Which outcomes of a message are answered, as its MSH-15 and MSH-16 ask. A failure of alerts (PCD-04) and
/// heartbeats is answered in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requested {
    /// Neither success nor failure.
    Nothing,
    /// `ER`: silence is a success.
    ErrorsOnly,
    /// `SU`: silence is a failure.
    SuccessOnly,
    /// Both.
    Always,
}

impl Requested {
    /// What this message asks for.
    ///
    /// # Errors
    /// When the bytes are no HL7 message.
    pub fn of(message: &[u8]) -> Result<Self, Unreadable> {
        let answered = |answers: Answers| answers.iter().next().is_some();
        let message = Message::parse(message)?;
        Ok(
            match (
                answered(requested(&message, Outcome::Accepted)),
                answered(requested(&message, Outcome::Rejected)),
            ) {
                (false, false) => Self::Nothing,
                (false, true) => Self::ErrorsOnly,
                (true, false) => Self::SuccessOnly,
                (true, true) => Self::Always,
            },
        )
    }
}

/// The acknowledgements that a message requests for an outcome. An acknowledgement is never acknowledged.
fn requested(message: &Message<'_>, outcome: Outcome) -> Answers {
    if message.acknowledgement().is_some() {
        return Answers::default();
    }
    let header = message.header();
    Transaction::acknowledgement_request(Transaction::of(message), &header, AcknowledgeAs::AsAsked)
        .answers(outcome)
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answer")
            .field("code", &self.code)
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}

/// What a message requests (MSH-15, MSH-16) and has not got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Awaited {
    /// MSH-10: what MSA-2 repeats.
    control_id: String,
    /// MSH-11.1, which that of the acknowledgement has to be.
    mode: Vec<u8>,
    accept: bool,
    application: bool,
}

impl Awaited {
    /// What this message requests if it is accepted.
    pub(super) fn of(message: &[u8]) -> Result<Self, Unreadable> {
        let message = Message::parse(message)?;
        let control_id = String::from_utf8_lossy(&message.header().repeated_control_id()).into_owned();
        let Answers { accept, application } = requested(&message, Outcome::Accepted);
        let mode = message.header().mode();
        Ok(Self { control_id, mode, accept: accept.is_some(), application: application.is_some() })
    }

    /// Whether nothing more is to come.
    pub(super) const fn is_over(&self) -> bool {
        !self.accept && !self.application
    }

    /// Takes an acknowledgement; false if it is not one that the message waits for.
    ///
    /// An application acknowledgement ends the wait: the message has been processed. So does a negative
    /// accept acknowledgement: it is not (HL7 2.6 ch. 2, 2.9.3.1).
    pub(super) fn take(&mut self, answer: &Answer) -> bool {
        let is_other = answer.control_id != self.control_id || !answers_mode(&answer.mode, &self.mode);
        if is_other || self.is_over() {
            return false;
        }
        match answer.code {
            AcknowledgementCode::CA if !self.accept && !self.application => return false,
            AcknowledgementCode::CA => self.accept = false,
            _ => (self.accept, self.application) = (false, false),
        }
        true
    }

    /// What is missing, in words.
    pub(super) const fn missing(&self) -> &'static str {
        if self.application { "application acknowledgement" } else { "accept acknowledgement" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(accept: &str, application: &str) -> String {
        format!("MSH|^~\\&|A||B||20260101||ORU^R01|7|P|2.6|||{accept}|{application}\r")
    }

    fn answer(code: &str, control_id: &str) -> Answer {
        let raw = format!("MSH|^~\\&|B||A||20260101||ACK|1|P|2.6\rMSA|{code}|{control_id}\r");
        Answer::read(raw.into()).unwrap().unwrap()
    }

    /// Which acknowledgements count, and what is missing after them.
    fn taken(modes: (&str, &str), answers: &[(&str, &str)]) -> (Vec<bool>, Option<&'static str>) {
        let mut awaited = Awaited::of(message(modes.0, modes.1).as_bytes()).unwrap();
        let taken = answers.iter().map(|(code, id)| awaited.take(&answer(code, id))).collect();
        (taken, (!awaited.is_over()).then(|| awaited.missing()))
    }

    #[test]
    fn acknowledgements_count_by_msa_2() {
        let accept = "accept acknowledgement";
        assert_eq!(
            taken(("AL", "NE"), &[("CA", "6"), ("CA", ""), ("CA", "7")]),
            (vec![false, false, true], None)
        );
        assert_eq!(taken(("AL", "NE"), &[("CA", "8")]), (vec![false], Some(accept)));
        assert_eq!(taken(("AL", "NE"), &[("CE", "7"), ("CA", "7")]), (vec![true, false], None));
    }

    // HL7 2.6 ch. 2, 2.14.9.11
    #[test]
    fn an_acknowledgement_of_another_processing_mode_does_not_count() {
        let mut awaited = Awaited::of(message("AL", "NE").as_bytes()).unwrap();
        let in_mode = |mode: &str| Answer { mode: mode.into(), ..answer("CA", "7") };
        assert!(!awaited.take(&in_mode("T")));
        assert!(awaited.clone().take(&in_mode("P")) && awaited.take(&in_mode("")));
    }

    #[test]
    fn an_alert_is_not_acknowledged_a_second_time() {
        // PCD-04: MSH-16 says that the sender can receive PCD-05 (vol. 2, 3.4).
        let alert = |accept: &str, application: &str| {
            message(accept, application)
                .replace("ORU^R01", "ORU^R40^ORU_R40")
                .replace("\r", "||||||IHE_PCD_004^IHE PCD^1.3.6.1.4.1.19376.1.6.1.4.1^ISO\r")
        };
        let mut awaited = Awaited::of(alert("AL", "AL").as_bytes()).unwrap();
        assert!(awaited.take(&answer("CA", "7")) && awaited.is_over());
        assert_eq!(Requested::of(alert("NE", "NE").as_bytes()), Ok(Requested::ErrorsOnly));
        for (modes, requested) in [
            (("NE", "NE"), Requested::Nothing),
            (("ER", "NE"), Requested::ErrorsOnly),
            (("NE", "ER"), Requested::ErrorsOnly),
            (("SU", "SU"), Requested::SuccessOnly),
            (("SU", "AL"), Requested::Always),
            (("", ""), Requested::Always),
        ] {
            assert_eq!(Requested::of(message(modes.0, modes.1).as_bytes()), Ok(requested), "{modes:?}");
        }
    }

    #[test]
    fn a_rejection_without_a_code_of_ours_keeps_its_words() {
        let raw = "MSH|^~\\&|B||A||20260101||ACK|1|P|2.6\rMSA|CE|7\r\
                   ERR|||207^Application internal error^HL70357|E||||the disk is\u{1b}[2J full\r";
        let answer = Answer::read(raw.into()).unwrap().unwrap();
        assert_eq!(answer.reason, None);
        let words = "207^Application internal error^HL70357; the disk is[2J full";
        assert_eq!(answer.explanation().as_deref(), Some(words));
    }

    #[test]
    fn an_application_acknowledgement_ends_the_wait() {
        let application = Some("application acknowledgement");
        assert_eq!(taken(("AL", "AL"), &[("CA", "7")]), (vec![true], application));
        assert_eq!(taken(("AL", "AL"), &[("CA", "7"), ("AA", "7")]), (vec![true, true], None));
        assert_eq!(taken(("AL", "AL"), &[("AA", "7")]), (vec![true], None));
        assert_eq!(taken(("", ""), &[("AE", "7")]), (vec![true], None));
        assert_eq!(taken(("NE", "NE"), &[("CA", "7")]), (vec![false], None));
    }
}
