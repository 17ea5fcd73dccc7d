//! The characters behind the bytes (MSH-18, HL7 table 0211).

use std::borrow::Cow;

use encoding_rs::{
    BIG5, EUC_KR, Encoding, GB18030, ISO_2022_JP, ISO_8859_2, ISO_8859_3, ISO_8859_4, ISO_8859_5, ISO_8859_6,
    ISO_8859_7, ISO_8859_8, ISO_8859_10, ISO_8859_13, ISO_8859_14, ISO_8859_15, SHIFT_JIS, UTF_8,
    WINDOWS_874, WINDOWS_1252, WINDOWS_1254,
};

use super::encoding::Encoding as Structure;
use super::{EscapeReading, Field, Repetition};

/// How the text of a message is displayed. It does not change what is stored.
///
/// In sets whose second bytes collide with separators (GB 18030, Big5, Shift JIS, ISO 2022) it also decides
/// which bytes are separators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CharacterSet(Option<&'static Encoding>);

impl CharacterSet {
    /// The character set that MSH-18 names, and whether its name is known.
    ///
    /// An empty field means ASCII. Devices send other sets under it, so text is decoded as UTF-8, which other
    /// sets are not mistaken for, and otherwise as Windows-1252.
    pub(super) fn parse(field: Field<'_>) -> (Self, bool) {
        let first = field.repetitions().find(|repetition| !repetition.raw().trim_ascii().is_empty());
        let Some(first) = first.filter(|_| !field.is_empty()) else { return (Self(None), true) };
        let Some(set) = lookup(first) else { return (Self(None), false) };
        // Later repetitions name the sets that escape sequences of ISO 2022 select.
        let is_base = set.is_none_or(|set| set == SHIFT_JIS);
        let selects_japanese = is_base
            && field.repetitions().any(|set| lookup(set).flatten().is_some_and(|set| set == ISO_2022_JP));
        (Self(if selects_japanese { Some(ISO_2022_JP) } else { set }), true)
    }

    /// Whether MSH-18 names a set in which ASCII letters may stand for delimiters (UTF-7) or for other
    /// characters (HZ, EBCDIC, escapes of programming languages), by any name that decoders know. No table
    /// of HL7 has them.
    pub(super) fn names_recoded_ascii(field: Field<'_>) -> bool {
        let readings = || std::iter::once(EscapeReading::Decoded).chain(EscapeReading::OTHERS);
        field.repetitions().flat_map(|set| set.components()).any(|set| {
            readings().any(|how| {
                let text = set.read(how);
                let letters = text.iter().filter(|byte| byte.is_ascii_alphanumeric());
                // Once for each message and reading: without an allocation.
                let (mut name, mut length) = ([0; MAX_NAME], 0);
                for (place, letter) in name.iter_mut().zip(letters) {
                    *place = letter.to_ascii_uppercase();
                    length += 1;
                }
                let name = name.get(..length).unwrap_or_default();
                RECODED_NAMES.contains(&name)
                    || name.starts_with(b"HZ")
                    || RECODED.iter().any(|part| memchr::memmem::find(name, part).is_some())
            })
        })
    }

    /// Which bytes of the text can be delimiters.
    pub(super) fn encoding(self) -> Structure {
        match self.0 {
            Some(set) if set == GB18030 => Structure::Gb18030,
            Some(set) if set == BIG5 => Structure::Big5,
            Some(set) if set == SHIFT_JIS => Structure::ShiftJis,
            Some(set) if set == ISO_2022_JP => Structure::Iso2022,
            _ => Structure::AsciiSafe,
        }
    }

    /// The set in which text is displayed that is not of the set that its message names: UTF-8, which other
    /// sets are not mistaken for, and otherwise Windows-1252.
    pub(super) const UNNAMED: Self = Self(None);

    /// Whether bytes of a message cannot be of this set.
    ///
    /// Under a set of one byte for each character, UTF-8 is recognised: as Latin letters its bytes make a
    /// capital letter with an accent before a symbol, and in the other sets it has bytes without a character.
    /// Under UTF-8, bytes that are no UTF-8 are of another set.
    pub(super) fn is_contradicted_by(self, bytes: &[u8]) -> bool {
        let Some(set) = self.0.filter(|_| !bytes.is_ascii()) else { return false };
        let is_utf8 = std::str::from_utf8(bytes).is_ok();
        if set == UTF_8 {
            return !is_utf8;
        }
        let has_control = || bytes.iter().any(|byte| matches!(byte, 0x80..=0x9F));
        let is_latin = LATIN.contains(&set);
        is_utf8 && (is_latin || set.is_single_byte() && has_control())
    }

    /// The text; invalid bytes become U+FFFD.
    #[must_use]
    pub fn decode<'a>(&self, bytes: &'a [u8]) -> Cow<'a, str> {
        match (self.0, std::str::from_utf8(bytes)) {
            (Some(encoding), _) => encoding.decode_without_bom_handling(bytes).0,
            (None, Ok(text)) => Cow::Borrowed(text),
            (None, Err(_)) => WINDOWS_1252.decode_without_bom_handling(bytes).0,
        }
    }
}

/// The set with this name. The inner `None` is ASCII, the outer one an unknown name.
fn lookup(repetition: Repetition<'_>) -> Option<Option<&'static Encoding>> {
    let letters = repetition.raw().trim_ascii().iter().filter(|byte| !matches!(**byte, b' ' | b'-' | b'_'));
    let name = letters.map(u8::to_ascii_uppercase);
    if name.clone().eq(*b"ASCII") || name.clone().eq(*b"ISOIR6") {
        return Some(None);
    }
    NAMES.iter().find_map(|(known, encoding)| known.bytes().eq(name.clone()).then_some(Some(*encoding)))
}

/// Letters and digits of a name that are compared.
const MAX_NAME: usize = 64;
/// Names of sets that recode ASCII letters.
const RECODED_NAMES: [&[u8]; 2] = [b"U7", b"65000"];
/// Parts of such names.
const RECODED: [&[u8]; 8] =
    [b"UTF7", b"65000", b"HZGB", b"EBCDIC", b"PUNYCODE", b"IDNA", b"UNICODEESCAPE", b"IBM037"];
/// Sets in which two bytes of UTF-8 never make letters of a word.
const LATIN: [&Encoding; 8] =
    [WINDOWS_1252, ISO_8859_2, ISO_8859_3, ISO_8859_4, WINDOWS_1254, ISO_8859_10, ISO_8859_13, ISO_8859_15];

/// The names of HL7 table 0211 and variants of them in the field; upper case, without blanks, `-` and `_`.
///
/// Where encoding_rs lacks a part of ISO 8859, the table names the Windows superset, which devices send under
/// that name.
const NAMES: [(&str, &Encoding); 37] = [
    ("8859/1", WINDOWS_1252),
    ("8859/2", ISO_8859_2),
    ("8859/3", ISO_8859_3),
    ("8859/4", ISO_8859_4),
    ("8859/5", ISO_8859_5),
    ("8859/6", ISO_8859_6),
    ("8859/7", ISO_8859_7),
    ("8859/8", ISO_8859_8),
    ("8859/9", WINDOWS_1254),
    ("8859/10", ISO_8859_10),
    ("8859/11", WINDOWS_874),
    ("8859/13", ISO_8859_13),
    ("8859/14", ISO_8859_14),
    ("8859/15", ISO_8859_15),
    ("ISO88591", WINDOWS_1252),
    ("ISO885915", ISO_8859_15),
    ("UNICODEUTF8", UTF_8),
    ("UTF8", UTF_8),
    ("UNICODE", UTF_8),
    ("GB18030", GB18030),
    ("GB180302000", GB18030),
    ("GBK", GB18030),
    ("GB2312", GB18030),
    ("BIG5", BIG5),
    ("BIG5HKSCS", BIG5),
    ("KSX1001", EUC_KR),
    ("ISOIR13", SHIFT_JIS),
    ("ISOIR14", SHIFT_JIS),
    ("JAS2020", ISO_2022_JP),
    ("JISX0202", ISO_2022_JP),
    ("ISO2022JP", ISO_2022_JP),
    ("SHIFTJIS", SHIFT_JIS),
    ("SJIS", SHIFT_JIS),
    ("ISOIR87", ISO_2022_JP),
    ("ISOIR159", ISO_2022_JP),
    ("WINDOWS1252", WINDOWS_1252),
    ("CP1252", WINDOWS_1252),
];

#[cfg(test)]
mod tests {
    use crate::hl7::{Message, Warning};

    fn decode(name: &str, bytes: &[u8]) -> (String, bool) {
        let text = format!("MSH|^~\\&|A||||2026||ORU^R01^ORU_R01|1|P|2.6||||||{name}\r");
        let message = Message::parse(text.as_bytes()).unwrap();
        let known = !message.warnings().contains(Warning::UnknownCharacterSet);
        (message.header().text_encoding().decode(bytes).into_owned(), known)
    }

    #[test]
    fn each_character_set_is_decoded() {
        for (name, bytes, text) in [
            ("", &b"J\xC3\xBCrgen"[..], "Jürgen"),
            ("", b"J\xFCrgen", "Jürgen"),
            ("\"\"", b"abc", "abc"),
            ("ASCII", b"abc", "abc"),
            ("ascii", b"J\xFCrgen", "Jürgen"),
            ("8859/1", b"J\xFCrgen", "Jürgen"),
            ("8859/2", b"\xB1", "ą"),
            ("8859/5", b"\xB6", "Ж"),
            ("8859/7", b"\xE1", "α"),
            ("8859/9", b"\xFE", "ş"),
            ("8859/15", b"\xA4", "€"),
            ("UNICODE UTF-8", b"J\xC3\xBCrgen", "Jürgen"),
            ("unicode utf-8", b"\xE2\x82\xAC", "€"),
            ("UTF-8", b"\xFF", "\u{FFFD}"),
            ("UTF8", b"\xC3\xBC", "ü"),
            ("GB 18030-2000", b"\xC4\xE3", "你"),
            ("ISO IR87", b"\x1B$B$\"\x1B(B", "あ"),
            ("~ISO IR87", b"\x1B$B$\"\x1B(B", "あ"),
            ("ASCII~ISO IR87", b"abc", "abc"),
            ("ASCII~ISO IR87", b"\x1B$B$\"\x1B(B", "あ"),
            ("JAS2020", b"\x1B$B$\"\x1B(B", "あ"),
            ("JIS X 0202", b"\x1B$B$\"\x1B(B", "あ"),
            ("KS X 1001", b"\xB0\xA1", "가"),
            ("BIG-5", b"\xA7\x41", "你"),
        ] {
            assert_eq!(decode(name, bytes), (text.to_owned(), true), "{name:?}");
        }
    }

    #[test]
    fn text_of_another_set_than_the_message_names_is_shown_as_what_it_is() {
        let shown = |name: &str, text: &[u8]| {
            let mut bytes =
                format!("MSH|^~\\&|A||||2026||ORU^R01^ORU_R01|1|P|2.6||||||{name}\rNTE|1||").into_bytes();
            bytes.extend_from_slice(text);
            let message = Message::parse(&bytes).unwrap();
            let warned = message.warnings().contains(Warning::CharsetMismatch);
            (message.text_encoding().decode(text).into_owned(), warned)
        };
        for (name, bytes, text, warned) in [
            ("8859/1", &b"J\xC3\xBCrgen"[..], "Jürgen", true),
            ("8859/1", b"J\xFCrgen", "Jürgen", false),
            ("8859/15", b"20 \xE2\x82\xAC", "20 €", true),
            ("8859/5", b"\xD0\x96\xD0\x90", "ЖА", true),
            ("8859/5", b"\xB6\xD0", "Жа", false),
            ("8859/7", b"\xE1\xE2", "αβ", false),
            ("UNICODE UTF-8", b"J\xFCrgen", "Jürgen", true),
            ("UNICODE UTF-8", b"J\xC3\xBCrgen", "Jürgen", false),
            ("", b"J\xC3\xBCrgen", "Jürgen", false),
            ("GB 18030-2000", b"\xC4\xE3", "你", false),
            ("8859/1", b"plain", "plain", false),
        ] {
            assert_eq!(shown(name, bytes), (text.to_owned(), warned), "{name:?} {text}");
        }
    }

    #[test]
    fn an_unknown_set_is_a_warning_and_text_falls_back() {
        assert_eq!(decode("8859/12", b"J\xFCrgen"), ("Jürgen".to_owned(), false));
        // Its bytes are those of EUC-TW, which as Big5 would be other characters.
        assert!(!decode("CNS 11643-1992", b"abc").1);
        assert_eq!(decode("UNICODE UTF-16", b"abc"), ("abc".to_owned(), false));
    }
}
