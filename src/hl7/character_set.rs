//! The characters behind the bytes (MSH-18, HL7 table 0211).

use std::borrow::Cow;

use encoding_rs::{
    BIG5, EUC_KR, Encoding, GB18030, ISO_2022_JP, ISO_8859_2, ISO_8859_3, ISO_8859_4, ISO_8859_5, ISO_8859_6,
    ISO_8859_7, ISO_8859_8, ISO_8859_10, ISO_8859_13, ISO_8859_14, ISO_8859_15, SHIFT_JIS, UTF_8,
    WINDOWS_874, WINDOWS_1252, WINDOWS_1254,
};

use super::Field;

/// How the text of a message is displayed. It does not change what is stored.
///
/// The structure of a message is read byte by byte. In sets whose second bytes collide with separators (GB
/// 18030, Big5, ISO IR87) free text can therefore appear to have more components than its author wrote.
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
        let name = || {
            let letters = first.raw().iter().filter(|byte| !matches!(**byte, b' ' | b'-' | b'_'));
            letters.map(u8::to_ascii_uppercase)
        };
        if name().eq(*b"ASCII") {
            return (Self(None), true);
        }
        let encoding =
            NAMES.iter().find_map(|(known, encoding)| known.bytes().eq(name()).then_some(*encoding));
        (Self(encoding), encoding.is_some())
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

/// The names of HL7 table 0211 and variants of them in the field; upper case, without blanks, `-` and `_`.
///
/// Where encoding_rs lacks a part of ISO 8859, the table names the Windows superset, which devices send under
/// that name.
const NAMES: [(&str, &Encoding); 32] = [
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
    ("BIG5", BIG5),
    ("CNS116431992", BIG5),
    ("KSX1001", EUC_KR),
    ("ISOIR6", UTF_8),
    ("ISOIR13", SHIFT_JIS),
    ("ISOIR14", SHIFT_JIS),
    ("JAS2020", SHIFT_JIS),
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
            ("KS X 1001", b"\xB0\xA1", "가"),
            ("BIG-5", b"\xA7\x41", "你"),
        ] {
            assert_eq!(decode(name, bytes), (text.to_owned(), true), "{name:?}");
        }
    }

    #[test]
    fn an_unknown_set_is_a_warning_and_text_falls_back() {
        assert_eq!(decode("8859/12", b"J\xFCrgen"), ("Jürgen".to_owned(), false));
        assert_eq!(decode("UNICODE UTF-16", b"abc"), ("abc".to_owned(), false));
    }
}
