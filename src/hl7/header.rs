//! MSH: who sends what to whom, and how it is to be answered.

use std::fmt;

use jiff::tz::Offset;

use super::field::Indexed;
use super::{CharacterSet, Condition, Field, MessageTime, Segment, Separators, Warning, Warnings};

/// The fields of MSH (HL7 2.6 ch. 2, 2.14.9), found in one pass.
#[derive(Clone, Copy)]
pub struct Header<'m>(Indexed<'m>);

/// The header without its message: enough to answer the message later.
pub struct KeptHeader {
    bytes: Box<[u8]>,
    separators: Separators,
}

/// MSH-9, without surrounding blanks: `ORU`, `R01`, `ORU_R01`. Each part may be empty.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct MessageType<'m> {
    /// MSH-9.1, the message code.
    pub code: &'m [u8],
    /// MSH-9.2, the trigger event.
    pub trigger: &'m [u8],
    /// MSH-9.3, the message structure.
    pub structure: &'m [u8],
}

impl<'m> Header<'m> {
    pub(super) fn new(segment: Segment<'m>) -> Self {
        Self(segment.indexed())
    }

    /// The separators of the message.
    #[must_use]
    pub const fn separators(&self) -> Separators {
        self.0.segment().separators()
    }

    /// A copy without the message.
    #[must_use]
    pub fn keep(&self) -> KeptHeader {
        KeptHeader { bytes: self.0.segment().raw().into(), separators: self.separators() }
    }

    /// The time zone of MSH-7. It applies to every time in the message without a zone (HL7 2.6 ch. 2,
    /// 2.14.9.7).
    #[must_use]
    pub fn zone(&self) -> Option<Offset> {
        MessageTime::parse(self.timestamp().component(1).trimmed()).ok()?.offset
    }

    fn field(&self, n: usize) -> Field<'m> {
        self.0.field(n)
    }

    /// MSH-3.
    #[must_use]
    pub fn sending_application(&self) -> Field<'m> {
        self.field(3)
    }

    /// MSH-4.
    #[must_use]
    pub fn sending_facility(&self) -> Field<'m> {
        self.field(4)
    }

    /// MSH-5.
    #[must_use]
    pub fn receiving_application(&self) -> Field<'m> {
        self.field(5)
    }

    /// MSH-6.
    #[must_use]
    pub fn receiving_facility(&self) -> Field<'m> {
        self.field(6)
    }

    /// MSH-7, when the message was made.
    #[must_use]
    pub fn timestamp(&self) -> Field<'m> {
        self.field(7)
    }

    /// MSH-9.
    #[must_use]
    pub fn message_type(&self) -> MessageType<'m> {
        let field = self.field(9);
        MessageType {
            code: field.component(1).trimmed(),
            trigger: field.component(2).trimmed(),
            structure: field.component(3).trimmed(),
        }
    }

    /// MSH-9 as received.
    #[must_use]
    pub fn message_type_field(&self) -> Field<'m> {
        self.field(9)
    }

    /// MSH-10, byte for byte: an acknowledgement returns it unchanged.
    #[must_use]
    pub fn control_id(&self) -> Field<'m> {
        self.field(10)
    }

    /// MSH-11: `P` production, `D` debugging, `T` training.
    #[must_use]
    pub fn processing_id(&self) -> Field<'m> {
        self.field(11)
    }

    /// MSH-11.1 in upper case; empty without one.
    #[must_use]
    pub fn mode(&self) -> Vec<u8> {
        self.processing_id().component(1).trimmed().to_ascii_uppercase()
    }

    /// MSH-12, as `2.6`.
    #[must_use]
    pub fn version(&self) -> Field<'m> {
        self.field(12)
    }

    /// MSH-15: when the sender requests an accept acknowledgement.
    #[must_use]
    pub fn accept_acknowledgement(&self) -> Field<'m> {
        self.field(15)
    }

    /// MSH-16: when the sender requests an application acknowledgement.
    #[must_use]
    pub fn application_acknowledgement(&self) -> Field<'m> {
        self.field(16)
    }

    /// MSH-18.
    #[must_use]
    pub fn character_set(&self) -> Field<'m> {
        self.field(18)
    }

    /// The character set in which the text of the message is shown.
    #[must_use]
    pub fn text_encoding(&self) -> CharacterSet {
        CharacterSet::parse(self.character_set()).0
    }

    /// MSH-20; some senders put the profile of MSH-21 here.
    #[must_use]
    pub fn alternate_character_set(&self) -> Field<'m> {
        self.field(20)
    }

    /// MSH-21, the message profiles; one repetition each.
    #[must_use]
    pub fn profiles(&self) -> Field<'m> {
        self.field(21)
    }

    /// Deviations of the header from the standard.
    pub(super) fn warnings(&self) -> Warnings {
        let mut warnings = Warnings::default();
        let unusual = self.field(2).raw();
        let doubled = matches!(unusual, [_, _, escape, again, _] if escape == again);
        warnings.insert_if(unusual.len() == 3 || doubled, Warning::UnusualEncodingCharacters);

        let kind = self.message_type();
        let incomplete = kind.trigger.is_empty() || kind.structure.is_empty();
        warnings.insert_if(incomplete, Warning::IncompleteMessageType);
        let blanks = (3..=LAST).any(|n| self.field(n).trimmed().len() < self.field(n).raw().len());
        warnings.insert_if(blanks, Warning::BlanksInHeader);
        let unknown = [self.accept_acknowledgement(), self.application_acknowledgement()]
            .iter()
            .any(|field| !field.is_empty() && Condition::known(*field).is_none());
        warnings.insert_if(unknown, Warning::UnknownAcknowledgementCondition);
        warnings.insert_if(!CharacterSet::parse(self.character_set()).1, Warning::UnknownCharacterSet);
        let is_recoded = CharacterSet::names_recoded_ascii(self.character_set());
        warnings.insert_if(is_recoded, Warning::AmbiguousStructure);
        warnings
    }
}

impl KeptHeader {
    /// The header of bytes that are no message because MSH-2 is unusable, as far as it can be read: by the
    /// character of MSH-1, and the recommended other separators. Only to answer the sender; nothing else of
    /// such bytes is believed.
    #[must_use]
    pub fn of_unusable_separators(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes).trim_ascii_start();
        let field = *bytes.strip_prefix(b"MSH")?.first()?;
        let separators = Separators { field, ..Separators::STANDARD };
        let line = bytes.split(|byte| matches!(byte, b'\r' | b'\n')).next()?;
        separators.are_usable().then(|| Self { bytes: line.into(), separators })
    }

    /// The fields of the header.
    #[must_use]
    pub fn header(&self) -> Header<'_> {
        Header::new(Segment::new(&self.bytes, self.separators))
    }
}

// Message content must not reach a log.
impl fmt::Debug for KeptHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptHeader").field("bytes", &self.bytes.len()).finish()
    }
}

/// The last field of MSH that this module reads.
const LAST: usize = 21;

/// Whether an acknowledgement with this MSH-11.1 can be the answer to a message with that one. Many devices
/// leave it empty in acknowledgements, and some messages have none.
#[must_use]
pub fn answers_mode(mode: &[u8], message: &[u8]) -> bool {
    mode.is_empty() || message.is_empty() || mode.eq_ignore_ascii_case(message)
}

#[cfg(test)]
mod tests {
    use super::super::Message;
    use super::*;

    #[test]
    fn every_field_is_found_by_its_name() {
        let text = br"MSH|^~\&|A|B|C|D|2026|s| ORU ^R01^ORU_R01^|7 |P|2.6|1|2|AL|NE|x|ASCII|y|z|p1~p2|22";
        let message = Message::parse(text).unwrap();
        let header = message.header();
        let found = [
            header.sending_application(),
            header.sending_facility(),
            header.receiving_application(),
            header.receiving_facility(),
            header.timestamp(),
            header.control_id(),
            header.processing_id(),
            header.version(),
            header.accept_acknowledgement(),
            header.application_acknowledgement(),
            header.character_set(),
            header.alternate_character_set(),
            header.profiles(),
        ];
        let expected = ["A", "B", "C", "D", "2026", "7 ", "P", "2.6", "AL", "NE", "ASCII", "z", "p1~p2"];
        assert_eq!(found.map(|field| field.raw()), expected.map(str::as_bytes));
        let MessageType { code, trigger, structure } = header.message_type();
        assert_eq!((code, trigger, structure), (&b"ORU"[..], &b"R01"[..], &b"ORU_R01"[..]));
        assert!(message.warnings().contains(Warning::BlanksInHeader));
    }

    #[test]
    fn a_short_header_has_empty_fields() {
        let message = Message::parse(br"MSH|^~&|APP").unwrap();
        assert!(message.header().control_id().is_empty() && message.header().profiles().is_empty());
        assert!(message.warnings().contains(Warning::IncompleteMessageType));
        assert!(message.warnings().contains(Warning::UnusualEncodingCharacters));
    }
}
