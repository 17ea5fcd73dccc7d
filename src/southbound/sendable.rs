//! Checks of a message before it is queued as an order.

use bytes::Bytes;

use crate::hl7::{
    AcknowledgeAs, AcknowledgementRequest, Condition, Message, Outcome, Unreadable, Warning, batch,
    with_carriage_returns,
};
use crate::mllp::{CR, FS, VT};
use crate::pcd::Transaction;
use crate::pcd::profile::{self, Finding};

/// One message that can be sent to a device. The rules are stricter than for received messages.
#[derive(Clone, PartialEq, Eq)]
pub struct Sendable {
    /// MSH-9.
    pub message_type: String,
    /// MSH-10, which the device returns in its answer.
    pub control_id: String,
    /// MSH-11.1 in upper case, which that of the answer has to be.
    pub mode: Vec<u8>,
    /// The result that the device owes after it has accepted the order (MSH-16).
    pub result: OwedResult,
    /// The message; each segment ends with a carriage return.
    pub bytes: Bytes,
}

/// The application acknowledgement that MSH-16 requests besides an accept acknowledgement (HL7 table 0155).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwedResult {
    /// `NE`, or empty, or both fields are empty: a CA is the last word.
    Nothing,
    /// `ER`: the device reports errors only, so silence means success.
    Errors,
    /// `AL` or `SU`: silence means nothing.
    Success,
}

/// Why a message cannot be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unsendable {
    /// It is not readable as HL7 v2.
    #[error("the message cannot be read as HL7 v2: {0}")]
    Unreadable(#[from] Unreadable),
    /// The input holds several messages.
    #[error("the input holds several messages: send each by itself")]
    Several,
    /// It contains bytes that would end its frame.
    #[error("the message contains byte 0x0B or 0x1C, which delimit MLLP frames: pass it without its frame")]
    Frame,
    /// A device could find other segments or fields in it.
    #[error(
        "devices could understand the message differently: escape line feeds within segments, and use characters that the character set in MSH-18 has"
    )]
    Ambiguous,
    /// MSH-9 is empty.
    #[error("the message has no type: fill MSH-9")]
    NoType,
    /// A device could not return MSH-10 unchanged.
    #[error(
        "the device could not refer to the message in its answer: MSH-10 must be 1 to 199 printable ASCII characters"
    )]
    ControlId,
    /// A device would take it for the acknowledgement of a message of its own.
    #[error(
        "the message is an acknowledgement, which a device does not answer; ORA^R41 (PCD-05) is a message of its own when it asks for an acknowledgement: write AL in MSH-15"
    )]
    Acknowledgement,
    /// Its delivery could not be confirmed.
    #[error(
        "the message requests no positive acknowledgement, so its delivery could not be confirmed: write AL in MSH-15 or MSH-16"
    )]
    NoAcknowledgement,
}

impl Sendable {
    /// Reads a message from a file; line ends of text files are allowed.
    ///
    /// # Errors
    /// When it cannot be sent.
    pub fn read(file: &[u8]) -> Result<Self, Unsendable> {
        let bytes = with_carriage_returns(file.strip_prefix(BYTE_ORDER_MARK).unwrap_or(file));
        let message = Message::parse(&bytes)?;
        if batch::split(&bytes).is_some() {
            return Err(Unsendable::Several);
        }
        if bytes.iter().any(|byte| matches!(*byte, VT | FS)) {
            return Err(Unsendable::Frame);
        }
        if message.warnings().contains(Warning::AmbiguousStructure) {
            return Err(Unsendable::Ambiguous);
        }
        let header = message.header();
        if header.message_type().code.is_empty() {
            return Err(Unsendable::NoType);
        }
        let control_id = header.control_id().raw();
        let printable = control_id.iter().all(|byte| matches!(byte, b' '..=b'~'));
        if !printable
            || control_id.trim_ascii() != control_id
            || !(1..=MAX_CONTROL_ID_BYTES).contains(&control_id.len())
        {
            return Err(Unsendable::ControlId);
        }
        if message.acknowledgement().is_some() {
            return Err(Unsendable::Acknowledgement);
        }
        let request = AcknowledgementRequest::from_header(&header, AcknowledgeAs::AsAsked);
        let answers = request.answers(Outcome::Accepted);
        if answers.accept.is_none() && answers.application.is_none() {
            return Err(Unsendable::NoAcknowledgement);
        }
        Ok(Self {
            message_type: String::from_utf8_lossy(header.message_type_field().raw()).into_owned(),
            control_id: String::from_utf8_lossy(control_id).into_owned(),
            mode: header.mode(),
            result: OwedResult::of(request),
            bytes: Bytes::copy_from_slice(&bytes),
        })
    }

    /// What the profile of its transaction requires and the message lacks (IHE PCD TF vol. 2, 3.3); empty
    /// when it is of no IHE PCD transaction.
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        let Ok(message) = Message::parse(&self.bytes) else { return Vec::new() };
        let transaction = Transaction::of(&message);
        transaction.map(|transaction| profile::check(&message, transaction)).unwrap_or_default()
    }

    /// Whether the device owes a result after it has accepted the order.
    #[must_use]
    pub fn owes_result(&self) -> bool {
        self.result != OwedResult::Nothing
    }

    /// The message in its frame. [`Sendable::read`] has excluded bytes that would end the frame.
    #[must_use]
    pub fn frame(&self) -> Bytes {
        [&[VT], &*self.bytes, &[FS, CR]].concat().into()
    }
}

impl std::fmt::Debug for Sendable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sendable")
            .field("message_type", &self.message_type)
            .field("result", &self.result)
            .finish_non_exhaustive()
    }
}

impl OwedResult {
    const fn of(request: AcknowledgementRequest) -> Self {
        match request {
            AcknowledgementRequest::Original
            | AcknowledgementRequest::Enhanced { application: Condition::Never, .. } => Self::Nothing,
            AcknowledgementRequest::Enhanced { application: Condition::OnError, .. } => Self::Errors,
            AcknowledgementRequest::Enhanced {
                application: Condition::Always | Condition::OnSuccess,
                ..
            } => Self::Success,
        }
    }
}

/// Bytes of MSH-10 (HL7 2.6 ch. 2, 2.14.9.10).
const MAX_CONTROL_ID_BYTES: usize = 199;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

#[cfg(test)]
mod tests {
    use super::*;

    fn order(kind: &str, control_id: &str, accept: &str, application: &str) -> String {
        format!(
            "MSH|^~\\&|PLATFORM||PUMP||20260101120000+0000||{kind}|{control_id}|P|2.6|||{accept}|{application}\rPID|1\r"
        )
    }

    fn read(text: &str) -> Result<Sendable, Unsendable> {
        Sendable::read(text.as_bytes())
    }

    // IHE PCD TF vol. 2, 3.3 and B.1
    #[test]
    fn an_order_is_read_with_the_facts_of_its_answer() {
        let sent = read(&order("RGV^O15^RGV_O15", "ORDER-1", "AL", "AL")).unwrap();
        assert_eq!((&*sent.message_type, &*sent.control_id), ("RGV^O15^RGV_O15", "ORDER-1"));
        for (accept, application, result) in [
            ("", "", OwedResult::Nothing),
            ("AL", "NE", OwedResult::Nothing),
            ("SU", "", OwedResult::Nothing),
            ("AL", "ER", OwedResult::Errors),
            ("AL", "AL", OwedResult::Success),
            ("AL", "SU", OwedResult::Success),
            ("NE", "AL", OwedResult::Success),
            ("ER", "SU", OwedResult::Success),
        ] {
            let sent = read(&order("RGV^O15", "1", accept, application)).unwrap();
            assert_eq!(sent.result, result, "{accept} {application}");
        }
    }

    // IHE PCD TF vol. 2, 3.3.4.4
    #[test]
    fn what_an_infusion_order_lacks_is_listed() {
        let rules = |text: &str| -> Vec<&'static str> {
            read(text).unwrap().findings().iter().map(|finding| finding.rule).collect()
        };
        let whole = "MSH|^~\\&|P^1^ISO||||20260101120000+0000||RGV^O15^RGV_O15|1|P|2.6|||AL|AL|||||X\r\
            PID|||1^^^H^PI||Doe^John\rORC|RE|1|||||||20260101120000+0000||||||||||N1\r\
            RXG|1|||1^Dopamine|250||263762^MDC_DIM_MILLI_L^MDC||||||||10|265266^MDC_DIM_MILLI_L_PER_HR^MDC\r\
            RXR|^IV\rOBX|1||69986^MDC_DEV_PUMP_INFUS_VMD^MDC||||||||X|||||||A1^^00A037EB2175780F^EUI-64\r";
        assert_eq!(rules(whole), Vec::<&str>::new());
        for (from, to, rule) in [
            ("ORC|RE|1|", "ORC|RE||", "orc-placer-missing"),
            ("|||||||20260101120000+0000||||||||||N1", "|||||||||||||||||N1", "orc-time-missing"),
            ("|N1\r", "\r", "orc-action-by-missing"),
            ("RXR|^IV", "RXR|", "rxr-route-missing"),
            ("1^Dopamine", "", "rxg-give-code-missing"),
            ("|AL|AL|", "|AL||", "msh-application-acknowledgement-missing"),
            ("|AL|AL|", "||AL|", "msh-accept-acknowledgement-missing"),
            ("69986^MDC_DEV_PUMP_INFUS_VMD", "69985^MDC_DEV_PUMP_INFUS_MDS", "order-pump-missing"),
            ("|10|265266^MDC_DIM_MILLI_L_PER_HR^MDC", "||", "rxg-rate-missing"),
            ("ORC|RE", "ORC|XO", "rxg-amount-unexpected"),
        ] {
            assert!(whole.contains(from), "{from}");
            assert_eq!(rules(&whole.replacen(from, to, 1)), [rule], "{from} {to}");
        }
        // The amount depends on the pump (3.3.4.4.5).
        assert_eq!(rules(&whole.replacen("|250|", "||", 1)), Vec::<&str>::new());
        assert_eq!(read(&order("ADT^A01", "1", "AL", "")).unwrap().findings(), []);
    }

    #[test]
    fn a_text_file_becomes_a_message() {
        let wanted = order("RGV^O15", "1", "AL", "");
        let framed = read(&wanted).unwrap().frame();
        assert_eq!(framed, [b"\x0B", wanted.as_bytes(), b"\x1C\r"].concat());
        for ending in ["\n", "\r\n", "\r"] {
            let file = wanted.replace('\r', ending);
            for file in [format!("\u{feff}{file}"), format!("{file}{ending}"), file.trim_end().to_owned()] {
                assert_eq!(read(&file).unwrap().bytes, wanted.as_bytes(), "{file:?}");
            }
        }
    }

    #[test]
    fn a_line_feed_within_a_segment_is_sent_as_it_is() {
        let text = format!("{}NTE|1||first line\nsecond line\r", order("RGV^O15", "1", "AL", ""));
        assert_eq!(read(&text).unwrap().bytes, text.as_bytes());
        assert_eq!(read(&text.replace('\r', "\r\n")).unwrap().bytes, text.as_bytes());
    }

    #[test]
    fn an_unsendable_message_is_refused_with_the_reason() {
        let good = order("RGV^O15", "1", "AL", "");
        let long = "7".repeat(200);
        for (text, why) in [
            (String::new(), "read as HL7"),
            (format!("{good}{good}"), "several"),
            (format!("BHS|^~\\&\r{good}BTS|1\r"), "HL7"),
            (format!("\u{b}{good}\u{1c}\r"), "HL7"),
            (format!("{good}OBX|1|ST|\u{1c}\r"), "0x0B"),
            (format!("{good}NTE|1||low\nOBX|1\rNTE|2\r"), "differently"),
            (order("", "1", "AL", ""), "MSH-9"),
            (order("RGV", "", "AL", ""), "MSH-10"),
            (order("RGV", " 1", "AL", ""), "MSH-10"),
            (order("RGV", "\u{e9}", "AL", ""), "MSH-10"),
            (order("RGV", &long, "AL", ""), "MSH-10"),
            (order("RGV", "1", "NE", "NE"), "MSH-15"),
            (order("ORA^R41^ORA_R41", "1", "", ""), "ORA^R41"),
            (order("RRG^O16", "1", "AL", "NE"), "is an acknowledgement"),
            (order("RGV", "1", "ER", "ER"), "MSH-15"),
        ] {
            let refused = read(&text).unwrap_err().to_string();
            assert!(refused.contains(why), "{text:?}: {refused}");
        }
    }
}
