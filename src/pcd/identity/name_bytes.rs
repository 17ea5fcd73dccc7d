//! The bytes of a text that may be a name for readers with another decoder.

use encoding_rs::GB18030;

use super::visible::has_no_glyph;
use crate::hl7::eight_bit;

/// The bytes of a text that may be a name for readers with another decoder.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NameBytes {
    /// The bytes, or those of them that have a glyph.
    pub bytes: Box<[u8]>,
    /// Whether they select a set of ISO 2022 for which there is no decoder, so the name may be any.
    pub has_unknown_set: bool,
}

/// The bytes, if they are not all ASCII, or select other sets by ISO 2022, and few enough for a name. Of more
/// bytes those that have a glyph, as the sets are selected: by UTF-8, by GB 18030, which has characters
/// without one too, or by sets of single bytes.
pub(super) fn name_bytes(bytes: &[u8]) -> Option<NameBytes> {
    let bytes = bytes.trim_ascii();
    let shifted = eight_bit(bytes);
    if bytes.is_ascii() && shifted.is_none() {
        return None;
    }
    let has_unknown_set = shifted.as_ref().is_some_and(|shifted| shifted.has_unknown_set);
    let bytes = if bytes.len() <= MAX_BYTES {
        bytes.into()
    } else {
        shortened(bytes, shifted.map(|shifted| shifted.text))?
    };
    Some(NameBytes { bytes, has_unknown_set })
}

/// The bytes with a glyph of a long text, which is `selected` as the sequences of ISO 2022 select its sets.
fn shortened(bytes: &[u8], selected: Option<Vec<u8>>) -> Option<Box<[u8]>> {
    let selected = selected.map(|selected| {
        if selected.len() <= MAX_BYTES {
            return selected;
        }
        // A reader of UTF-8 with sets of ISO 2022 does not see what has no glyph in UTF-8.
        let text = String::from_utf8_lossy(bytes);
        let is_shift = |one: char| matches!(one, '\u{1B}' | '\u{E}' | '\u{F}');
        let is_seen =
            |one: &char| is_shift(*one) || !has_no_glyph(*one) && *one != char::REPLACEMENT_CHARACTER;
        let seen: String = text.chars().filter(is_seen).collect();
        let seen = eight_bit(seen.as_bytes()).map(|shifted| shifted.text);
        seen.filter(|seen| seen.len() <= MAX_BYTES).unwrap_or(selected)
    });
    if let Some(selected) = selected.as_deref().filter(|selected| selected.len() <= MAX_BYTES) {
        return Some(selected.into());
    }
    let bytes = selected.as_deref().unwrap_or(bytes);
    let utf8 = || with_glyph(&String::from_utf8_lossy(bytes));
    let gb18030 = || with_glyph(&GB18030.decode_without_bom_handling(bytes).0);
    let single = || bytes.iter().copied().filter(|byte| !byte.is_ascii_control() && *byte != SOFT_HYPHEN);
    let single = || single().take(MAX_BYTES + 1).collect();
    let forms: [&dyn Fn() -> Vec<u8>; 3] = [&utf8, &gb18030, &single];
    forms.iter().map(|form| form()).find(|form| form.len() <= MAX_BYTES).map(Into::into)
}

/// The characters that have a glyph, in UTF-8, up to more than a name has.
fn with_glyph(text: &str) -> Vec<u8> {
    let mut seen = String::new();
    let is_seen = |character: &char| !has_no_glyph(*character) && *character != char::REPLACEMENT_CHARACTER;
    for character in text.chars().filter(is_seen) {
        seen.push(character);
        if seen.len() > MAX_BYTES {
            break;
        }
    }
    seen.into_bytes()
}

/// Bytes of a name: a Common Name has 64 characters of at most four bytes, and may have marks around it.
const MAX_BYTES: usize = 320;
/// In all parts of ISO 8859.
const SOFT_HYPHEN: u8 = 0xAD;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_a_name_as_long_as_what_is_seen_of_it() {
        let name = |bytes: &[u8]| name_bytes(bytes).map(|name| name.bytes);
        let kept = |bytes: &[u8]| name(bytes).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        assert_eq!(kept(b"PUMP-7"), None);
        assert_eq!(kept(" Süd ".as_bytes()).as_deref(), Some("Süd"));
        assert_eq!(kept("床监护仪".repeat(40).as_bytes()), None, "a sentence");
        let padded = format!("MONI{}TOR\u{2013}7", "\u{200B}".repeat(1000));
        assert_eq!(kept(padded.as_bytes()).as_deref(), Some("MONITOR\u{2013}7"));
        let padded = GB18030.encode(&padded).0.into_owned();
        assert_eq!(kept(&padded).as_deref(), Some("MONITOR\u{2013}7"));
        assert_eq!(kept(&[&b"MONI"[..], &[0xAD; 1000], b"TOR-7"].concat()).as_deref(), Some("MONITOR-7"));
        // Sets of ISO 2022 are a part of what is seen.
        let shifted = b"\x1B$B#M\x1B(BONITOR-7";
        assert_eq!(name(shifted).as_deref(), Some(&shifted[..]));
        let padded = [&shifted[..], &b"\x1B(B".repeat(400)].concat();
        assert_eq!(name(&padded).as_deref(), Some(&b"\xA3\xCDONITOR-7"[..]));
        let padded = [&padded[..], "\u{200B}".repeat(1000).as_bytes()].concat();
        assert_eq!(name(&padded).as_deref(), Some(&b"\xA3\xCDONITOR-7"[..]));
        let spaced = [&[0; 1000][..], shifted].concat();
        assert_eq!(kept(&spaced), Some(String::from_utf8_lossy(b"\xA3\xCDONITOR-7").into_owned()));
        let unknown = [b"\x1B$(E*M\x1B(BONITOR-7", &b"\x1B(B".repeat(400)[..]].concat();
        assert!(
            name_bytes(&unknown).unwrap().has_unknown_set && !name_bytes(shifted).unwrap().has_unknown_set
        );
    }
}
