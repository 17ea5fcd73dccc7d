//! Acknowledgements: those that a message requests, and those that come.

use bytes::Bytes;

use crate::hl7::{AcknowledgeAs, AcknowledgementCode, AcknowledgementRequest, Message, Outcome, Unreadable};

/// An acknowledgement of the platform.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    /// MSA-1.
    pub code: AcknowledgementCode,
    /// MSA-2: the MSH-10 of the acknowledged message.
    pub control_id: String,
    /// ERR-5.1: the platform's code of the reason, if there is one.
    pub reason: Option<String>,
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
            .map(|err| String::from_utf8_lossy(err.field(5).component(1).trimmed()).into_owned());
        Ok(Some(Self { code, control_id, reason, raw }))
    }
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
    accept: bool,
    application: bool,
}

impl Awaited {
    /// What this message requests if it is accepted. An acknowledgement is never acknowledged.
    pub(super) fn of(message: &[u8]) -> Result<Self, Unreadable> {
        let message = Message::parse(message)?;
        let header = message.header();
        let control_id = String::from_utf8_lossy(&header.repeated_control_id()).into_owned();
        if message.acknowledgement().is_some() {
            return Ok(Self { control_id, accept: false, application: false });
        }
        let request = AcknowledgementRequest::from_header(&header, AcknowledgeAs::AsAsked);
        let answers = request.answers(Outcome::Accepted);
        Ok(Self { control_id, accept: answers.accept.is_some(), application: answers.application.is_some() })
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
        if answer.control_id != self.control_id || self.is_over() {
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
