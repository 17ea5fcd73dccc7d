//! Segments with odd names, which other readers recognise all the same.

use memchr::{memchr, memchr2, memchr3};

use super::message::Message;
use super::separators::{CR, LF};

impl Message<'_> {
    /// The message with plain names of segments, if OBX, OBR or PRT is written oddly.
    ///
    /// Some readers skip all control characters and blanks of Unicode before a name, ignore its case, read
    /// only its first three characters, or end segments at every line break of Unicode. The result shows what
    /// they find.
    #[must_use]
    pub fn with_plain_names(&self) -> Option<Vec<u8>> {
        let separator = self.separators().field;
        if !Pieces::new(self.as_bytes()).any(|piece| piece.odd_name(separator).is_some()) {
            return None;
        }
        let mut plain = Vec::with_capacity(self.as_bytes().len() + 1);
        for piece in Pieces::new(self.as_bytes()) {
            if let Some((name, rest)) = piece.odd_name(separator) {
                plain.push(CR);
                plain.extend_from_slice(name);
                plain.extend_from_slice(rest);
            } else {
                plain.extend(piece.after.map(|end| if end == LF { CR } else { end }));
                plain.extend_from_slice(piece.text);
            }
        }
        Some(plain)
    }
}

/// A text between two bytes that may end a segment.
struct Piece<'a> {
    /// The byte before it.
    after: Option<u8>,
    text: &'a [u8],
}

impl<'a> Piece<'a> {
    /// The plain name of the segment that other readers find here, and the rest from the separator on. `None`
    /// where every reader finds it.
    fn odd_name(&self, separator: u8) -> Option<(&'static [u8], &'a [u8])> {
        let (blank, text) = self.text.split_at(self.text.iter().position(u8::is_ascii_graphic)?);
        let (found, rest) = text.split_at_checked(3)?;
        let name = NAMES.into_iter().find(|name| name.eq_ignore_ascii_case(found))?;
        let fields = memchr(separator, rest)?;
        let is_segment = matches!(self.after, None | Some(CR | LF));
        let is_plain = found == name && fields == 0 && blank.trim_ascii_start().is_empty();
        if is_segment && is_plain { None } else { Some((name, rest.get(fields..)?)) }
    }
}

struct Pieces<'a> {
    rest: Option<&'a [u8]>,
    after: Option<u8>,
    /// Whether the text has other bytes than CR and LF that may end a segment.
    has_others: bool,
}

impl<'a> Pieces<'a> {
    fn new(text: &'a [u8]) -> Self {
        let has_others = memchr3(0x0B, 0x0C, 0x1C, text).is_some()
            || memchr3(0x1D, 0x1E, 0x85, text).is_some()
            || memchr2(0xA8, 0xA9, text).is_some();
        Self { rest: Some(text), after: None, has_others }
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        let rest = self.rest.take()?;
        let end =
            if self.has_others { rest.iter().position(|byte| is_end(*byte)) } else { memchr2(CR, LF, rest) };
        let (text, behind) = rest.split_at(end.unwrap_or(rest.len()));
        let piece = Piece { after: self.after, text };
        if let Some((after, rest)) = behind.split_first() {
            (self.after, self.rest) = (Some(*after), Some(rest));
        }
        Some(piece)
    }
}

/// Line breaks of ASCII and Unicode: of NEL and of the line and paragraph separators the last byte.
const fn is_end(byte: u8) -> bool {
    matches!(byte, CR | LF | 0x0B | 0x0C | 0x1C..=0x1E | 0x85 | 0xA8 | 0xA9)
}

/// The segments that name devices, apart from the header.
const NAMES: [&[u8]; 3] = [b"OBX", b"OBR", b"PRT"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_odd_name_of_a_segment_becomes_plain() {
        let header = r"MSH|^~\&|A||||||ACK|1|P|2.6";
        let plain = |segment: &str| {
            let message = format!("{header}\r{segment}\r").into_bytes();
            let plain = Message::parse(&message).unwrap().with_plain_names();
            // Bytes as characters: a separator of Unicode is split.
            plain.map(|plain| plain.into_iter().map(char::from).collect::<String>())
        };
        for segment in ["OBX|1", "  OBX|1", "ZBX|1", "\x1CNTE|1", "OBX", "\x1C", "\u{2003}text|", ""] {
            assert_eq!(plain(segment), None, "{segment:?}");
        }
        for (odd, before) in [
            ("\x1FOBX|1", ""),
            ("\u{2003}OBX|1", ""),
            ("\0 OBX|1", ""),
            ("obx|1", ""),
            ("OBX1|1", ""),
            ("OBX^|1", ""),
            ("OBX |1", ""),
            ("x\nObx|1", "x"),
            ("NTE|x\x0C\x1COBX|1", "NTE|x\x0C"),
            ("NTE|x\u{2028}OBX|1", "NTE|x\u{E2}\u{80}"),
        ] {
            let expected = [header, before, "OBX|1", ""].join("\r").replace("\r\r", "\r");
            assert_eq!(plain(odd), Some(expected), "{odd:?}");
        }
    }
}
