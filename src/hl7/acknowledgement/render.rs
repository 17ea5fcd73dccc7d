//! The bytes of an acknowledgement.

use std::io::Write as _;

use jiff::ZonedDateTime;

use super::{AcknowledgementCode, Location, Rejection};
use crate::hl7::separators::{CR, LF};
use crate::hl7::{Field, Header, Separators, escape, timestamp};
use crate::mllp::{FS, VT};

/// The platform in MSH-3 and MSH-4 of its messages. `^` separates components.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender {
    /// MSH-3, as `PLATFORM^08001900FE3ED02D^EUI-64`.
    pub application: String,
    /// MSH-4.
    pub facility: String,
}

/// One acknowledgement, before it is rendered.
#[derive(Debug, Clone, Copy)]
pub struct Acknowledgement<'a> {
    /// The platform.
    pub sender: &'a Sender,
    /// MSH-10 of the acknowledgement.
    pub control_id: &'a str,
    /// MSH-7, in the platform's time zone.
    pub at: &'a ZonedDateTime,
    /// MSA-1.
    pub code: AcknowledgementCode,
    /// The reason of a negative acknowledgement: ERR.
    pub rejection: Option<&'a Rejection>,
    /// Information for the engineers of the sender (ERR-7), with a rejection.
    pub diagnostic: Option<&'a str>,
}

impl Acknowledgement<'_> {
    /// The acknowledgement of the message with this header; without a header, of bytes that could not be
    /// read.
    ///
    /// It uses the separators of the message. Echoed fields (MSH-3, 4, 10, 11, 12, 18) are copied byte for
    /// byte, except bytes that would break the frame. A field of more than 1024 bytes is left empty. Without
    /// a header MSA-2 is empty.
    #[must_use]
    pub fn render(&self, header: Option<(&Header<'_>, Separators)>) -> Vec<u8> {
        let separators = header.map_or(Separators::STANDARD, |(_, separators)| separators);
        let mut out = Output { bytes: Vec::with_capacity(384), separators };
        let echo = Echo(header.map(|(header, _)| header));

        out.header_segment();
        out.field().ours(&self.sender.application);
        out.field().ours(&self.sender.facility);
        out.field().theirs(echo.raw(Header::sending_application));
        out.field().theirs(echo.raw(Header::sending_facility));
        timestamp::write(self.at, &mut out.field().bytes);
        out.field();
        out.field()
            .message_type(bounded(echo.0.map(|header| header.message_type().trigger).unwrap_or_default()));
        out.field().text(self.control_id);
        out.field().theirs_or(echo.raw(Header::processing_id), "P");
        out.field().theirs_or(echo.raw(Header::version), "2.6");
        out.field().field().field().text("NE");
        out.field().text("NE");
        let character_set = echo.raw(Header::character_set);
        if !character_set.is_empty() {
            out.field().field().theirs(character_set);
        }
        out.end_segment();

        out.text("MSA");
        out.field().text(self.code.as_str());
        out.field().theirs(echo.raw(Header::control_id));
        out.end_segment();

        if let Some(rejection) = self.rejection {
            out.error(rejection, self.diagnostic);
        }
        out.bytes
    }
}

/// Access to the echoed fields, empty without a header.
#[derive(Clone, Copy)]
struct Echo<'h, 'm>(Option<&'h Header<'m>>);

impl<'m> Echo<'_, 'm> {
    fn raw(self, field: fn(&Header<'m>) -> Field<'m>) -> &'m [u8] {
        bounded(self.0.map(|header| field(header).raw()).unwrap_or_default())
    }
}

impl Header<'_> {
    /// MSH-10 as an acknowledgement has it in MSA-2, without surrounding blanks: what breaks a frame is left
    /// out, and so is a value of more than 1024 bytes ([`Acknowledgement::render`]).
    #[must_use]
    pub fn repeated_control_id(&self) -> Vec<u8> {
        let repeated: Vec<u8> = repeated(bounded(self.control_id().raw())).collect();
        repeated.trim_ascii().to_vec()
    }
}

/// The bytes of a field of theirs that an acknowledgement has.
fn repeated(raw: &[u8]) -> impl Iterator<Item = u8> {
    raw.iter().copied().filter(|byte| !matches!(*byte, CR | LF | VT | FS))
}

/// A longer value is left out: a cut one would be another value.
fn bounded(value: &[u8]) -> &[u8] {
    if value.len() > MAX_ECHOED_BYTES { &[] } else { value }
}

struct Output {
    bytes: Vec<u8>,
    separators: Separators,
}

impl Output {
    fn header_segment(&mut self) {
        self.bytes.extend_from_slice(b"MSH");
        self.bytes.push(self.separators.field);
        self.bytes.extend(self.separators.encoding_characters());
    }

    /// ERR (HL7 2.6 ch. 2, 2.14.5): location, code of table 0357, severity, our own code, diagnostic.
    fn error(&mut self, rejection: &Rejection, diagnostic: Option<&str>) {
        self.text("ERR");
        self.field().field();
        if let Some(location) = rejection.location() {
            self.location(location);
        }
        let (code, text) = rejection.error_code();
        self.field().text(code).component().text(text).component().text("HL70357");
        self.field().text("E");
        self.field().text(rejection.code()).component().text(rejection.text()).component().text("L");
        if let Some(diagnostic) = diagnostic {
            self.field().field().text(diagnostic);
        }
        self.end_segment();
    }

    fn location(&mut self, location: Location) {
        self.bytes.extend_from_slice(&location.segment);
        self.component().number(location.sequence);
        if let Some(field) = location.field {
            self.component().number(field.into());
        }
        if let Some(component) = location.component {
            self.component().number(1).component().number(component.into());
        }
    }

    fn end_segment(&mut self) {
        self.bytes.push(CR);
    }

    /// The end of one field, the start of the next.
    fn field(&mut self) -> &mut Self {
        self.bytes.push(self.separators.field);
        self
    }

    fn component(&mut self) -> &mut Self {
        self.bytes.push(self.separators.component);
        self
    }

    fn text(&mut self, text: &str) -> &mut Self {
        escape::encode(text.as_bytes(), self.separators, &mut self.bytes);
        self
    }

    fn number(&mut self, number: u32) -> &mut Self {
        // Writing to memory does not fail.
        let _ = write!(self.bytes, "{number}");
        self
    }

    /// A configured text with `^` between components, written with the separators of the message.
    fn ours(&mut self, text: &str) {
        for (at, component) in text.split('^').enumerate() {
            if at > 0 {
                self.component();
            }
            self.text(component);
        }
    }

    fn theirs(&mut self, raw: &[u8]) {
        self.bytes.extend(repeated(raw));
    }

    fn theirs_or(&mut self, raw: &[u8], otherwise: &str) {
        if raw.trim_ascii().is_empty() {
            self.text(otherwise);
        } else {
            self.theirs(raw);
        }
    }

    fn message_type(&mut self, trigger: &[u8]) {
        self.text("ACK");
        if !trigger.is_empty() {
            self.component().theirs(trigger);
            self.component().text("ACK");
        }
    }
}

/// Bytes of an echoed field. HL7 2.6 has at most 227 characters for one of them (MSH-3).
const MAX_ECHOED_BYTES: usize = 1024;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::hl7::{Message, Unreadable};

    fn sender() -> Sender {
        Sender { application: "PLATFORM^0011223344556677^EUI-64".into(), facility: "WARD & CO".into() }
    }

    fn render(message: Option<&[u8]>, code: AcknowledgementCode, rejection: Option<&Rejection>) -> String {
        let at = "2026-03-01T12:30:05-05:30[-05:30]".parse().unwrap();
        let sender = sender();
        let acknowledgement = Acknowledgement {
            sender: &sender,
            control_id: "OURS-1",
            at: &at,
            code,
            rejection,
            diagnostic: None,
        };
        let message = message.map(|bytes| Message::parse(bytes).unwrap());
        let header = message.as_ref().map(|message| (message.header(), message.separators()));
        let bytes = acknowledgement.render(header.as_ref().map(|(header, separators)| (header, *separators)));
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_positive_acknowledgement_echoes_the_header() {
        let message = b"MSH|^~\\&|DEV^0001^EUI-64|FAC|PLATFORM|X|2026||ORU^R01^ORU_R01| id 1|T^A|2.5.1|||AL|NE||8859/1\r";
        let expected = "MSH|^~\\&|PLATFORM^0011223344556677^EUI-64|WARD \\T\\ CO|DEV^0001^EUI-64|FAC|20260301123005-0530||\
                        ACK^R01^ACK|OURS-1|T^A|2.5.1|||NE|NE||8859/1\rMSA|CA| id 1\r";
        assert_eq!(render(Some(message), AcknowledgementCode::CA, None), expected);
    }

    #[test]
    fn a_negative_acknowledgement_has_location_and_reason() {
        let message = b"MSH|^~\\&|DEV||||2026||ADT^A01^ADT_A01|7|P|2.6\r";
        let rejection = Rejection::UnsupportedType;
        let expected = "MSA|AR|7\rERR||MSH^1^9^1^1|200^Unsupported message type^HL70357|E|\
                        unsupported-type^messages of this type are not accepted^L\r";
        let rendered = render(Some(message), AcknowledgementCode::AR, Some(&rejection));
        assert!(rendered.ends_with(expected), "{rendered:?}");
        let without_place =
            render(Some(message), AcknowledgementCode::AE, Some(&Rejection::StoreUnavailable));
        assert!(without_place.contains("ERR|||207^Application internal error^HL70357|E|store-unavailable^"));
    }

    #[test]
    fn the_acknowledgement_uses_the_separators_of_the_message() {
        let message = b"MSH^~|\\&^DEV~0001^FAC^^^2026^^ORU~R01~ORU_R01^7^P^2.6\r";
        let rendered = render(Some(message), AcknowledgementCode::AA, None);
        assert!(
            rendered.starts_with("MSH^~|\\&^PLATFORM~0011223344556677~EUI-64^WARD \\T\\ CO^DEV~0001^FAC^")
        );
        assert!(rendered.contains("^^ACK~R01~ACK^OURS-1^P^2.6^^^NE^NE\rMSA^AA^7\r"), "{rendered:?}");
    }

    #[test]
    fn unreadable_bytes_are_acknowledged_too() {
        let rejection = Rejection::Unreadable(Unreadable::NoHeader);
        let rendered = render(None, AcknowledgementCode::AR, Some(&rejection));
        let expected = "|||20260301123005-0530||ACK|OURS-1|P|2.6|||NE|NE\rMSA|AR|\rERR|||100^";
        assert!(rendered.contains(expected), "{rendered:?}");
    }

    #[test]
    fn no_echoed_byte_breaks_the_frame() {
        let message = b"MSH|^~\\&|D\x1CEV||||2026||ORU^R01|7\x1C8|P|2.6\r";
        let rendered = render(Some(message), AcknowledgementCode::AA, None);
        assert!(
            !rendered.contains('\x1C') && rendered.contains("|DEV|") && rendered.ends_with("MSA|AA|78\r")
        );
    }

    proptest! {
        #[test]
        fn every_acknowledgement_parses(id in "[ -z]{0,20}", app in "[ -z]{0,20}") {
            let text = format!("MSH|^~\\&|{app}|F|||2026||ORU^R01^ORU_R01|{id}|P|2.6\r");
            let message = Message::parse(text.as_bytes()).unwrap();
            let rendered = render(Some(text.as_bytes()), AcknowledgementCode::AR, Some(&Rejection::NoControlId));
            let read = Message::parse(rendered.as_bytes()).unwrap();
            let header = read.header();
            prop_assert_eq!(read.segment(b"MSA").unwrap().field(2).raw(), message.header().control_id().raw());
            prop_assert_eq!(header.receiving_application().raw(), message.header().sending_application().raw());
            prop_assert_eq!(read.segments().count(), 3);
            prop_assert!(read.warnings().is_empty() || header.receiving_application().raw().trim_ascii() != header.receiving_application().raw());
        }
    }
}
