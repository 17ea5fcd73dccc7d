//! Names in the form in which they are compared (RFC 5280 section 7.1): caseIgnoreMatch after the string
//! preparation of RFC 4518, so that neither case, nor spaces, nor the type of the string count.
//!
//! Composed and decomposed characters stay different (RFC 4518 2.3, NFKC, is not applied): such names do not
//! match, which refuses and never admits.

use std::hash::{Hash, Hasher};

use super::der::{Element, Malformed, OBJECT_IDENTIFIER, SEQUENCE, element, sequence};
use super::directory_string::decode;
use crate::model::work::count;

/// A Name that equals every other one that RFC 5280 section 7.1 matches with it.
#[derive(Debug, Clone)]
pub struct ComparableName {
    der: Vec<u8>,
    prepared: Vec<u8>,
}

impl ComparableName {
    /// A Name in DER. Bytes that are no Name equal only themselves.
    #[must_use]
    pub fn new(der: impl Into<Vec<u8>>) -> Self {
        let der = der.into();
        Self { prepared: prepared(&der), der }
    }

    /// The Name in DER, as it was written.
    #[must_use]
    pub fn as_der(&self) -> &[u8] {
        &self.der
    }

    /// Whether a Name in DER matches.
    #[must_use]
    pub fn matches(&self, der: &[u8]) -> bool {
        self.der == der || (der.len() <= MAX_PREPARED_BYTES && self.prepared == prepared(der))
    }

    /// The form that is compared.
    pub(crate) fn prepared(&self) -> &[u8] {
        &self.prepared
    }
}

impl PartialEq for ComparableName {
    fn eq(&self, other: &Self) -> bool {
        self.prepared == other.prepared
    }
}

impl Eq for ComparableName {}

impl Hash for ComparableName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.prepared.hash(state);
    }
}

/// The form of a Name in DER that is compared: equal for Names that match.
pub(crate) fn prepared(der: &[u8]) -> Vec<u8> {
    count(der.len());
    if der.len() > MAX_PREPARED_BYTES {
        return der.to_vec();
    }
    prepared_name(der).unwrap_or_else(|Malformed| der.to_vec())
}

/// The same, for a Name of any length.
pub(super) fn prepared_name(der: &[u8]) -> Result<Vec<u8>, Malformed> {
    let mut relative_names = Element::whole(der, SEQUENCE)?.reader();
    let mut name = Vec::with_capacity(der.len());
    while !relative_names.is_empty() {
        let mut set = relative_names.expect(SET)?.reader();
        let mut attributes = Vec::new();
        while !set.is_empty() {
            attributes.push(prepared_attribute(&set.expect(SEQUENCE)?)?);
        }
        // RFC 5280 7.1: the order of the attributes in a relative name does not count.
        attributes.sort_unstable();
        name.extend(element(SET, &attributes.concat()));
    }
    Ok(element(SEQUENCE, &name))
}

fn prepared_attribute(attribute: &Element<'_>) -> Result<Vec<u8>, Malformed> {
    let mut fields = attribute.reader();
    let kind = fields.expect(OBJECT_IDENTIFIER)?.raw;
    let value = fields.element()?;
    fields.finish()?;
    let text = decode(value.tag.into(), value.content).and_then(|text| prepared_text(&text));
    // An undefined result matches nothing (RFC 4518 2.4): it stays as it is.
    Ok(text.map_or_else(
        || sequence(&[kind, value.raw]),
        |text| sequence(&[kind, &element(PREPARED, text.as_bytes())]),
    ))
}

/// RFC 4518 section 2: map, fold, prohibit, and remove insignificant spaces.
fn prepared_text(text: &str) -> Option<String> {
    let mut prepared = String::with_capacity(text.len());
    for character in text.chars().filter(|character| !is_ignored(*character)) {
        if is_prohibited(character) {
            return None;
        }
        if is_space(character) {
            // RFC 4518 2.6.1: spaces at the ends do not count, and several count as one.
            if !prepared.is_empty() && !prepared.ends_with(' ') {
                prepared.push(' ');
            }
        } else {
            fold(character, &mut prepared);
        }
    }
    prepared.truncate(prepared.trim_end_matches(' ').len());
    Some(prepared)
}

/// RFC 3454 B.2, by the case mappings of Unicode: "ß" is "ss", and the final sigma is a sigma.
fn fold(character: char, folded: &mut String) {
    if character == DOTLESS_I {
        folded.push(character);
    } else {
        let upper = character.to_lowercase().flat_map(char::to_uppercase);
        folded.extend(upper.flat_map(char::to_lowercase));
    }
}

/// RFC 4518 2.2: mapped to nothing.
const fn is_ignored(character: char) -> bool {
    matches!(character,
        '\0'..='\u{8}' | '\u{e}'..='\u{1f}' | '\u{7f}'..='\u{84}' | '\u{86}'..='\u{9f}'
        | '\u{ad}' | '\u{34f}' | '\u{6dd}' | '\u{70f}' | '\u{1806}' | '\u{180b}'..='\u{180e}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2063}'
        | '\u{206a}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff9}'..='\u{fffc}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0001}' | '\u{e0020}'..='\u{e007f}')
}

/// RFC 4518 2.2: mapped to a space.
const fn is_space(character: char) -> bool {
    matches!(character,
        '\t'..='\r' | '\u{85}' | ' ' | '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}'
        | '\u{2028}' | '\u{2029}' | '\u{202f}' | '\u{205f}' | '\u{3000}')
}

/// RFC 4518 2.4: private use, and the replacement character.
const fn is_prohibited(character: char) -> bool {
    matches!(character,
        '\u{e000}'..='\u{f8ff}' | '\u{fffd}' | '\u{f0000}'..='\u{ffffd}' | '\u{100000}'..='\u{10fffd}')
}

/// A longer Name is compared byte for byte. Real ones have less than 1 KiB; names of revocation data are
/// prepared before a signature is verified.
const MAX_PREPARED_BYTES: usize = 8 << 10;
/// The tag of a prepared text, in place of the tags of its possible types. No attribute value has it.
const PREPARED: u8 = 0xdf;
const SET: u8 = 0x31;
const DOTLESS_I: char = 'ı';

#[cfg(test)]
mod tests {
    use super::*;

    const UTF8: u8 = 12;
    const PRINTABLE: u8 = 19;
    const TELETEX: u8 = 20;
    const BMP: u8 = 30;

    fn attribute(arc: u8, tag: u8, value: &[u8]) -> Vec<u8> {
        sequence(&[&[6, 3, 0x55, 4, arc], &element(tag, value)])
    }

    fn name(relative_names: &[&[Vec<u8>]]) -> ComparableName {
        let sets: Vec<u8> = relative_names.iter().flat_map(|set| element(SET, &set.concat())).collect();
        ComparableName::new(element(SEQUENCE, &sets))
    }

    fn common_name(tag: u8, value: &[u8]) -> ComparableName {
        name(&[&[attribute(3, tag, value)]])
    }

    // RFC 5280 7.1; PKITS 4.3.3 to 4.3.11.
    #[test]
    fn case_spaces_and_the_type_of_the_string_do_not_count() {
        let own = common_name(PRINTABLE, b"Hospital CA");
        for (tag, value) in [
            (UTF8, &b"Hospital CA"[..]),
            (UTF8, b"HOSPITAL ca"),
            (TELETEX, b" Hospital   CA "),
            (BMP, b"\0H\0o\0s\0p\0i\0t\0a\0l\0 \0C\0A"),
            (UTF8, "Hospital\u{a0}C\u{ad}A".as_bytes()),
        ] {
            let other = common_name(tag, value);
            assert_eq!(own, other, "{value:?}");
            assert!(own.matches(other.as_der()) && other.as_der() != own.as_der());
        }
        for (tag, value) in
            [(UTF8, &b"HospitalCA"[..]), (UTF8, b"Hospital CB"), (UTF8, b""), (4, b"Hospital CA")]
        {
            assert_ne!(own, common_name(tag, value), "{value:?}");
        }
        assert_eq!(common_name(UTF8, "Straße Σ".as_bytes()), common_name(UTF8, "STRASSE ς".as_bytes()));
        assert_eq!(common_name(TELETEX, b"Z\xfcrich"), common_name(UTF8, "ZÜRICH".as_bytes()));
        assert_ne!(common_name(UTF8, "ı".as_bytes()), common_name(UTF8, b"i"));
    }

    #[test]
    fn the_order_counts_between_relative_names_and_not_within_one() {
        let [c, o] = [attribute(6, PRINTABLE, b"DE"), attribute(10, UTF8, b"Hospital")];
        assert_eq!(name(&[&[c.clone(), o.clone()]]), name(&[&[o.clone(), c.clone()]]));
        let [country, organisation] = [&c, &o].map(std::slice::from_ref);
        assert_ne!(name(&[country, organisation]), name(&[organisation, country]));
        assert_ne!(name(&[country, organisation]), name(&[&[c.clone(), o.clone()]]));
        // Another type of attribute with the same text.
        assert_ne!(name(&[&[attribute(10, UTF8, b"x")]]), name(&[&[attribute(11, UTF8, b"x")]]));
    }

    #[test]
    fn what_is_no_name_or_is_not_defined_equals_only_itself() {
        let odd = ComparableName::new(*b"\x30\x02\x31\x05");
        assert_eq!(odd, ComparableName::new(*b"\x30\x02\x31\x05"));
        assert_ne!(odd, ComparableName::new(*b"\x30\x02\x31\x06"));
        let private = |tag, value: &[u8]| common_name(tag, value);
        assert_ne!(private(BMP, b"\xe0\0"), private(UTF8, "\u{e000}".as_bytes()));
        let long = "A".repeat(MAX_PREPARED_BYTES);
        assert_ne!(common_name(UTF8, long.as_bytes()), common_name(UTF8, long.to_lowercase().as_bytes()));
    }
}
