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
    /// The envelopes that have messages.
    pub envelopes: Vec<Envelope>,
    /// Lines that belong neither to a message nor to the envelope of one, and lines of an envelope that are
    /// too long; they are stored as rejected.
    pub strays: Vec<Range<usize>>,
    /// Whether BTS-1 or FTS-1 differs from the number of messages or batches: something was lost in transit.
    pub miscounted: bool,
}

/// What encloses some consecutive messages of a frame; without an envelope there are no lines.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Envelope {
    /// Its messages: places in [`Batch::messages`].
    pub messages: Range<usize>,
    file_header: Option<Range<usize>>,
    batch_header: Option<Range<usize>>,
    batch_trailer: Option<Range<usize>>,
    file_trailer: Option<Range<usize>>,
}

impl Envelope {
    /// FHS, BHS, BTS and FTS, as far as they are there, with their segment ends. At most 512 bytes each.
    pub fn lines(&self) -> impl Iterator<Item = Range<usize>> {
        let Self { file_header, batch_header, batch_trailer, file_trailer, .. } = self;
        [file_header, batch_header, batch_trailer, file_trailer].into_iter().flatten().cloned()
    }
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
    Some(reader.finish())
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
    file_header: Option<Header>,
    batch_header: Option<Header>,
    /// Whether the next message belongs to the last envelope.
    is_open: bool,
    /// The first envelope of the file.
    first_of_file: usize,
}

#[derive(Debug)]
struct Header {
    range: Range<usize>,
    /// Whether an envelope with messages has it.
    is_used: bool,
}

impl Reader {
    fn line(&mut self, range: Range<usize>, line: &[u8]) {
        let kind = Line::of(line.trim_ascii_start());
        if !matches!(kind, Line::Empty | Line::Other) {
            self.in_message = kind == Line::Message;
        }
        match kind {
            Line::FileHeader => {
                self.end_file();
                self.file_header = self.header(range);
            }
            Line::BatchHeader => {
                self.end_batch();
                self.messages_in_batch = 0;
                self.batches += 1;
                self.batch_header = self.header(range);
            }
            Line::Message => {
                self.messages_in_batch += 1;
                self.message(range);
            }
            Line::BatchTrailer => {
                self.batch.miscounted |= contradicts_count(line, self.messages_in_batch);
                let envelope = self.batch.envelopes.last_mut().filter(|_| self.is_open);
                match envelope.filter(|_| range.len() <= MAX_LINE_BYTES) {
                    Some(envelope) => envelope.batch_trailer = Some(range),
                    None => self.batch.strays.push(range),
                }
                self.end_batch();
            }
            Line::FileTrailer => {
                self.batch.miscounted |= contradicts_count(line, self.batches);
                let envelopes = self.batch.envelopes.get_mut(self.first_of_file..).unwrap_or_default();
                if envelopes.is_empty() || range.len() > MAX_LINE_BYTES {
                    self.batch.strays.push(range);
                } else {
                    envelopes.iter_mut().for_each(|envelope| envelope.file_trailer = Some(range.clone()));
                }
                self.end_file();
            }
            Line::Empty => {}
            Line::Other => match self.batch.messages.last_mut().filter(|_| self.in_message) {
                Some(message) => message.end = range.end,
                None => self.batch.strays.push(range),
            },
        }
    }

    fn message(&mut self, range: Range<usize>) {
        let at = self.batch.messages.len();
        self.batch.messages.push(range);
        if !std::mem::replace(&mut self.is_open, true) {
            let take = |header: &mut Option<Header>| {
                header.as_mut().map(|header| {
                    header.is_used = true;
                    header.range.clone()
                })
            };
            let (file_header, batch_header) = (take(&mut self.file_header), take(&mut self.batch_header));
            let messages = at..at;
            self.batch.envelopes.push(Envelope {
                messages,
                file_header,
                batch_header,
                ..Envelope::default()
            });
        }
        if let Some(envelope) = self.batch.envelopes.last_mut() {
            envelope.messages.end = at + 1;
        }
    }

    /// A header, unless its line is too long to be kept with each message.
    fn header(&mut self, range: Range<usize>) -> Option<Header> {
        if range.len() > MAX_LINE_BYTES {
            self.batch.strays.push(range);
            return None;
        }
        Some(Header { range, is_used: false })
    }

    fn end_batch(&mut self) {
        self.is_open = false;
        let unused = self.batch_header.take().filter(|header| !header.is_used);
        self.batch.strays.extend(unused.map(|header| header.range));
    }

    fn end_file(&mut self) {
        self.end_batch();
        self.first_of_file = self.batch.envelopes.len();
        let unused = self.file_header.take().filter(|header| !header.is_used);
        self.batch.strays.extend(unused.map(|header| header.range));
    }

    fn finish(mut self) -> Batch {
        self.end_file();
        self.batch.strays.sort_by_key(|range| range.start);
        self.batch
    }
}

/// What the headers of an envelope say about a batch, as text of at most 256 characters; empty when they do
/// not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BatchFacts {
    /// BHS-11, else FHS-11.
    pub control_id: String,
    /// BHS-7, else FHS-7, as received.
    pub time: String,
}

impl BatchFacts {
    /// Reads the lines of an envelope, which carriage returns end.
    #[must_use]
    pub fn read(lines: &[u8]) -> Self {
        let headers = |kind| lines.split(|byte| *byte == CR).find(|line| Line::of(line) == kind);
        let headers = [headers(Line::BatchHeader), headers(Line::FileHeader)];
        let field = |number: usize| {
            let values = headers.iter().flatten().filter_map(|line| header_field(line, number));
            values.map(text).find(|value| !value.is_empty()).unwrap_or_default()
        };
        Self { control_id: field(11), time: field(7) }
    }
}

/// Field `number` of FHS or BHS, whose field 1 is the separator.
fn header_field(line: &[u8], number: usize) -> Option<&[u8]> {
    let separator = line.get(3)?;
    line.split(|byte| byte == separator).nth(number.checked_sub(1)?)
}

fn text(field: &[u8]) -> String {
    String::from_utf8_lossy(field).trim().chars().take(MAX_FACT_CHARACTERS).collect()
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

/// The longest line of an envelope that is kept with each of its messages. Real ones are shorter.
const MAX_LINE_BYTES: usize = 512;

const MAX_FACT_CHARACTERS: usize = 256;

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

    #[test]
    fn each_message_has_the_envelope_that_it_is_in() {
        let long = format!("BHS|^~\\&|{}\r", "x".repeat(MAX_LINE_BYTES));
        let file = "FHS|1\rBHS|1\rMSH|A\rMSH|B\rBTS|2\rBHS|2\rBTS|0\rBHS|3\rMSH|C\rMSH|D\rBTS|2\rFTS|3\r";
        let payload = format!("{file}MSH|E\rBTS|1\rBTS|1\r{long}MSH|F\rFHS|9\r");
        let batch = split(payload.as_bytes()).unwrap();
        let text = |range: Range<usize>| &payload[range];
        let found: Vec<_> = batch
            .envelopes
            .iter()
            .map(|envelope| (envelope.messages.clone(), envelope.lines().map(text).collect::<String>()))
            .collect();
        let expected = [
            (0..2, "FHS|1\rBHS|1\rBTS|2\rFTS|3\r".to_owned()),
            (2..4, "FHS|1\rBHS|3\rBTS|2\rFTS|3\r".to_owned()),
            (4..5, "BTS|1\r".to_owned()),
            (5..6, String::new()),
        ];
        assert_eq!(found, expected);
        let strays: Vec<_> = batch.strays.iter().cloned().map(text).collect();
        assert_eq!(strays, ["BHS|2\r", "BTS|0\r", "BTS|1\r", &long, "FHS|9\r"], "nothing is lost");
    }

    #[test]
    fn the_batch_header_says_which_batch_it_is_and_else_that_of_the_file() {
        let file = "FHS|^~\\&|FILE||||||||F-1\r";
        let facts = BatchFacts::read(format!("{file}BHS|^~\\&|GW|||W|20260101||||B-7|\rBTS|2\r").as_bytes());
        let of = |id: &str, time: &str| BatchFacts { control_id: id.to_owned(), time: time.to_owned() };
        assert_eq!(facts, of("B-7", "20260101"));
        assert_eq!(BatchFacts::read(file.as_bytes()), of("F-1", ""));
        assert_eq!(BatchFacts::read(b"BHS\rBTS|2\r"), BatchFacts::default());
    }

    proptest! {
        #[test]
        fn only_blanks_are_left_out(lines in prop::collection::vec(
            prop::sample::select(&["MSH|^~\\&|A", "PID|1", "BHS|", "BTS|1", "FTS", "FHS|", "", " ", "MSHX"][..]), 0..12)) {
            let payload = format!("FHS|^~\\&|\r{}", lines.join("\r"));
            let batch = split(payload.as_bytes()).unwrap();
            let mut taken = vec![false; payload.len()];
            for range in batch.messages.iter().chain(&batch.strays) {
                for byte in &mut taken[range.clone()] {
                    prop_assert!(!std::mem::replace(byte, true), "no byte belongs to two messages");
                }
            }
            for range in batch.envelopes.iter().flat_map(Envelope::lines) {
                taken[range].fill(true);
            }
            let enclosed: Vec<_> = batch.envelopes.iter().flat_map(|envelope| envelope.messages.clone()).collect();
            prop_assert_eq!(enclosed, (0..batch.messages.len()).collect::<Vec<_>>());
            let left: String = payload.char_indices().filter(|(at, _)| !taken[*at]).map(|(_, character)| character).collect();
            prop_assert!(left.trim().is_empty(), "{left:?}");
        }
    }
}
