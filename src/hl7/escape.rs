//! Escape sequences (HL7 2.6 ch. 2, 2.7).

use std::borrow::Cow;

use super::Separators;

/// Decodes escape sequences.
///
/// `\F\ \S\ \T\ \R\ \E\ \P\` become the separator that they stand for, `\Xdd…\` the bytes. Every other
/// sequence (formatting such as `\.br\`, highlighting, character set switches, local sequences, a single
/// escape character) stays unchanged: it does not stand for bytes.
pub(super) fn decode(raw: &[u8], separators: Separators) -> Cow<'_, [u8]> {
    replace(raw, separators, meaning)
}

/// Decodes escape sequences for people: as [`decode`], and formatting becomes line breaks and blanks.
///
/// `\.br\`, `\.sp\` and `\.ce\` begin a line, `\.sk\` and indentation are a blank. Highlighting (`\H\`,
/// `\N\`) and word wrap leave nothing. Character set switches and local sequences stay.
pub(super) fn shown(raw: &[u8], separators: Separators) -> Cow<'_, [u8]> {
    replace(raw, separators, |sequence, separators| {
        meaning(sequence, separators).or_else(|| formatting(sequence))
    })
}

/// A text of a person with the sequences that stand for the usual separators decoded.
#[must_use]
pub fn with_separators(text: &[u8]) -> Cow<'_, [u8]> {
    decode(text, Separators::STANDARD)
}

fn replace(
    raw: &[u8],
    separators: Separators,
    meaning: impl Fn(&[u8], Separators) -> Option<Vec<u8>>,
) -> Cow<'_, [u8]> {
    let Some(escape) = separators.escape else { return Cow::Borrowed(raw) };
    let Some(first) = separators.find(escape, raw) else { return Cow::Borrowed(raw) };
    let (plain, mut rest) = raw.split_at(first);
    let mut value = plain.to_vec();
    while let Some((&byte, behind)) = rest.split_first() {
        // `rest` begins with a character: what precedes it ended with an escape character.
        if byte != escape {
            let plain = separators.find(escape, rest).unwrap_or(rest.len());
            let (plain, next) = rest.split_at(plain);
            value.extend_from_slice(plain);
            rest = next;
            continue;
        }
        let sequence = separators.find(escape, behind).and_then(|end| behind.get(..end));
        match sequence.and_then(|sequence| meaning(sequence, separators).map(|bytes| (sequence.len(), bytes)))
        {
            Some((length, bytes)) => {
                value.extend_from_slice(&bytes);
                rest = behind.get(length + 1..).unwrap_or_default();
            }
            None => {
                value.push(escape);
                rest = behind;
            }
        }
    }
    Cow::Owned(value)
}

pub(super) fn meaning(sequence: &[u8], separators: Separators) -> Option<Vec<u8>> {
    let one = match sequence {
        b"F" => Some(separators.field),
        b"S" => Some(separators.component),
        b"T" => separators.subcomponent,
        b"R" => Some(separators.repetition),
        b"E" => separators.escape,
        b"P" => separators.truncation,
        [b'X', digits @ ..] if !digits.is_empty() => return hexadecimal(digits),
        _ => None,
    };
    one.map(|byte| vec![byte])
}

/// What people see in place of a formatting command (HL7 2.6 ch. 2, 2.7.6) or of highlighting (2.7.3).
pub(super) fn formatting(sequence: &[u8]) -> Option<Vec<u8>> {
    let shown: &[u8] = match sequence {
        [b'H' | b'N'] => b"",
        [b'.', name @ ..] => match name.to_ascii_lowercase().get(..2) {
            Some(b"br" | b"sp" | b"ce") => b"\n",
            // Without a blank two numbers would be one.
            Some(b"sk" | b"in" | b"ti") => b" ",
            Some(b"fi" | b"nf") => b"",
            _ => return None,
        },
        _ => return None,
    };
    Some(shown.to_vec())
}

fn hexadecimal(digits: &[u8]) -> Option<Vec<u8>> {
    let (pairs, odd) = digits.as_chunks::<2>();
    let nibble = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    if !odd.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| Some(nibble(*high)? << 4 | nibble(*low)?)).collect()
}

/// Escapes `value` so that none of its bytes reads as a delimiter.
///
/// A blank replaces every byte without an escape sequence: line breaks, the bytes that delimit frames, and
/// the separators of a message without an escape character.
pub(super) fn encode(value: &[u8], separators: Separators, out: &mut Vec<u8>) {
    if value.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b' ') {
        return out.extend_from_slice(value);
    }
    for &byte in value {
        let sequence = if byte == separators.field {
            b'F'
        } else if byte == separators.component {
            b'S'
        } else if byte == separators.repetition {
            b'R'
        } else if Some(byte) == separators.escape {
            b'E'
        } else if Some(byte) == separators.subcomponent {
            b'T'
        } else if Some(byte) == separators.truncation {
            b'P'
        } else {
            out.push(if byte.is_ascii_control() { b' ' } else { byte });
            continue;
        };
        match separators.escape {
            Some(escape) => out.extend_from_slice(&[escape, sequence, escape]),
            None => out.push(b' '),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decoded(raw: &str) -> String {
        String::from_utf8(decode(raw.as_bytes(), Separators::STANDARD).into_owned()).unwrap()
    }

    #[test]
    fn escape_sequences_stand_for_separators_and_bytes() {
        assert_eq!(decoded(r"a\F\b\S\c\T\d\R\e\E\f"), r"a|b^c&d~e\f");
        assert_eq!(decoded(r"Joes Obs \T\ Gynae"), "Joes Obs & Gynae");
        assert_eq!(decoded(r"\X41426a\"), "ABj");
    }

    #[test]
    fn sequences_that_stand_for_no_bytes_stay_unchanged() {
        for raw in [
            r"a\.br\b",
            r"\H\bold\N\",
            r"\Zx\",
            r"\X4\",
            r"\X\",
            r"\Xzz\",
            r"half \F",
            r"\",
            r"\70_105",
            r"\P\",
        ] {
            assert_eq!(decoded(raw), raw);
        }
        let none = Separators { escape: None, ..Separators::STANDARD };
        assert_eq!(decode(br"\F\", none), Cow::Borrowed(&br"\F\"[..]));
    }

    #[test]
    fn people_see_line_breaks_and_blanks_in_place_of_formatting() {
        let seen = |raw: &str| String::from_utf8(shown(raw.as_bytes(), Separators::STANDARD).into_owned());
        assert_eq!(seen(r"a\.br\b\.sp+2\c\.CE\d").unwrap(), "a\nb\nc\nd");
        assert_eq!(seen(r"\H\bold\N\\.in+4\\.fi\ x\.sk3\y\T\\X7A\").unwrap(), "bold  x y&z");
        assert_eq!(seen(r"\Z1\ \C2842\ C:\ half \F").unwrap(), r"\Z1\ \C2842\ C:\ half \F");
    }

    #[test]
    fn a_value_without_escapes_is_not_copied() {
        assert!(matches!(decode(b"plain", Separators::STANDARD), Cow::Borrowed(_)));
    }

    #[test]
    fn without_an_escape_character_no_value_adds_structure() {
        let none = Separators { escape: None, ..Separators::STANDARD };
        let mut out = Vec::new();
        encode(b"a|b\rc\x0B", none, &mut out);
        assert_eq!(out, b"a b c ");
    }

    proptest! {
        #[test]
        fn an_encoded_value_decodes_to_itself(value in "[ -~]{0,40}") {
            let mut written = Vec::new();
            encode(value.as_bytes(), Separators::STANDARD, &mut written);
            prop_assert!(!written.iter().any(|byte| b"|^~&".contains(byte)));
            prop_assert_eq!(&*decode(&written, Separators::STANDARD), value.as_bytes());
        }
    }
}
