//! A received acknowledgement.

use super::AcknowledgementCode;
use crate::hl7::Message;

/// A peer's acknowledgement of a message that we sent. It is never acknowledged itself.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ReceivedAcknowledgement<'m> {
    /// MSA-1, if it is a code of HL7 table 0008.
    pub code: Option<AcknowledgementCode>,
    /// MSA-2, the MSH-10 of the acknowledged message; without surrounding blanks.
    pub control_id: &'m [u8],
}

impl Message<'_> {
    /// What the message acknowledges; `None` for a message that is not an acknowledgement.
    ///
    /// An acknowledgement has an MSA segment, or a type that is always one: ACK, RRG, ORA.
    #[must_use]
    pub fn acknowledgement(&self) -> Option<ReceivedAcknowledgement<'_>> {
        let Some(msa) = self.segment(b"MSA") else {
            let only_answers = matches!(self.header().message_type().code, b"ACK" | b"RRG" | b"ORA");
            return only_answers.then_some(ReceivedAcknowledgement { code: None, control_id: &[] });
        };
        let code = AcknowledgementCode::from_bytes(msa.field(1).trimmed());
        Some(ReceivedAcknowledgement { code, control_id: msa.field(2).trimmed() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(kind: &str, msa: &str) -> Option<(Option<AcknowledgementCode>, String)> {
        let text = format!("MSH|^~\\&|A||||2026||{kind}|1|P|2.6\r{msa}");
        let message = Message::parse(text.as_bytes()).unwrap();
        let found = message.acknowledgement()?;
        Some((found.code, String::from_utf8_lossy(found.control_id).into_owned()))
    }

    #[test]
    fn msa_or_the_type_identifies_an_acknowledgement() {
        assert_eq!(read("ACK^O15^ACK", "MSA|CA|102\r"), Some((Some(AcknowledgementCode::CA), "102".into())));
        assert_eq!(
            read(" RRG^O16^RRG_O16", "MSA|AR| 2 \r"),
            Some((Some(AcknowledgementCode::AR), "2".into()))
        );
        assert_eq!(read("ORU^R01", "MSA|AA|7\r"), Some((Some(AcknowledgementCode::AA), "7".into())));
        assert_eq!(read("ORA^R41^ORA_R41", "PID|1\r"), Some((None, String::new())));
        assert_eq!(read("ACK", "MSA|??|3\r"), Some((None, "3".into())));
        assert_eq!(read("ORU^R01^ORU_R01", "PID|1\r"), None);
    }
}
