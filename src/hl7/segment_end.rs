//! What ends the segments of a text.

use memchr::{memchr, memchr2, memmem};

use super::encoding::ESCAPE;
use super::separators::{CR, LF};
use crate::model::work::count;

/// What ends the segments of a text. One answer for enforcement, display, storage and batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SegmentEnd {
    /// CR (HL7 2.6 ch. 2, 2.5.4). A line feed behind it belongs to it; any other line feed is content.
    CarriageReturn,
    /// CR, LF or both: some senders end every line with a line feed.
    AnyLineBreak,
}

impl SegmentEnd {
    /// What ends the segments of `text`, which begins with its header.
    ///
    /// Line feeds end segments only where no segment follows a carriage return. Otherwise a line feed inside
    /// a value would begin a segment that the sender did not write.
    pub(super) fn detect(text: &[u8]) -> Self {
        let mut lines = text.split(|byte| *byte == CR).filter(|line| !line.trim_ascii().is_empty());
        if lines.nth(1).is_some() { Self::CarriageReturn } else { Self::AnyLineBreak }
    }

    /// The position of the end of the first segment in `text`.
    #[inline]
    pub(super) fn find(self, text: &[u8]) -> Option<usize> {
        let found = match self {
            Self::CarriageReturn => memchr(CR, text),
            Self::AnyLineBreak => memchr2(CR, LF, text),
        };
        count(found.unwrap_or(text.len()).saturating_add(1));
        found
    }
}

/// The text of a file as a message: every segment ends with a carriage return. Line feeds within segments
/// stay.
#[must_use]
pub fn with_carriage_returns(text: &[u8]) -> Vec<u8> {
    let end = SegmentEnd::detect(text.trim_ascii_start());
    let mut out = Vec::with_capacity(text.len() + 1);
    let mut previous = 0;
    for &byte in text {
        match byte {
            LF if previous == CR => {}
            LF if end == SegmentEnd::AnyLineBreak => out.push(CR),
            other => out.push(other),
        }
        previous = byte;
    }
    while out.ends_with(&[CR, CR]) {
        out.pop();
    }
    if !out.ends_with(&[CR]) {
        out.push(CR);
    }
    out
}

/// Whether a line begins with a segment name: a letter, two letters or digits, then a separator or the end.
pub(super) fn begins_segment(line: &[u8], separator: u8) -> bool {
    is_name(line) && line.get(3).is_none_or(|byte| *byte == separator)
}

/// Whether a line begins with the name of a usual segment in lower or mixed case: `pid|`.
pub(super) fn is_lower_case_segment(line: &[u8], separator: u8) -> bool {
    const NAMES: [&[u8; 3]; 12] =
        [b"PID", b"PD1", b"NK1", b"PV1", b"PV2", b"OBR", b"OBX", b"NTE", b"ORC", b"EVN", b"MSA", b"ERR"];
    let name = line.get(..3).unwrap_or_default();
    line.get(3) == Some(&separator) && NAMES.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// Whether a text within a segment would be a segment for a reader that ends segments at any line break.
///
/// A header counts with any separator: it defines its own.
pub(super) fn resembles_segment(text: &[u8], separator: u8) -> bool {
    is_name(text)
        && text.get(3).is_some_and(|byte| {
            let is_header = matches!(text.get(..3), Some(b"MSH" | b"FHS" | b"BHS"));
            *byte == separator || is_header && byte.is_ascii_punctuation()
        })
}

/// Whether a header follows a character that some readers of batches take for a line break: vertical tab,
/// form feed, the information separators, NEL, and the line and paragraph separators of Unicode. Readers skip
/// blanks between the break and the header; decoders of ISO 2022 remove escape sequences there. Behind a
/// carriage return or a line feed, a header is hidden by characters that are no blanks of ASCII.
pub(super) fn hides_header(text: &[u8]) -> bool {
    memmem::find_iter(text, b"MSH").any(|at| {
        text.get(at + 3).is_some_and(u8::is_ascii_punctuation)
            && ends_with_break(text.get(..at).unwrap_or_default())
    })
}

/// Whether only characters without a glyph, and escape sequences, follow the last line break of this kind.
fn ends_with_break(mut text: &[u8]) -> bool {
    loop {
        let glyph = text.iter().rposition(u8::is_ascii_graphic).map_or(0, |at| at + 1);
        let (before, blank) = text.split_at(glyph);
        let is_break = |byte: &u8| matches!(*byte, 0x0B | 0x0C | 0x1C..=0x1F | 0x85);
        let has_separator = || blank.windows(3).any(|bytes| matches!(bytes, [0xE2, 0x80, 0xA8 | 0xA9]));
        let is_odd_line = || {
            let line = blank.rsplit(|byte| matches!(*byte, CR | LF)).next().unwrap_or_default();
            line.len() < blank.len() && !line.trim_ascii().is_empty()
        };
        if blank.iter().any(is_break) || has_separator() || is_odd_line() {
            return true;
        }
        let Some(rest) = without_shift(before) else { return false };
        text = rest;
    }
}

/// The text before the sequence without a glyph that it ends with: an escape sequence of ISO 2022, or a shift
/// of HZ. Decoders remove both.
fn without_shift(text: &[u8]) -> Option<&[u8]> {
    if let [rest @ .., b'~', b'{' | b'}'] = text {
        return Some(rest);
    }
    (2..=MAX_ESCAPE).find_map(|length| {
        let (rest, sequence) = text.split_at_checked(text.len().checked_sub(length)?)?;
        (shift_length(sequence) == Some(length)).then_some(rest)
    })
}

/// The length of the escape sequence of ISO 2022 (ECMA-35 13.2: intermediate bytes, then a final one), or of
/// the shift of HZ, that `text` begins with. Decoders remove it.
pub(super) fn shift_length(text: &[u8]) -> Option<usize> {
    match text {
        [b'~', b'{' | b'}', ..] => Some(2),
        [ESCAPE, rest @ ..] => {
            let end = rest.iter().take(MAX_ESCAPE - 1).position(|byte| !matches!(byte, 0x20..=0x2F))?;
            matches!(rest.get(end), Some(0x30..=0x7E)).then_some(end + 2)
        }
        _ => None,
    }
}

/// The longest escape sequence that decoders look for.
const MAX_ESCAPE: usize = 16;

fn is_name(line: &[u8]) -> bool {
    let is_letter_or_digit = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
    matches!(line, [first, second, third, ..]
        if first.is_ascii_uppercase() && is_letter_or_digit(second) && is_letter_or_digit(third))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_feeds_end_segments_only_where_nothing_follows_a_carriage_return() {
        for (text, expected) in [
            ("MSH|\rPID|\r", SegmentEnd::CarriageReturn),
            ("MSH|\r\nPID|\r\n", SegmentEnd::CarriageReturn),
            ("MSH|\rOBX|a\nb\r", SegmentEnd::CarriageReturn),
            ("MSH|\nPID|\rOBX|\r", SegmentEnd::CarriageReturn),
            ("MSH|\nPID|\n", SegmentEnd::AnyLineBreak),
            ("MSH|\nPID|\r", SegmentEnd::AnyLineBreak),
            ("MSH|\nPID|\n\r\n \r", SegmentEnd::AnyLineBreak),
            ("MSH|", SegmentEnd::AnyLineBreak),
        ] {
            assert_eq!(SegmentEnd::detect(text.as_bytes()), expected, "{text:?}");
        }
    }

    #[test]
    fn a_header_behind_an_unusual_line_break_is_hidden() {
        for (text, expected) in [
            (&b"a\x0CMSH|"[..], true),
            (b"a\x0C MSH|", true),
            (b"a\x0B\xC2\xA0\tMSH!", true),
            (b"a\x85\x1B(B\x1B$(D \x1B$BMSH|", true),
            (b"a\xE2\x80\xA9  MSH|", true),
            (b"a\x0C\x1B$)CMSH|", true),
            (b"a\x0C\x1B-A\x1B$+I\x1B!AMSH|", true),
            (b"a\x0C\x1B&@\x1BNMSH|", true),
            (b"a\x0C~} MSH|", true),
            (b"a\r\x1FMSH|", true),
            (b"a\n\xE2\x80\x83 MSH|", true),
            (b"a\r \tMSH|", false),
            (b"a\x0Cb MSH|", false),
            (b"a\x1B(B MSH|", false),
            (b"a\x1B$)CMSH|", false),
            (b"a\x0C$)CMSH|", false),
            (b"a\x0C MSHA", false),
            (b"MSH|", false),
        ] {
            assert_eq!(hides_header(text), expected, "{text:?}");
        }
    }

    #[test]
    fn text_resembles_a_segment_by_its_name_and_separator() {
        for (text, expected) in [
            ("OBX|1", true),
            ("MSH|", true),
            ("MSH!", true),
            ("OBX!1", false),
            ("ECG", false),
            ("ECG lead off", false),
            ("obx|1", false),
        ] {
            assert_eq!(resembles_segment(text.as_bytes(), b'|'), expected, "{text}");
        }
    }
}
