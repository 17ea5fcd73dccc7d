//! Which bytes of a text are characters by themselves, and can therefore be delimiters.
//!
//! In most character sets every ASCII byte is an ASCII character. In GB 18030, Big5 and Shift JIS the second
//! byte of a character may equal `|`, `^`, `~` or `\`. In ISO 2022 every byte of a character may equal any
//! delimiter, until an escape sequence returns to ASCII.

use memchr::memchr;

use crate::model::work::count;

/// How the bytes of a character set form characters, as far as delimiters depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) enum Encoding {
    /// Every ASCII byte is a character: ASCII, ISO 8859, UTF-8, EUC.
    #[default]
    AsciiSafe,
    /// GB 18030, GBK.
    Gb18030,
    /// Big5.
    Big5,
    /// Shift JIS.
    ShiftJis,
    /// ISO 2022 with escape sequences.
    Iso2022,
}

impl Encoding {
    /// The sets whose second bytes collide with delimiters.
    pub(super) const COLLIDING: [Self; 4] = [Self::Gb18030, Self::Big5, Self::ShiftJis, Self::Iso2022];

    /// The position of the first `delimiter` that is a character by itself. `bytes` begins with a character,
    /// in the initial state of the set.
    #[inline]
    pub(super) fn find(self, delimiter: u8, bytes: &[u8]) -> Option<usize> {
        let found = match self {
            Self::AsciiSafe => memchr(delimiter, bytes),
            _ => Characters::new(self, bytes).find_map(|(at, byte)| (byte == Some(delimiter)).then_some(at)),
        };
        count(found.unwrap_or(bytes.len()).saturating_add(1));
        found
    }

    /// The parts between the delimiters; at least one. Without a delimiter there is one part.
    pub(super) const fn split(self, delimiter: Option<u8>, bytes: &[u8]) -> Split<'_> {
        Split { rest: Some(bytes), delimiter, encoding: self }
    }

    /// The number of delimiters that are characters by themselves.
    pub(super) fn count(self, delimiter: u8, bytes: &[u8]) -> usize {
        self.split(Some(delimiter), bytes).count() - 1
    }

    /// Whether decoders of this set disagree on which of the bytes in `segment` are delimiters.
    ///
    /// They disagree on characters that only some tables assign, and on text that does not return to ASCII.
    pub(super) fn is_ambiguous(self, segment: &[u8], is_delimiter: impl Fn(u8) -> bool) -> bool {
        if self == Self::AsciiSafe {
            return false;
        }
        let mut characters = Characters::new(self, segment);
        while let Some((at, byte)) = characters.next() {
            let second = segment.get(at + 1).copied();
            let is_agreed = match self {
                Self::Iso2022 => !characters.is_malformed,
                _ => {
                    byte.is_some() || second.is_none_or(|second| !is_delimiter(second)) || {
                        segment.get(at).is_some_and(|lead| self.is_assigned_lead(*lead))
                    }
                }
            };
            // A lead byte without a second byte: some decoders consume the delimiter behind it.
            let lone_lead = self != Self::Iso2022
                && byte.is_some_and(|byte| self.is_lead(byte))
                && second.is_some_and(&is_delimiter);
            if !is_agreed || lone_lead {
                return true;
            }
        }
        characters.state != State::Ascii
    }

    /// Whether every character of a text is one that all decoders of this set have, with the same length: the
    /// common ideographs and kana.
    pub(super) fn has_common_characters(self, text: &[u8]) -> bool {
        Characters::new(self, text).all(|(at, byte)| match (byte, text.get(at..at + 2)) {
            (Some(byte), _) => byte.is_ascii() || self == Self::ShiftJis && matches!(byte, 0xA1..=0xDF),
            (None, Some(&[lead, second])) => match self {
                Self::Gb18030 => matches!((lead, second), (0xB0..=0xD6 | 0xD8..=0xF7, 0xA1..=0xFE)),
                Self::Big5 => {
                    matches!((lead, second), (0xA4..=0xC5 | 0xC9..=0xF8, 0x40..=0x7E | 0xA1..=0xFE))
                }
                Self::ShiftJis => matches!(
                    (lead, second),
                    (0x82, 0x9F..=0xF1)
                        | (0x83, 0x40..=0x7E | 0x80..=0x96)
                        | (0x89..=0x97 | 0x99..=0x9F | 0xE0..=0xE9, 0x40..=0x7E | 0x80..=0xFC)
                ),
                Self::AsciiSafe | Self::Iso2022 => true,
            },
            (None, _) => self == Self::Iso2022,
        })
    }

    fn is_lead(self, byte: u8) -> bool {
        match self {
            Self::Gb18030 | Self::Big5 => matches!(byte, 0x81..=0xFE),
            Self::ShiftJis => matches!(byte, 0x81..=0x9F | 0xE0..=0xFC),
            Self::AsciiSafe | Self::Iso2022 => false,
        }
    }

    /// Lead bytes behind which every common table (that of WHATWG, of Python, of Java, of Windows) assigns
    /// the second bytes `\`, `^`, `|` and `~`.
    fn is_assigned_lead(self, byte: u8) -> bool {
        match self {
            Self::Gb18030 => matches!(byte, 0x81..=0xA0 | 0xAA..=0xFD),
            Self::Big5 => matches!(byte, 0xA1..=0xC6 | 0xC9..=0xF9),
            Self::ShiftJis => matches!(byte, 0x81 | 0x83 | 0x84 | 0x89..=0x97 | 0x99..=0x9F | 0xE0..=0xEA),
            Self::AsciiSafe | Self::Iso2022 => false,
        }
    }
}

/// The parts of a text between delimiters.
#[derive(Debug, Clone)]
pub(super) struct Split<'a> {
    rest: Option<&'a [u8]>,
    delimiter: Option<u8>,
    encoding: Encoding,
}

impl<'a> Iterator for Split<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest.take()?;
        let end = self.delimiter.and_then(|delimiter| self.encoding.find(delimiter, rest));
        let Some(end) = end else { return Some(rest) };
        // Text behind a delimiter begins with a character, in the initial state.
        self.rest = rest.get(end + 1..);
        rest.get(..end)
    }
}

/// The characters of a text: the position of each, and its byte if it is an ASCII character or a single byte.
struct Characters<'a> {
    bytes: &'a [u8],
    at: usize,
    encoding: Encoding,
    state: State,
    /// Whether the latest character is no regular one of ISO 2022.
    is_malformed: bool,
}

/// The set that ISO 2022 has designated.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Ascii,
    /// One byte is one character, but not that of ASCII (katakana).
    Single,
    /// Two bytes are one character.
    Double,
}

impl<'a> Characters<'a> {
    const fn new(encoding: Encoding, bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, encoding, state: State::Ascii, is_malformed: false }
    }

    /// The length and the ASCII value of the character at the start of `text`, after ISO 2022.
    fn iso_2022(&mut self, text: &[u8]) -> (usize, Option<u8>) {
        self.is_malformed = false;
        if let Some((state, length)) = designation(text) {
            self.state = state;
            return (length, None);
        }
        match (self.state, text) {
            (State::Double, [b'!'..=b'~', b'!'..=b'~', ..]) => (2, None),
            (State::Single, [b'!'..=b'_', ..]) => (1, None),
            (State::Ascii, [byte, ..]) => {
                self.is_malformed = *byte == ESCAPE;
                (1, Some(*byte))
            }
            _ => {
                self.is_malformed = true;
                (1, None)
            }
        }
    }
}

impl Iterator for Characters<'_> {
    type Item = (usize, Option<u8>);

    fn next(&mut self) -> Option<Self::Item> {
        let at = self.at;
        let text = self.bytes.get(at..)?;
        let (&first, behind) = text.split_first()?;
        let (length, byte) = match self.encoding {
            Encoding::Iso2022 => self.iso_2022(text),
            Encoding::AsciiSafe => (1, Some(first)),
            encoding => match behind.first() {
                Some(0x40..=0x7E | 0x80..=0xFE) if encoding.is_lead(first) => (2, None),
                _ => (1, Some(first)),
            },
        };
        self.at = at + length;
        Some((at, byte))
    }
}

/// The set that an escape sequence at the start of `text` designates, and the length of the sequence.
fn designation(text: &[u8]) -> Option<(State, usize)> {
    match text {
        [ESCAPE, b'$', b'@' | b'A' | b'B', ..] => Some((State::Double, 3)),
        [ESCAPE, b'$', b'(', b'@'..=b'~', ..] => Some((State::Double, 4)),
        [ESCAPE, b'(', b'B' | b'J', ..] => Some((State::Ascii, 3)),
        [ESCAPE, b'(', b'I', ..] => Some((State::Single, 3)),
        _ => None,
    }
}

/// Begins an escape sequence of ISO 2022.
pub(super) const ESCAPE: u8 = 0x1B;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parts(encoding: Encoding, bytes: &[u8]) -> Vec<Vec<u8>> {
        encoding.split(Some(b'|'), bytes).map(<[u8]>::to_vec).collect()
    }

    fn is_ambiguous(encoding: Encoding, bytes: &[u8]) -> bool {
        encoding.is_ambiguous(bytes, |byte| b"|^~\\&".contains(&byte))
    }

    #[test]
    fn the_second_byte_of_a_character_is_no_delimiter() {
        for (encoding, bytes, expected) in [
            (Encoding::AsciiSafe, &b"\x81||a"[..], vec![&b"\x81"[..], b"", b"a"]),
            (Encoding::Gb18030, b"\x81||a", vec![b"\x81|", b"a"]),
            (Encoding::Gb18030, b"\x81\x30\x81\x30|a", vec![b"\x81\x30\x81\x30", b"a"]),
            (Encoding::Big5, b"\xB3||\xA5\x5C", vec![b"\xB3|", b"\xA5\x5C"]),
            (Encoding::ShiftJis, b"\x83\x7C|\xB1|", vec![b"\x83\x7C", b"\xB1", b""]),
            (Encoding::Iso2022, b"\x1B$B||$\"\x1B(B|a", vec![b"\x1B$B||$\"\x1B(B", b"a"]),
            (Encoding::Iso2022, b"\x1B(I&^\x1B(J|a", vec![b"\x1B(I&^\x1B(J", b"a"]),
            (Encoding::Iso2022, b"a|b", vec![b"a", b"b"]),
        ] {
            assert_eq!(parts(encoding, bytes), expected, "{encoding:?} {bytes:?}");
            assert!(!is_ambiguous(encoding, bytes), "{encoding:?} {bytes:?}");
        }
    }

    #[test]
    fn text_that_decoders_split_differently_is_ambiguous() {
        for (encoding, bytes) in [
            (Encoding::Gb18030, &b"\xA1|"[..]),
            (Encoding::Big5, b"\x87^"),
            (Encoding::ShiftJis, b"\x98|"),
            (Encoding::Big5, b"\xFF\xA1&"),
            (Encoding::Iso2022, b"\x1B$B$\"|"),
            (Encoding::Iso2022, b"\x1B$B$\""),
            (Encoding::Iso2022, b"\x1B%G|"),
            (Encoding::Iso2022, b"\x1B(I|\x1B(B"),
        ] {
            assert!(is_ambiguous(encoding, bytes), "{encoding:?} {bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn the_parts_are_the_whole(bytes in prop::collection::vec(
            prop_oneof![any::<u8>(), prop::sample::select(&b"|\x1B$B(IJ^\x81\xA1"[..])], 0..40)) {
            for encoding in Encoding::COLLIDING {
                let parts = parts(encoding, &bytes);
                prop_assert_eq!(parts.join(&b'|'), bytes.clone());
                prop_assert_eq!(encoding.count(b'|', &bytes), parts.len() - 1);
            }
        }
    }
}
