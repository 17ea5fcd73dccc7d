//! Several messages in one frame (HL7 2.6 ch. 2, 2.10.3): FHS, BHS, messages, BTS, FTS.

use std::ops::Range;

use memchr::memmem;

use super::segment_end::SegmentEnd;
use super::separators::{CR, LF};

/// A frame that holds several messages, or one in an envelope.
///
/// Messages are ranges of the frame, so that each can be stored without copying the frame.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Batch {
    /// The messages, from MSH to the end of their last segment.
    pub messages: Vec<Range<usize>>,
    /// Lines that belong neither to a message nor to the envelope; they are stored as rejected.
    pub strays: Vec<Range<usize>>,
    /// Whether BTS-1 or FTS-1 differs from the number of messages or batches: something was lost in transit.
    pub miscounted: bool,
}

/// Splits a frame into its messages; `None` when it holds one message, or none.
///
/// Several MSH without an envelope are several messages too: each has its own sender and its own
/// acknowledgement.
#[must_use]
pub fn split(payload: &[u8]) -> Option<Batch> {
    let body = payload.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(payload).trim_ascii_start();
    let first = Line::of(body);
    let is_envelope = matches!(first, Line::FileHeader | Line::BatchHeader);
    if !is_envelope && (first != Line::Message || memmem::find(body.get(3..)?, b"MSH").is_none()) {
        return None;
    }
    let segment_end = SegmentEnd::detect(body);
    if !is_envelope && !has_second_header(body, segment_end) {
        return None;
    }
    let mut reader = Reader::default();
    let start = payload.len() - body.len();
    let mut line = start;
    while let Some(rest) = payload.get(line..).filter(|rest| !rest.is_empty()) {
        let length = segment_end.find(rest).map_or(rest.len(), |end| end + 1);
        reader.line(line..line + length, rest.get(..length).unwrap_or_default());
        line += length;
    }
    Some(reader.batch)
}

/// Whether a segment behind the first one is a header. Its separators may differ from those of the first.
fn has_second_header(body: &[u8], segment_end: SegmentEnd) -> bool {
    memmem::find_iter(body, b"MSH").any(|at| {
        let mut blanks =
            body.get(..at).unwrap_or_default().iter().rev().take_while(|byte| byte.is_ascii_whitespace());
        let begins = blanks.any(|byte| match segment_end {
            SegmentEnd::CarriageReturn => *byte == CR,
            SegmentEnd::AnyLineBreak => matches!(*byte, CR | LF),
        });
        begins && Line::of(body.get(at..).unwrap_or_default()) == Line::Message
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    FileHeader,
    BatchHeader,
    Message,
    BatchTrailer,
    FileTrailer,
    Other,
    Empty,
}

impl Line {
    fn of(line: &[u8]) -> Self {
        let kind = match line {
            [b'F', b'H', b'S', ..] => Self::FileHeader,
            [b'B', b'H', b'S', ..] => Self::BatchHeader,
            [b'M', b'S', b'H', ..] => Self::Message,
            [b'B', b'T', b'S', ..] => Self::BatchTrailer,
            [b'F', b'T', b'S', ..] => Self::FileTrailer,
            _ if line.trim_ascii().is_empty() => Self::Empty,
            _ => Self::Other,
        };
        let whole_name = line.get(3).is_none_or(|byte| !byte.is_ascii_alphanumeric());
        if whole_name || kind == Self::Empty { kind } else { Self::Other }
    }
}

#[derive(Debug, Default)]
struct Reader {
    batch: Batch,
    in_message: bool,
    messages_in_batch: usize,
    batches: usize,
}

impl Reader {
    fn line(&mut self, range: Range<usize>, line: &[u8]) {
        match Line::of(line.trim_ascii_start()) {
            Line::FileHeader => self.in_message = false,
            Line::BatchHeader => {
                self.in_message = false;
                self.messages_in_batch = 0;
                self.batches += 1;
            }
            Line::Message => {
                self.in_message = true;
                self.messages_in_batch += 1;
                self.batch.messages.push(range);
            }
            Line::BatchTrailer => {
                self.in_message = false;
                self.batch.miscounted |= contradicts_count(line, self.messages_in_batch);
            }
            Line::FileTrailer => {
                self.in_message = false;
                self.batch.miscounted |= contradicts_count(line, self.batches);
            }
            Line::Empty => {}
            Line::Other => match self.batch.messages.last_mut().filter(|_| self.in_message) {
                Some(message) => message.end = range.end,
                None => self.batch.strays.push(range),
            },
        }
    }
}

/// Whether the first field of a trailer contradicts the count.
fn contradicts_count(trailer: &[u8], counted: usize) -> bool {
    let trailer = trailer.trim_ascii();
    let Some(separator) = trailer.get(3) else { return false };
    let count =
        trailer.get(4..).unwrap_or_default().split(|byte| byte == separator).next().unwrap_or_default();
    let count = std::str::from_utf8(count.trim_ascii()).unwrap_or_default();
    !count.is_empty() && count.parse() != Ok(counted)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(payload: &str) -> Option<(Vec<&str>, Vec<&str>, bool)> {
        let batch = split(payload.as_bytes())?;
        let cut = |ranges: &[Range<usize>]| ranges.iter().map(|range| &payload[range.clone()]).collect();
        Some((cut(&batch.messages), cut(&batch.strays), batch.miscounted))
    }

    #[test]
    fn one_message_is_not_a_batch() {
        assert_eq!(texts("MSH|^~\\&|A\rPID|MSH|\rMSHX|1\r"), None);
        assert_eq!(texts("PID|1\rMSH|^~\\&|A\r"), None);
        assert_eq!(texts(""), None);
    }

    #[test]
    fn an_envelope_is_removed() {
        let file = "FHS|^~\\&|\rBHS|^~\\&|\rMSH|^~\\&|A\rPID|1\r\rMSH|^~\\&|B\rBTS|2\rFTS|1\r";
        let messages = vec!["MSH|^~\\&|A\rPID|1\r", "MSH|^~\\&|B\r"];
        assert_eq!(texts(file), Some((messages.clone(), vec![], false)));
        let lines = file.replace('\r', "\r\n");
        let (found, strays, miscounted) = texts(&lines).unwrap();
        assert_eq!((found.len(), strays.len(), miscounted), (2, 0, false));
        assert_eq!(texts("BHS|^~\\&|\rMSH|^~\\&|A"), Some((vec!["MSH|^~\\&|A"], vec![], false)));
    }

    #[test]
    fn several_headers_without_envelope_are_several_messages() {
        let found = texts("MSH|^~\\&|A\rPID|1\rMSH|^~\\&|B\rPID|2").unwrap();
        assert_eq!(found.0, ["MSH|^~\\&|A\rPID|1\r", "MSH|^~\\&|B\rPID|2"]);
    }

    #[test]
    fn a_wrong_count_in_a_trailer_is_detected() {
        assert!(texts("BHS|^~\\&|\rMSH|^~\\&|A\rBTS|2\r").unwrap().2);
        assert!(texts("FHS|^~\\&|\rBHS|^~\\&|\rMSH|^~\\&|A\rBTS|1\rFTS|2\r").unwrap().2);
        assert!(!texts("BHS|^~\\&|\rMSH|^~\\&|A\rBTS|\r").unwrap().2);
        let (messages, _, _) = texts("BHS|^~\\&|\rMSH|^~\\&|A\rMSHX|1\rBTSX|7\rBTS|1\r").unwrap();
        assert_eq!(messages, ["MSH|^~\\&|A\rMSHX|1\rBTSX|7\r"], "names are compared as a whole");
        let (messages, strays, _) = texts("BHS|^~\\&|\rPID|1\rMSH|^~\\&|A\rBTS|1\rOBX|1\r").unwrap();
        assert_eq!((messages, strays), (vec!["MSH|^~\\&|A\r"], vec!["PID|1\r", "OBX|1\r"]));
    }

    proptest! {
        #[test]
        fn only_envelopes_and_blanks_are_left_out(lines in prop::collection::vec(
            prop::sample::select(&["MSH|^~\\&|A", "PID|1", "BHS|", "BTS|1", "FTS", "", " ", "MSHX"][..]), 0..12)) {
            let payload = format!("FHS|^~\\&|\r{}", lines.join("\r"));
            let batch = split(payload.as_bytes()).unwrap();
            let mut taken = vec![false; payload.len()];
            for range in batch.messages.iter().chain(&batch.strays) {
                for byte in &mut taken[range.clone()] {
                    prop_assert!(!std::mem::replace(byte, true), "no byte belongs to two messages");
                }
            }
            let left: String = payload.char_indices().filter(|(at, _)| !taken[*at]).map(|(_, character)| character).collect();
            for line in left.split('\r').filter(|line| !line.trim().is_empty()) {
                prop_assert!(["FHS", "BHS", "BTS", "FTS"].iter().any(|name| line.starts_with(name)), "{:?}", line);
            }
        }
    }
}
