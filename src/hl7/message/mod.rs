//! A message as a view of its bytes.

mod beginning;

use std::fmt;
use std::ops::Range;

use memchr::{memchr, memchr_iter, memchr2};

use super::encoding::{ESCAPE, Encoding};
use super::field::Segment;
use super::header::Header;
use super::segment_end::{
    SegmentEnd, begins_segment, hides_header, is_lower_case_segment, resembles_segment,
};
use super::separators::{CR, LF, Separators};
use super::warning::{Warning, Warnings};
use crate::model::work::count;

/// A message: the header MSH and the segments that follow.
///
/// Borrows the received bytes and stores only the positions of the segments. Every byte belongs to a segment
/// or to the gap between two, so a reader of the segments sees the whole message.
pub struct Message<'a> {
    bytes: &'a [u8],
    separators: Separators,
    segments: Vec<Range<usize>>,
    /// The header in one piece, where it had to be joined.
    joined: Option<Box<[u8]>>,
    warnings: Warnings,
}

/// Why bytes are not a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Unreadable {
    /// Empty, or blanks only.
    #[error("the frame is empty; a message begins with an MSH segment")]
    Empty,
    /// The first segment is not MSH.
    #[error(
        "the frame does not begin with an MSH segment, so that neither its separators nor its sender are known"
    )]
    NoHeader,
    /// MSH-1 and MSH-2 do not give separators.
    #[error("MSH-1 and MSH-2 do not hold three to five different separators")]
    Separators,
}

impl<'a> Message<'a> {
    /// Reads the structure of a message.
    ///
    /// # Errors
    /// When the message does not begin with MSH, or MSH has no usable separators. Every other deviation is a
    /// warning.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Unreadable> {
        let mut warnings = Warnings::default();
        let marked = bytes.starts_with(BYTE_ORDER_MARK);
        warnings.insert_if(marked, Warning::ByteOrderMark);
        let body = if marked { BYTE_ORDER_MARK.len() } else { 0 };
        let start = bytes.len() - bytes.get(body..).unwrap_or_default().trim_ascii_start().len();
        warnings.insert_if(start > body, Warning::BlanksBeforeHeader);

        let text = bytes.get(start..).unwrap_or_default();
        if text.is_empty() {
            return Err(Unreadable::Empty);
        }
        let after_id = text.strip_prefix(b"MSH").ok_or(Unreadable::NoHeader)?;
        let separators = Separators::parse(after_id).ok_or(Unreadable::Separators)?;

        let segment_end = SegmentEnd::detect(text);
        let breaks = memchr_iter(CR, text).count();
        let mut message =
            Self { bytes, separators, segments: Vec::with_capacity(breaks + 2), joined: None, warnings };
        message.index(start, segment_end);
        message.read_line_feeds();
        message.read_encoding();
        message.split_off_pid();
        message.warnings = message.warnings.union(message.header().warnings());
        message.warnings.insert_if(message.contradicts_character_set(), Warning::CharsetMismatch);
        Ok(message)
    }

    /// The bytes as received.
    #[must_use]
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The separators of this message.
    #[must_use]
    pub const fn separators(&self) -> Separators {
        self.separators
    }

    /// The tolerated deviations.
    #[must_use]
    pub const fn warnings(&self) -> Warnings {
        self.warnings
    }

    /// The fields of MSH.
    #[must_use]
    pub fn header(&self) -> Header<'_> {
        Header::new(self.segments().next().unwrap_or(Segment::new(&[], self.separators)))
    }

    /// The segments in order, MSH first.
    pub fn segments(&self) -> impl Iterator<Item = Segment<'_>> {
        self.segments.iter().enumerate().map(|(at, range)| {
            let bytes = match &self.joined {
                Some(joined) if at == 0 => joined,
                _ => self.bytes.get(range.clone()).unwrap_or_default(),
            };
            Segment::new(bytes, self.separators)
        })
    }

    /// The position of each segment in [`Message::as_bytes`]. Only line breaks and blanks separate them.
    pub fn ranges(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        self.segments.iter().cloned()
    }

    /// The message as other readers may understand it, that do not repair it, that end segments elsewhere, or
    /// that ignore MSH-18. Empty when every reader finds the same segments and fields.
    #[must_use]
    pub fn other_readings(&self) -> Vec<Self> {
        if !self.has_other_readings() {
            return Vec::new();
        }
        let has_unknown_set = self.warnings.contains(Warning::UnknownCharacterSet);
        let mut encodings = vec![Encoding::AsciiSafe];
        if has_unknown_set {
            encodings.extend(Encoding::COLLIDING);
        } else if self.separators.encoding != Encoding::AsciiSafe {
            encodings.push(self.separators.encoding);
        }
        let ends = [SegmentEnd::CarriageReturn, SegmentEnd::AnyLineBreak];
        let readings = encodings.into_iter().flat_map(|encoding| ends.map(|end| self.reading(encoding, end)));
        readings.collect()
    }

    /// Whether [`Message::other_readings`] has any.
    #[must_use]
    pub fn has_other_readings(&self) -> bool {
        const REPAIRED: [Warning; 4] = [
            Warning::LineFeedInSegment,
            Warning::WrappedHeader,
            Warning::MissingCarriageReturnBeforePid,
            Warning::AmbiguousStructure,
        ];
        let has_unknown_set = self.warnings.contains(Warning::UnknownCharacterSet);
        let is_repaired = REPAIRED.iter().any(|warning| self.warnings.contains(*warning));
        is_repaired || has_unknown_set || self.separators.encoding != Encoding::AsciiSafe
    }

    /// The message without repairs.
    fn reading(&self, encoding: Encoding, end: SegmentEnd) -> Self {
        let mut line = self.segments.first().map_or(0, |header| header.start);
        let mut segments = Vec::with_capacity(self.segments.len());
        while let Some(rest) = self.bytes.get(line..).filter(|rest| !rest.is_empty()) {
            let length = end.find(rest).unwrap_or(rest.len());
            let blanks = length - rest.get(..length).unwrap_or_default().trim_ascii_start().len();
            segments.push(line + blanks..line + length);
            line += length + 1;
        }
        let separators = Separators { encoding, ..self.separators };
        Self { bytes: self.bytes, separators, segments, joined: None, warnings: self.warnings }
    }

    /// The message for readers that know no other separators than the usual ones; `None` where it has those.
    #[must_use]
    pub fn with_usual_separators(&self) -> Option<Self> {
        let Separators { encoding, truncation, .. } = self.separators;
        let separators = Separators { encoding, truncation, ..Separators::STANDARD };
        let Self { bytes, segments, joined, warnings, .. } = self;
        (separators != self.separators).then(|| Self {
            bytes,
            separators,
            segments: segments.clone(),
            joined: joined.clone(),
            warnings: *warnings,
        })
    }

    /// The first segment of that name.
    #[must_use]
    pub fn segment(&self, id: &[u8]) -> Option<Segment<'_>> {
        self.segments().find(|segment| segment.is(id))
    }

    /// Finds the segments from `start` on, where MSH is.
    fn index(&mut self, start: usize, segment_end: SegmentEnd) {
        let text = self.bytes.get(start..).unwrap_or_default();
        let has_feeds = memchr(LF, text).is_some();
        self.warnings.insert_if(has_feeds, Warning::LineFeeds);
        let (mut line, mut header) = (start, BegunHeader::default());
        while let Some(found) = self.bytes.get(line..).and_then(|rest| segment_end.find(rest)) {
            let end = line + found;
            let is_pair = found == 0
                && self.bytes.get(end) == Some(&LF)
                && end.checked_sub(1).is_some_and(|before| self.bytes.get(before) == Some(&CR));
            if !is_pair {
                self.line(line..end, has_feeds, &mut header);
            }
            line = end + 1;
        }
        // A line feed behind the last carriage return belongs to it.
        if !matches!(self.bytes.get(line..), None | Some([] | [LF])) {
            self.warnings.insert(Warning::MissingFinalCarriageReturn);
            self.line(line..self.bytes.len(), has_feeds, &mut header);
        }
    }

    fn line(&mut self, mut line: Range<usize>, has_feeds: bool, header: &mut BegunHeader) {
        let mut raw = self.bytes.get(line.clone()).unwrap_or_default();
        if has_feeds
            && !self.segments.is_empty()
            && let Some(behind) = raw.strip_prefix(&[LF])
        {
            (raw, line.start) = (behind, line.start + 1);
        }
        let text = raw.trim_ascii_start();
        if text.is_empty() {
            self.warnings.insert(Warning::EmptyLines);
            return;
        }
        let is_continuation = self.continues_header(text, header);
        if let [header] = self.segments.as_mut_slice()
            && is_continuation
        {
            header.end = line.end;
            return;
        }
        self.warnings.insert_if(!begins_segment(text, self.separators.field), Warning::UnknownSegment);
        self.warnings.insert_if(text.len() < raw.len(), Warning::BlanksBeforeSegment);
        self.segments.push(line.end - text.len()..line.end);
    }

    /// Whether a line behind the header is a part of it: the line is no segment, and the header ends before
    /// MSH-12, or was wrapped before and goes on with a field.
    ///
    /// A header that is complete in its first line is never changed by what follows.
    fn continues_header(&self, line: &[u8], begun: &mut BegunHeader) -> bool {
        let separator = self.separators.field;
        let [header] = self.segments.as_slice() else { return false };
        if begins_segment(line, separator) || is_lower_case_segment(line, separator) {
            return false;
        }
        begun.read(self.bytes.get(header.clone()).unwrap_or_default(), separator);
        !begun.has_version || begun.was_wrapped && line.first() == Some(&separator)
    }

    /// Joins the lines of a header that was wrapped, and looks for line feeds in the other segments.
    fn read_line_feeds(&mut self) {
        let header = self.segments.first().cloned().and_then(|header| self.bytes.get(header));
        let is_break = |byte: &u8| matches!(*byte, CR | LF);
        if let Some(header) = header.filter(|header| memchr2(CR, LF, header).is_some()) {
            self.joined = Some(header.iter().copied().filter(|byte| !is_break(byte)).collect());
            self.warnings.insert(Warning::WrappedHeader);
        }
        let text = self.segments.first().and_then(|header| self.bytes.get(header.start + 3..));
        self.warnings.insert_if(text.is_some_and(hides_header), Warning::AmbiguousStructure);
        if !self.warnings.contains(Warning::LineFeeds) {
            return;
        }
        let separator = self.separators.field;
        for (at, range) in self.segments.iter().enumerate() {
            let segment = self.bytes.get(range.clone()).unwrap_or_default().trim_ascii_end();
            let mut behind = segment.split(is_break).skip(1).peekable();
            self.warnings.insert_if(at > 0 && behind.peek().is_some(), Warning::LineFeedInSegment);
            let resembles = behind.any(|text| resembles_segment(text.trim_ascii_start(), separator));
            self.warnings.insert_if(resembles, Warning::AmbiguousStructure);
        }
    }

    /// Finds the character set, and with it the bytes that are delimiters (MSH-18).
    ///
    /// MSH-18 is found by delimiters, and which bytes are delimiters depends on MSH-18. Only the sets under
    /// which MSH-18 names themselves are possible. With several of them, or none, readers disagree. A set
    /// that names itself is preferred to one without collisions; [`Message::other_readings`] has the other
    /// reading.
    fn read_encoding(&mut self) {
        let named = |encoding| {
            let separators = Separators { encoding, ..self.separators };
            let header = self.segments().next().map_or(&[][..], |header| header.raw());
            Header::new(Segment::new(header, separators)).text_encoding().encoding()
        };
        let plain = named(Encoding::AsciiSafe);
        let header = self.segments().next().map_or(&[][..], |header| header.raw());
        let is_plain_ascii = header.iter().all(|byte| byte.is_ascii() && *byte != ESCAPE);
        let encoding = if is_plain_ascii {
            plain
        } else {
            let itself = |encoding: &Encoding| named(*encoding) == *encoding;
            let colliding: Vec<_> = Encoding::COLLIDING.into_iter().filter(itself).collect();
            let is_possible = colliding.len() == 1 || colliding.is_empty() && plain == Encoding::AsciiSafe;
            self.warnings.insert_if(!is_possible, Warning::AmbiguousStructure);
            colliding.first().copied().unwrap_or_default()
        };
        self.separators.encoding = encoding;
        let is_ambiguous = encoding != Encoding::AsciiSafe
            && self.segments().any(|segment| self.separators.is_ambiguous(segment.raw()));
        // Decoders of ISO 2022 remove escape sequences, also those inside the name of a segment.
        let hides_name = memchr(ESCAPE, self.bytes).is_some()
            && self.segments().any(|segment| {
                let mut lines = segment.raw().split(|byte| *byte == LF);
                lines.any(|line| Segment::new(line, self.separators).id().contains(&ESCAPE))
            });
        self.warnings.insert_if(is_ambiguous || hides_name, Warning::AmbiguousStructure);
    }

    /// Seen in the field: the carriage return between MSH and PID is missing.
    ///
    /// Only behind the fields that every header has, only when the next segment is not PID, and only when
    /// what follows goes on for some fields: no value of a header looks like that. Where the byte before it
    /// is not ASCII something else is broken, and nothing is guessed.
    fn split_off_pid(&mut self) {
        let Some(header) = self.segments.first().cloned().filter(|_| self.joined.is_none()) else { return };
        if self.segments().nth(1).is_some_and(|next| next.is(b"PID")) {
            return;
        }
        let text = self.bytes.get(header.clone()).unwrap_or_default();
        let separators = self.separators;
        let ends = separators.split(Some(separators.field), text).scan(0, |end, field| {
            let at = *end + field.len();
            *end = at + 1;
            Some(at)
        });
        let found = ends.skip(REQUIRED_HEADER_FIELDS - 1).find(|end| {
            let before = text.get(..*end).unwrap_or_default();
            let behind = text.get(*end + 1..).unwrap_or_default();
            let value = before.strip_suffix(b"PID").and_then(<[u8]>::last);
            value.is_some_and(u8::is_ascii) && separators.encoding.count(separators.field, behind) >= 4
        });
        let Some(end) = found else { return };
        let pid = header.start + end - b"PID".len();
        self.segments.insert(1, pid..header.end);
        if let Some(header) = self.segments.first_mut() {
            header.end = pid;
        }
        self.warnings.insert(Warning::MissingCarriageReturnBeforePid);
    }
}

/// What is known of a header while lines are added to it. Each byte is read once, however many lines it has.
#[derive(Default)]
struct BegunHeader {
    /// The bytes that are read.
    read: usize,
    separators: usize,
    /// MSH-12 has a text.
    has_version: bool,
    was_wrapped: bool,
}

impl BegunHeader {
    /// Reads what was added to the header since the last call.
    fn read(&mut self, header: &[u8], separator: u8) {
        let added = header.get(self.read..).unwrap_or_default();
        count(added.len());
        for byte in added {
            self.separators += usize::from(*byte == separator);
            let is_version = self.separators == REQUIRED_HEADER_FIELDS - 1 && *byte != separator;
            self.has_version |= is_version && !byte.is_ascii_whitespace();
            self.was_wrapped |= matches!(*byte, CR | LF);
        }
        self.read = header.len();
    }
}

// Message content must not reach a log.
impl fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (bytes, segments, warnings) = (self.bytes.len(), self.segments.len(), &self.warnings);
        f.debug_struct("Message")
            .field("bytes", &bytes)
            .field("segments", &segments)
            .field("warnings", warnings)
            .finish()
    }
}

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Every message needs MSH up to this field, the version.
const REQUIRED_HEADER_FIELDS: usize = 12;

#[cfg(test)]
mod tests;
