//! Segments with odd names, which other readers recognise all the same.

use memchr::memchr;

use super::message::Message;
use super::separators::{CR, LF};

impl Message<'_> {
    /// The message with plain names of segments, if one of [`NAMES`] is written oddly.
    ///
    /// Some readers skip all control characters and blanks of Unicode before a name, ignore its case, or read
    /// only its first three characters. The result shows what they find.
    #[must_use]
    pub fn with_plain_names(&self) -> Option<Vec<u8>> {
        let separator = self.separators().field;
        let lines = || self.as_bytes().split(|byte| matches!(*byte, CR | LF));
        if !lines().any(|line| odd_name(line, separator).is_some()) {
            return None;
        }
        let mut plain = Vec::with_capacity(self.as_bytes().len() + 1);
        for line in lines() {
            let (name, rest) = odd_name(line, separator).unwrap_or((b"", line));
            plain.extend_from_slice(name);
            plain.extend_from_slice(rest);
            plain.push(CR);
        }
        Some(plain)
    }
}

/// The plain name of the segment in `line`, if it is written oddly, and the rest from the separator on.
fn odd_name(line: &[u8], separator: u8) -> Option<(&'static [u8], &[u8])> {
    let (blank, text) = line.split_at(line.iter().position(u8::is_ascii_graphic)?);
    let (found, rest) = text.split_at_checked(3)?;
    let name = NAMES.into_iter().find(|name| name.eq_ignore_ascii_case(found))?;
    let fields = memchr(separator, rest)?;
    let is_plain = found == name && fields == 0 && blank.trim_ascii_start().is_empty();
    if is_plain { None } else { Some((name, rest.get(fields..)?)) }
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
            plain.map(|plain| String::from_utf8(plain).unwrap())
        };
        for segment in ["OBX|1", "  OBX|1", "ZBX|1", "\x1CNTE|1", "OBX", "\x1C", "\u{2003}text|", ""] {
            assert_eq!(plain(segment), None, "{segment:?}");
        }
        for odd in
            ["\x1COBX|1", "\u{2003}OBX|1", "\0 OBX|1", "obx|1", "OBX1|1", "OBX^|1", "OBX |1", "x\nObx|1"]
        {
            let expected = format!("{header}\r{}OBX|1\r\r", if odd.starts_with('x') { "x\r" } else { "" });
            assert_eq!(plain(odd), Some(expected), "{odd:?}");
        }
    }
}
