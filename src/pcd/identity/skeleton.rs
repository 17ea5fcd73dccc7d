//! What a name looks like, whatever its characters are.
//!
//! Two names with a skeleton in common look alike, or are one name for some reader: people and programs take
//! one for the other. Skeletons are only compared with each other; a name of the directory is never shown or
//! stored by its skeleton.

use std::borrow::Cow;

use super::confusables::{ascii, decomposed};
use super::device_identity::DeviceIdentity;
use super::percent::decodings;
use super::uuid::uuid;
use super::visible::has_no_glyph;

/// What a name looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skeleton<'t> {
    /// The number of an EUI-64. `is_whole`: it has 16 digits, or the 12 of a MAC-48; others are without
    /// zeros at their beginning, or with more.
    Eui64 {
        /// The number.
        number: u64,
        /// Whether it has all digits.
        is_whole: bool,
    },
    /// A name in upper case with blanks, hyphens and letters of ASCII where it has others that look like
    /// them, and without quotes, brackets and full stops around it.
    Name(&'t str),
}

/// Calls `found` with each skeleton of a name that some directory could have, until it returns `true`.
/// Returns whether it did.
pub fn skeletons(text: &str, mut found: impl FnMut(Skeleton<'_>) -> bool) -> bool {
    if is_plain(text) {
        return of_folded(text, &mut found);
    }
    variants(text).iter().any(|variant| {
        let written = folded(variant, false);
        let upper = folded(variant, true);
        of_folded(&written, &mut found) || upper != written && of_folded(&upper, &mut found)
    })
}

/// The skeletons of a text and of its parts.
pub fn text_skeletons(text: &str, mut found: impl FnMut(Skeleton<'_>) -> bool) -> bool {
    let has_parts = text.contains(SEPARATORS);
    skeletons(text, &mut found) || has_parts && text.split(SEPARATORS).any(|part| skeletons(part, &mut found))
}

/// The text in upper case, as people see it: characters that look like ASCII, or are compatible with it, are
/// that; what has no glyph is left out.
pub(super) fn look(text: &str) -> Cow<'_, str> {
    if is_plain(text) { Cow::Borrowed(text) } else { Cow::Owned(folded(text, true)) }
}

impl DeviceIdentity {
    /// Calls `found` with each skeleton of the identity as a whole, until it returns `true`.
    pub fn whole_skeletons(&self, mut found: impl FnMut(Skeleton<'_>) -> bool) -> bool {
        match self {
            Self::Eui64(number) => found(Skeleton::Eui64 { number: *number, is_whole: true }),
            Self::Named { id, .. } => skeletons(id, found),
        }
    }

    /// Calls `found` with each skeleton of the identity and its parts, until it returns `true`. `written` is
    /// the identity as it was written.
    pub fn skeletons(&self, written: Option<&str>, mut found: impl FnMut(Skeleton<'_>) -> bool) -> bool {
        let id = match self {
            Self::Eui64(number) => return found(Skeleton::Eui64 { number: *number, is_whole: true }),
            Self::Named { id, .. } => id,
        };
        text_skeletons(id, &mut found)
            || written
                .filter(|written| !written.is_ascii())
                .is_some_and(|written| skeletons(written, &mut found))
    }
}

/// A text of which the folded one is itself: most names are.
fn is_plain(text: &str) -> bool {
    let is_plain =
        |byte: u8| byte.is_ascii_graphic() && !byte.is_ascii_lowercase() && byte != b'%' || byte == b' ';
    text.bytes().all(is_plain) && !text.contains("  ")
}

/// Skeletons of a text that is folded.
fn of_folded(text: &str, found: &mut impl FnMut(Skeleton<'_>) -> bool) -> bool {
    let name = text.trim_matches(|mark: char| AROUND.contains(mark));
    if name.is_empty() || name.len() > LONGEST {
        return false;
    }
    if found(Skeleton::Name(name)) {
        return true;
    }
    // r-components, q-components and fragments do not count in a URN (RFC 8141 section 3), nor does what
    // follows the identifier in the URL of a DID.
    let end: &[char] = if name.starts_with("DID:") { &['?', '#', '/', ';'] } else { &['?', '#'] };
    let (plain, is_urn) = (name.split(end).next().unwrap_or(name), name.starts_with("URN:"));
    if is_urn && plain.len() < name.len() && found(Skeleton::Name(plain)) {
        return true;
    }
    let digits = name.bytes().filter(u8::is_ascii_alphanumeric).count();
    digits >= FEWEST_DIGITS && (is_eui64_within(plain, found) || is_uuid(plain, digits, found))
}

/// The same of the whole text, and of what is behind each of its last colons, whatever stands before: a URN,
/// a DID, a name of the number.
fn is_eui64_within(text: &str, found: &mut impl FnMut(Skeleton<'_>) -> bool) -> bool {
    let behind = text.rmatch_indices(':').take(MAX_PARTS).filter_map(|(at, _)| text.get(at + 1..));
    std::iter::once(text).chain(behind).any(|part| {
        is_eui64(part, found)
            || LITERAL_ENDS.iter().any(|end| part.strip_suffix(end).is_some_and(|part| is_eui64(part, found)))
    })
}

/// Whether an EUI-64 with this notation is found. The notation may have anything before and between its
/// digits that is no letter, the name of its type, zeros before it, and letters that look like digits.
fn is_eui64(text: &str, found: &mut impl FnMut(Skeleton<'_>) -> bool) -> bool {
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches(|mark: char| !mark.is_ascii_alphanumeric());
        match EUI64_NAMES.iter().find_map(|name| rest.strip_prefix(name)) {
            Some(behind) => rest = behind,
            None => break,
        }
    }
    let rest = rest.trim_end_matches(|mark: char| !mark.is_ascii_alphanumeric());
    let (mut number, mut count, mut significant) = (0_u64, 0_u32, 0_u32);
    for byte in rest.bytes() {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'A'..=b'F' => byte - b'A' + 10,
            b'O' => 0,
            b'I' | b'L' => 1,
            _ if byte.is_ascii_alphabetic() || !byte.is_ascii() => return false,
            _ => continue,
        };
        number = number << 4 | u64::from(digit);
        count += 1;
        significant += u32::from(significant > 0 || digit > 0);
        if significant > 16 {
            return false;
        }
    }
    let as_mac = (number >> 24) << 40 | 0xFF_FE00_0000 | number & 0xFF_FFFF;
    count as usize >= FEWEST_DIGITS
        && (found(Skeleton::Eui64 { number, is_whole: count == 16 })
            || count == 12 && found(Skeleton::Eui64 { number: as_mac, is_whole: true }))
}

fn is_uuid(text: &str, digits: usize, found: &mut impl FnMut(Skeleton<'_>) -> bool) -> bool {
    let may_be = digits >= 32 || text.contains("2.25.");
    may_be && uuid(text).is_some_and(|uuid| found(Skeleton::Name(&uuid)))
}

/// The text as readers may have it before they look at characters: whole; with its percent-encoding decoded;
/// with a hyphen or a blank where others see nothing; up to a NUL; with the characters erased that a
/// backspace erases; and in the direction that an override makes of it (UAX #9).
fn variants(text: &str) -> Vec<Cow<'_, str>> {
    let mut all = vec![Cow::Borrowed(text)];
    all.extend(decodings(text).map(Cow::Owned));
    for at in 0..all.len() {
        let more = all.get(at).map(|variant| shown(variant)).unwrap_or_default();
        all.extend(more.into_iter().map(Cow::Owned));
    }
    for at in 0..all.len() {
        let more = all.get(at).map(|variant| without_edits(variant)).unwrap_or_default();
        all.extend(more.into_iter().map(Cow::Owned));
    }
    all
}

/// The text with a glyph for each character that some readers show and others do not: for each choice of
/// these characters.
fn shown(text: &str) -> Vec<String> {
    let mut kinds = Vec::new();
    for character in text.chars().filter(|character| glyph_of_some(*character).is_some()) {
        if !kinds.contains(&character) {
            kinds.push(character);
        }
    }
    let count = if text.len() > 4 * LONGEST { 1 } else { kinds.len().min(MAX_CHOICES) };
    // What is beyond the number of choices goes with the last of them.
    let bit = |character: char| {
        kinds
            .iter()
            .position(|kind| *kind == character)
            .map_or(0, |at| 1_u32 << at.min(count.saturating_sub(1)))
    };
    let choices = if kinds.is_empty() { 1..1 } else { 1..1_u32 << count };
    let with = |choice: u32| -> String {
        let shown = |character| glyph_of_some(character).filter(|_| bit(character) & choice != 0);
        text.chars().map(|character| shown(character).unwrap_or(character)).collect()
    };
    choices.map(with).collect()
}

/// What some readers show for a character that has no glyph for others.
fn glyph_of_some(character: char) -> Option<char> {
    match character {
        SOFT_HYPHEN => Some('-'),
        character if PERHAPS_BLANK.contains(&character) => Some(' '),
        _ => None,
    }
}

/// A text with controls in it as readers have it that obey them.
fn without_edits(text: &str) -> Vec<String> {
    let mut all: Vec<String> =
        text.split_once('\0').map(|(before, _)| before.to_owned()).into_iter().collect();
    if text.contains(BACKSPACE) {
        let mut shown = String::new();
        for character in text.chars() {
            if character == BACKSPACE {
                shown.pop();
            } else {
                shown.push(character);
            }
        }
        all.push(shown);
    }
    if let Some((before, behind)) = text.split_once(OVERRIDE) {
        let (turned, rest) = behind.split_once(END_OF_OVERRIDE).unwrap_or((behind, ""));
        let turned: String = turned.chars().rev().collect();
        all.push([before, &turned, rest].concat());
    }
    all
}

/// The text in upper case with characters that look like ASCII as ASCII, letters with marks as letters and
/// marks, one blank for several, and without what has no glyph. Some letters look like another one as
/// capitals than as small ones: `in_upper` says which are looked at.
fn folded(text: &str, in_upper: bool) -> String {
    let mut seen = String::with_capacity(text.len().min(LONGEST));
    let mut push = |character: char| {
        let is_repeated = character == ' ' && seen.ends_with(' ');
        if !is_repeated {
            seen.push(character);
        }
        seen.len() <= LONGEST
    };
    for character in text.chars() {
        let goes_on = if is_hidden(character) {
            true
        } else if in_upper {
            character.to_uppercase().all(|upper| push_upper(upper, &mut push))
        } else {
            match ascii(character) {
                Some(alike) => push(alike.to_ascii_uppercase()),
                None => character.to_uppercase().all(|upper| push_upper(upper, &mut push)),
            }
        };
        if !goes_on {
            break;
        }
    }
    seen
}

fn is_hidden(character: char) -> bool {
    has_no_glyph(character) && !character.is_whitespace()
}

/// A capital: its base as it looks, and its marks.
fn push_upper(upper: char, push: &mut impl FnMut(char) -> bool) -> bool {
    let (mut base, mut marks) = (upper, Vec::new());
    while let Some((letter, mark)) = decomposed(base) {
        base = letter;
        marks.push(mark);
    }
    push(ascii(base).map_or(base, |alike| alike.to_ascii_uppercase())) && marks.into_iter().rev().all(push)
}

/// The separators within a field.
const SEPARATORS: [char; 5] = ['^', '&', '~', '\\', '|'];
/// What may stand around a name without being a part of it.
const AROUND: &str = " .,;:\"'()[]{}<>`";
/// What may precede the digits of an EUI-64.
const EUI64_NAMES: [&str; 14] = [
    "URN:", "DEV:", "OW:", "EUI-64", "EUI64", "EUI_64", "EUI 64", "EUI-48", "EUI48", "EUI", "MAC", "0X", "X",
    "H",
];
/// What may follow the digits: the ends of numbers in programming languages.
const LITERAL_ENDS: [&str; 6] = ["H", "L", "LL", "UL", "ULL", "N"];
/// Parts of a text between colons: an EUI-64 may have one for each digit.
const MAX_PARTS: usize = 16;
/// Characters of a name that readers show or not.
const MAX_CHOICES: usize = 4;
const SOFT_HYPHEN: char = '\u{AD}';
/// Characters without a glyph for some readers and a blank for others: the fillers of Hangul, the vowel
/// separator of Mongolian, and the place of an object.
const PERHAPS_BLANK: [char; 6] = ['\u{115F}', '\u{1160}', '\u{3164}', '\u{FFA0}', '\u{180E}', '\u{FFFC}'];
/// Digits of an EUI-64 without the zeros before it: those of the first manufacturers begin with six.
const FEWEST_DIGITS: usize = 10;
/// Bytes of a folded text: a Common Name has 64 characters.
const LONGEST: usize = 320;
const BACKSPACE: char = '\u{8}';
/// RIGHT-TO-LEFT OVERRIDE.
const OVERRIDE: char = '\u{202E}';
/// POP DIRECTIONAL FORMATTING.
const END_OF_OVERRIDE: char = '\u{202C}';

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        let mut all = Vec::new();
        skeletons(text, |skeleton| {
            if let Skeleton::Name(name) = skeleton {
                all.push(name.to_owned());
            }
            false
        });
        all
    }

    fn is_number(text: &str, expected: u64) -> bool {
        skeletons(text, |skeleton| matches!(skeleton, Skeleton::Eui64 { number, .. } if number == expected))
    }

    #[test]
    fn what_looks_like_a_name_has_its_skeleton() {
        for text in [
            "MONITOR-7",
            "monitor\u{2011}7",
            "MONITOR\u{2212}7",
            "ＭＯＮＩＴＯＲ－７",
            "\u{1D5E0}ONITOR-7",
            "M\u{41E}NIT\u{39F}R-7",
            "m\u{43E}nitor-\u{1D7D5}",
            "\"MONITOR-7\"",
            "{monitor-7}.",
            "MONITOR-7\0x",
            "MX\u{8}ONITOR-7",
            "\u{202E}7-ROTINOM\u{202C}",
            "MONI\u{200B}TOR-7\u{AD}",
            "\u{A0}MONITOR-7\t",
            "MONITOR\u{AD}7",
            "MONI\u{AD}TOR-7",
            "MO\u{3164}NITOR\u{AD}7",
            "MONITOR\u{30FC}7",
            "MONITOR\u{FFFC}-7",
            "MONITOR%2D7",
            "%254DONITOR%E2%80%907",
        ] {
            assert!(names(text).contains(&"MONITOR-7".to_owned()), "{text:?}: {:?}", names(text));
        }
        for text in ["Bed 7", "Bed\u{A0}7", "Bed  7", "Bed\t7", "BED\u{2003}\u{2003}7"] {
            assert!(names(text).contains(&"BED 7".to_owned()), "{text:?}: {:?}", names(text));
        }
        for blank in "\u{3164}\u{FFA0}\u{115F}\u{1160}\u{180E}\u{FFFC}\u{2423}\u{2800}\u{3000}".chars() {
            assert!(
                names(&format!("Bed{blank}7")).contains(&"BED 7".to_owned()),
                "U+{:04X}",
                u32::from(blank)
            );
        }
        for nothing in "\u{3164}\u{FFA0}\u{115F}\u{1160}\u{180E}\u{FFFC}\u{AD}".chars() {
            assert!(
                names(&format!("Bed{nothing}7")).contains(&"BED7".to_owned()),
                "U+{:04X}",
                u32::from(nothing)
            );
        }
        assert!(names("\u{212A}ARL-1").contains(&"KARL-1".to_owned()));
        assert_eq!(names("Ä-7"), names("A\u{308}-7"));
        assert_eq!(names("Ấ"), names("A\u{302}\u{301}"));
    }

    #[test]
    fn names_that_differ_to_the_eye_have_no_skeleton_in_common() {
        for (one, other) in [
            ("MONITOR-7", "MONITOR_7"),
            ("MONITOR-7", "MONITOR7"),
            ("Bed 7", "Bed7"),
            ("Süd", "Sud"),
            ("PUMP-O", "PUMP-0"),
            ("PUMP-1", "PUMP-I"),
            ("Пост-7", "Пост-8"),
            ("1.2.34", "1.23.4"),
        ] {
            let others = names(other);
            assert!(!names(one).iter().any(|name| others.contains(name)), "{one} {other}");
        }
    }

    #[test]
    fn every_spelling_of_an_eui_64_has_its_number() {
        let number = 0x00A0_37EB_2175_780F;
        for text in [
            "00A037EB2175780F",
            "{00A037EB2175780F}",
            "(00-a0-37-eb-21-75-78-0f)",
            "[00A037EB2175780F]",
            "\"00A037EB2175780F\"",
            "EUI-64:00A037EB2175780F",
            "eui-00A037EB2175780F",
            "eui64=00A037EB2175780F",
            "0000A037EB2175780F",
            "A037EB2175780F",
            "00A037EB2175780FH",
            "00/A0/37/EB/21/75/78/0F",
            "00,A0,37,EB,21,75,78,0F",
            "00_A0_37_EB_21_75_78_0F",
            "0xA037EB2175780F",
            "x00A037EB2175780F",
            "urn:eui64:00A037EB2175780F#1",
            "urn:eui64:00-A0-37-EB-21-75-78-0F?+x",
            "urn:dev:mac:00a037eb2175780f",
            "OOAO37EB2l75780F",
            "00\u{410}037\u{415}\u{412}2175780F",
            "00A037EB2175780F\0x",
            "urn:ieee:eui64:00A037EB2175780F",
            "urn:oid:00A037EB2175780F",
            "urn:nbn:x:y:00-A0-37-EB-21-75-78-0F",
            "urn:x:00:A0:37:EB:21:75:78:0F",
            "urn:x:0:0:A:0:3:7:E:B:2:1:7:5:7:8:0:F",
            "did:mac:00A037EB2175780F",
            "did:web:example:00a037eb2175780f;v=1/path#key-1",
            "ieee:00A037EB2175780F",
            "0x00A037EB2175780FL",
            "0xA037EB2175780FULL",
            "0x00A037EB2175780Fn",
            "&H00A037EB2175780F",
            "H'00A037EB2175780F'",
            "urn:ieee:eui64:%30%30A037EB2175780F",
            "did:mac:00%2541037EB2175780F",
            "00%2DA0%2D37%2DEB%2D21%2D75%2D78%2D0F",
        ] {
            assert!(is_number(text, number), "{text:?}");
        }
        assert!(is_number("EUI-48 06-00-DC-75-00-01", 0x0600_DCFF_FE75_0001));
        for other in ["00A037EB2175780F0", "00A037EB2175780G", "A037EB2175780", "00A037EB2175780F-2"] {
            assert!(!is_number(other, number), "{other}");
        }
    }

    #[test]
    fn a_uuid_has_one_skeleton() {
        let canonical = "E86C094F-F751-4ACF-92B2-38F11C1F6F57".to_owned();
        for text in [
            "e86c094f\u{2010}f751-4acf-92b2-38f11c1f6f57",
            "\"{e86c094ff7514acf92b238f11c1f6f57}\"",
            "urn:uuid:e86c094f-f751-4acf-92b2-38f11c1f6f57#x",
            "2.25.308941851960074589090908363437226553175",
        ] {
            assert!(names(text).contains(&canonical), "{text}: {:?}", names(text));
        }
    }

    #[test]
    fn a_long_text_is_read_as_far_as_a_name_could_reach() {
        let long = "\u{200B}".repeat(100_000) + "PUMP-7";
        assert!(names(&long).contains(&"PUMP-7".to_owned()), "what has no glyph does not count");
        assert!(names(&"\u{410}".repeat(100_000)).is_empty());
    }
}
