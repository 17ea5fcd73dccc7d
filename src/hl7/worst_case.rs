//! Every field in which some reader may find a text.
//!
//! Readers disagree on the structure of some bytes: their decoders take the delimiter or the carriage return
//! behind a lead byte for a part of a character, or drop bytes that they do not know; they skip controls
//! around the name of a segment, ignore its case, or read its first three characters only; they end segments
//! at other line breaks, or join lines. No list of readers is complete. So each text gets a range of fields:
//! from the one in which it stands when every uncertain delimiter is part of a character, to the one in which
//! it stands when all of them delimit.

use std::borrow::Cow;

use memchr::memmem;

use super::doubt::Doubt;
use super::encoding::ESCAPE;
use super::escape_reading::EscapeReading;
use super::message::Message;
use super::segment_end::{SegmentEnd, begins_segment, shift_length};
use super::separators::{CR, LF, Separators};
use crate::model::work::count;

/// A text between two delimiters of a segment that may name devices, as received.
#[derive(Debug, Clone, Copy)]
pub struct PossibleText<'m> {
    /// The bytes as received.
    pub bytes: &'m [u8],
    /// What the byte before it ends.
    pub follows: Follows,
    places: Places,
    /// How many segments of each name have begun.
    begun: [u32; 4],
    separators: Separators,
}

/// What ends before a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Follows {
    /// A field, a repetition or a line: the text is the first of a value.
    Value,
    /// A component or a subcomponent.
    Component,
}

/// The segments that name devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// The header.
    Msh,
    /// A request.
    Obr,
    /// An observation.
    Obx,
    /// A participation.
    Prt,
}

/// The fields that a text may be in: for each segment that may have begun, the first and the last.
type Places = [Option<(u32, u32)>; 4];

impl PossibleText<'_> {
    /// Whether some reader finds it in field `n` of that segment.
    #[must_use]
    pub fn may_be(&self, segment: Naming, n: u32) -> bool {
        self.range(segment).is_some_and(|(first, last)| (first..=last).contains(&n))
    }

    /// The field if every delimiter delimits.
    #[must_use]
    pub fn last_field(&self, segment: Naming) -> Option<u32> {
        self.range(segment).map(|(_, last)| last)
    }

    /// The number of the latest segment of that name, from 1.
    #[must_use]
    pub fn sequence(&self, segment: Naming) -> u32 {
        self.begun.get(segment as usize).copied().unwrap_or_default()
    }

    /// What a reader of escape sequences sees of `bytes`, which are a part of the same message.
    #[must_use]
    pub fn read<'b>(&self, bytes: &'b [u8], how: EscapeReading) -> Cow<'b, [u8]> {
        how.read(bytes, self.separators)
    }

    fn range(&self, segment: Naming) -> Option<(u32, u32)> {
        self.places.get(segment as usize).copied().flatten()
    }
}

impl<'a> Message<'a> {
    /// Calls `found` for every text that some reader may find in MSH, OBR, OBX or PRT, until it returns
    /// `false`. Nothing where all readers agree: the message is printable ASCII without shift sequences, and
    /// no name of a segment is odd.
    pub fn every_reading(&self, mut found: impl FnMut(PossibleText<'a>) -> bool) {
        let bytes = self.as_bytes();
        let start = self.ranges().next().map_or(0, |header| header.start);
        let Some(text) = bytes.get(start..) else { return };
        let separators = Separators { encoding: super::encoding::Encoding::AsciiSafe, ..self.separators() };
        if has_doubts(text, separators.field) {
            Scan::new(text, separators).run(&mut found);
        }
    }
}

/// Whether readers may disagree. Cheap: most messages are plain.
fn has_doubts(text: &[u8], separator: u8) -> bool {
    let is_plain = |byte: &u8| matches!(*byte, b' '..=b'~' | CR | LF);
    if !text.iter().all(is_plain) || memmem::find(text, b"~{").is_some() {
        return true;
    }
    let mut lines = text.split(|byte| matches!(*byte, CR | LF)).map(<[u8]>::trim_ascii_start);
    lines.any(|line| {
        let is_odd = || naming(line, separator).is_some_and(|(_, is_odd)| is_odd);
        !line.is_empty() && (!begins_segment(line, separator) || line.starts_with(b"ADD") || is_odd())
    })
}

/// A text that has begun.
#[derive(Clone, Copy)]
struct Part {
    start: usize,
    follows: Follows,
}

impl Default for Part {
    fn default() -> Self {
        Self { start: 0, follows: Follows::Value }
    }
}

struct Scan<'m> {
    text: &'m [u8],
    separators: Separators,
    /// Line feeds alone end segments.
    ends_with_line_feeds: bool,
    places: Places,
    begun: [u32; 4],
    doubt: Doubt,
    /// Between a line break and the first character with a glyph: whether every reader breaks there.
    line: Option<bool>,
    /// The end of a sequence between a line break and that character, which decoders remove.
    shift_end: usize,
    /// The next separator of fields may not count: ADD continues the field before it.
    is_joined: bool,
}

impl<'m> Scan<'m> {
    fn new(text: &'m [u8], separators: Separators) -> Self {
        Self {
            text,
            separators,
            ends_with_line_feeds: SegmentEnd::detect(text) == SegmentEnd::AnyLineBreak,
            places: Places::default(),
            begun: [0; 4],
            doubt: Doubt::default(),
            line: Some(true),
            shift_end: 0,
            is_joined: false,
        }
    }

    fn run(mut self, found: &mut impl FnMut(PossibleText<'m>) -> bool) {
        count(self.text.len());
        let Separators { field, component, repetition, subcomponent, .. } = self.separators;
        let (mut whole, mut piece) = (Part::default(), Part::default());
        for (at, &byte) in self.text.iter().enumerate() {
            let is_uncertain = self.doubt.step(byte, self.text.get(at + 1..).unwrap_or_default());
            let is_certain = byte == CR && !is_uncertain || byte == LF && self.ends_with_line_feeds;
            let is_value = byte == field || byte == repetition;
            if is_line_break(byte) && !is_certain {
                // Some readers break here, and some drop the byte.
                if !self.emit(piece, at, found) {
                    return;
                }
                piece = Part { start: at + 1, follows: Follows::Value };
                self.line = Some(byte == LF && self.line == Some(true));
                continue;
            }
            if !is_certain && !is_value && byte != component && Some(byte) != subcomponent {
                if byte.is_ascii_graphic() || byte == ESCAPE {
                    self.begin_line(at);
                }
                continue;
            }
            let is_broken = whole.start != piece.start;
            if !self.emit(piece, at, found) || is_broken && !self.emit(whole, at, found) {
                return;
            }
            let follows = if is_certain || is_value { Follows::Value } else { Follows::Component };
            whole = Part { start: at + 1, follows };
            piece = whole;
            if is_certain {
                self.line = Some(true);
                continue;
            }
            self.begin_line(at);
            if byte == field {
                self.advance(is_uncertain);
            }
        }
        let end = self.text.len();
        let _ = self.emit(piece, end, found) && self.emit(whole, end, found);
    }

    /// Whether to go on.
    fn emit(&self, part: Part, end: usize, found: &mut impl FnMut(PossibleText<'m>) -> bool) -> bool {
        let Part { start, follows } = part;
        let Self { places, begun, separators, .. } = *self;
        let bytes = self.text.get(start..end).unwrap_or_default();
        let is_in_place = places.iter().any(Option::is_some);
        !is_in_place || found(PossibleText { bytes, follows, places, begun, separators })
    }

    /// The first character of a line that has a glyph is at `at`.
    fn begin_line(&mut self, at: usize) {
        let rest = self.text.get(at..).unwrap_or_default();
        if self.line.is_none() || at < self.shift_end {
            return;
        }
        if let Some(length) = shift_length(rest) {
            // For a reader that does not remove it, the line begins no segment.
            (self.line, self.shift_end) = (Some(false), at + length);
            return;
        }
        let Some(is_certain) = self.line.take() else { return };
        let is_addendum = rest.starts_with(b"ADD");
        // A line that begins no segment goes on with the one before it.
        if is_certain && begins_segment(rest, self.separators.field) && !is_addendum {
            self.places = Places::default();
        }
        self.is_joined = is_addendum;
        // Decoders drop a lead byte alone, or with the byte behind it.
        let is_behind_lead = at.checked_sub(1).and_then(|before| self.text.get(before));
        let behind = is_behind_lead.filter(|byte| !byte.is_ascii()).and(rest.get(1..));
        for text in std::iter::once(rest).chain(behind) {
            let Some((segment, is_odd)) = naming(text, self.separators.field) else { continue };
            // The header's first field is its first separator.
            let first = u32::from(segment == Naming::Msh);
            // Some readers count from the fifth character.
            let begun = (first, first + u32::from(is_odd));
            if let Some(sequence) = self.begun.get_mut(segment as usize) {
                *sequence = sequence.saturating_add(1);
            }
            if let Some(place) = self.places.get_mut(segment as usize) {
                let (least, most) = place.unwrap_or(begun);
                *place = Some((least.min(begun.0), most.max(begun.1)));
            }
        }
    }

    fn advance(&mut self, is_uncertain: bool) {
        let step = u32::from(!is_uncertain && !std::mem::take(&mut self.is_joined));
        for place in &mut self.places {
            let next = place.map(|(first, last)| (first.saturating_add(step), last.saturating_add(1)));
            *place = next.filter(|(first, _)| *first <= LAST_FIELD);
        }
    }
}

/// The segment whose name stands at the start of `text` for some reader, and whether it is odd: in lower
/// case, with other bytes between its letters, or not followed by the separator.
fn naming(text: &[u8], separator: u8) -> Option<(Naming, bool)> {
    let first = text.first()?.to_ascii_uppercase();
    if !matches!(first, b'M' | b'O' | b'P') {
        return None;
    }
    let mut name = [0; 3];
    let mut end = 0;
    for letter in &mut name {
        // Decoders remove shifts, and bytes without a glyph.
        while let Some(hidden) = hidden_length(text.get(end..)?) {
            end += hidden;
        }
        let byte = *text.get(end)?;
        if byte == CR {
            return None;
        }
        (*letter, end) = (byte, end + 1);
    }
    count(end);
    let segment = match &name.map(|letter| letter.to_ascii_uppercase()) {
        b"MSH" => Naming::Msh,
        b"OBR" => Naming::Obr,
        b"OBX" => Naming::Obx,
        b"PRT" => Naming::Prt,
        _ => return None,
    };
    let is_plain = text.starts_with(&name)
        && name.iter().all(u8::is_ascii_uppercase)
        && text.get(3).is_none_or(|byte| *byte == separator || matches!(*byte, CR | LF));
    Some((segment, !is_plain))
}

/// How many bytes without a glyph `text` begins with: a shift, or one byte other than a carriage return.
fn hidden_length(text: &[u8]) -> Option<usize> {
    let is_hidden = |byte: &u8| !byte.is_ascii_graphic() && *byte != CR;
    shift_length(text).or_else(|| text.first().filter(|byte| is_hidden(byte)).map(|_| 1))
}

/// Line breaks of ASCII and Unicode: of NEL and of the line and paragraph separators the last byte.
const fn is_line_break(byte: u8) -> bool {
    matches!(byte, CR | LF | 0x0B | 0x0C | 0x1C..=0x1F | 0x85 | 0xA8 | 0xA9)
}

/// The last field that names devices: PRT-20.
const LAST_FIELD: u32 = 20;

#[cfg(test)]
mod tests {
    use super::*;

    /// The ranges of fields of OBX in which readers may find `V`.
    fn places(segments: &[u8]) -> Vec<(u32, u32)> {
        let text = [br"MSH|^~\&|A||||||ACK|1|P|2.6", &b"\r"[..], segments].concat();
        let mut found = Vec::new();
        Message::parse(&text).unwrap().every_reading(|text| {
            if text.bytes == b"V"
                && let Some(range) = text.range(Naming::Obx)
            {
                found.push(range);
            }
            true
        });
        found
    }

    #[test]
    fn a_plain_message_is_read_alike_by_all() {
        for plain in [&b"OBX|1|V\r"[..], b"OBX|1|V\r\nNTE|V\r\n", b"  OBX|1|V\rZBX|V\r"] {
            assert_eq!(places(plain), [], "{}", plain.escape_ascii());
        }
    }

    #[test]
    fn a_delimiter_that_may_be_part_of_a_character_may_not_delimit() {
        for (segments, expected) in [
            (&b"OBX|1\x81|V\r"[..], &[(1, 2)][..]),
            (b"OBX|1\x81\x81|2|V\r", &[(2, 3)]),
            (b"OBX|1\x81x|V\r", &[(2, 2)]),
            (b"OBX|1\x810|V\r", &[(1, 2)]),
            (b"OBX|1\x810x|V\r", &[(2, 2)]),
            (b"OBX|1\x8F@|V\r", &[(1, 2)]),
            (b"OBX|1\x81\rNTE|V\r", &[(2, 2)]),
            (b"OBX|1\x810\rNTE|V\r", &[(2, 2)]),
            (b"OBX|1\x81x\rNTE|V\r", &[]),
            (b"OBX|1\x81\rOBX|V\r", &[(1, 2)]),
            (b"OBX|\x1B$B||\x1B(B|V\r", &[(2, 4)]),
            (b"OBX|\x1B$B|\x1B(B|V\r", &[(1, 3)]),
            (b"OBX|\x0E|\x0F|V\r", &[(1, 3)]),
            (b"OBX|~{|~}|V\r", &[(1, 3)]),
        ] {
            assert_eq!(places(segments), expected, "{}", segments.escape_ascii());
        }
    }

    #[test]
    fn an_odd_name_may_begin_a_segment() {
        for (segments, expected) in [
            (&b"obx|V\r"[..], &[(1, 2)][..]),
            (b"OBX5|V\r", &[(1, 2)]),
            (b"OBXX|V\r", &[(1, 2)]),
            (b"\x1FOBX|V\r", &[(1, 1)]),
            (b"O\xFFBX|V\r", &[(1, 2)]),
            (b"OBX\n|V\r", &[(1, 1)]),
            (b"O\nBX|V\r", &[(1, 2)]),
            (b"\xFFzOBX|V\r", &[(1, 1)]),
            (b"NTE|x\x0C\x1COBX|V\r", &[(1, 1)]),
            (b"NTE|x\xE2\x80\xA8OBX|V\r", &[(1, 1)]),
            (b"NTE|x\x0C\x1B$)COBX|V\r", &[(0, 1)]),
            (b"NTE|x\x0C\x1B(J OBX|V\r", &[(1, 1)]),
            (b"NTE|x\x0C~}OBX|V\r", &[(1, 1)]),
            (b"OBX|1\r\x1B(BOBX|V\r", &[(1, 2)]),
            (b"O\x1B(BBX|V\r", &[(1, 2)]),
            (b"OBX|1\rADD|V\r", &[(1, 2)]),
            (b"OBX|1\rtext|V\r", &[(2, 2)]),
        ] {
            assert_eq!(places(segments), expected, "{}", segments.escape_ascii());
        }
    }
}
