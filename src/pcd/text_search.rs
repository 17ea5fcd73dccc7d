//! Looks for a text in the content of a message.

use crate::hl7::{Message, Segment};

/// A text to look for in the segments of messages, whatever its case.
pub struct TextSearch {
    /// The name of the segments, in upper case; empty: all.
    segment: String,
    /// In lower case.
    text: String,
}

impl TextSearch {
    /// A search for `text` in segments with the name `segment`, or in all if that is empty. `None` for a text
    /// without a character, and for a name that is none.
    #[must_use]
    pub fn new(segment: &str, text: &str) -> Option<Self> {
        let segment = segment.trim().to_ascii_uppercase();
        let is_name = segment.is_empty()
            || (segment.len() == 3 && segment.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        let text = text.trim().to_lowercase();
        (is_name && !text.is_empty() && text.len() <= MAX_BYTES).then_some(Self { segment, text })
    }

    /// The name of the segments; empty: all.
    #[must_use]
    pub fn segment(&self) -> &str {
        &self.segment
    }

    /// The text, as it is compared.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether the message has the text: as it is written, with its separators, or in a value whose escape
    /// sequences are decoded. Bytes that are no message are searched as they are.
    #[must_use]
    pub fn is_in(&self, bytes: &[u8]) -> bool {
        let Ok(message) = Message::parse(bytes) else {
            return self.segment.is_empty() && self.is_part_of(&String::from_utf8_lossy(bytes));
        };
        let characters = message.text_encoding();
        let is_wanted = |segment: &Segment<'_>| {
            self.segment.is_empty() || segment.id().eq_ignore_ascii_case(self.segment.as_bytes())
        };
        message.segments().filter(is_wanted).any(|segment| {
            self.is_part_of(&characters.decode(segment.raw()))
                || segment
                    .fields()
                    .flat_map(|field| field.repetitions())
                    .flat_map(|repetition| repetition.components())
                    .flat_map(|component| component.subcomponents())
                    .any(|part| part.has_escape() && self.is_part_of(&characters.decode(&part.shown_text())))
        })
    }

    fn is_part_of(&self, text: &str) -> bool {
        text.to_lowercase().contains(&self.text)
    }
}

/// A longer text is a message.
const MAX_BYTES: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &[u8] =
        b"MSH|^~\\&|A||||2026||ORU^R01|1|P|2.6||||||UNICODE UTF-8\rPID|1||4711||M\xc3\xbcller^Zoe\r\
        OBX|1|ST|1^MDC_X^MDC|1.0.0.1|Tube T\\T\\A kinked\r";

    fn finds(segment: &str, text: &str) -> bool {
        TextSearch::new(segment, text).unwrap().is_in(MESSAGE)
    }

    #[test]
    fn a_text_is_found_in_the_named_segment_whatever_its_case() {
        assert!(finds("OBX", "KINKED") && finds("obx", "mdc_x^mdc") && finds("", "MÜLLER^z"));
        assert!(finds("OBX", "tube t&a"), "an escape sequence is decoded");
        assert!(!finds("PID", "kinked") && !finds("OBX", "zoe") && !finds("OBX", "MSH"));
    }

    #[test]
    fn bytes_that_are_no_message_are_searched_as_they_are() {
        assert!(TextSearch::new("", "hello").unwrap().is_in(b"HELLO world"));
        assert!(!TextSearch::new("OBX", "hello").unwrap().is_in(b"HELLO world"));
    }

    #[test]
    fn a_search_needs_a_text_and_a_name_of_three_letters() {
        for (segment, text) in [("", " "), ("OB", "x"), ("O|X", "x"), ("OBXX", "x")] {
            assert!(TextSearch::new(segment, text).is_none(), "{segment:?} {text:?}");
        }
        assert!(TextSearch::new("", &"x".repeat(201)).is_none());
    }
}
