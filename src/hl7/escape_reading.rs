//! How readers differ in what they make of escape sequences.
//!
//! The standard says what a few sequences stand for. Readers drop the others, or what follows them, decode
//! those of a version or a vendor, or ignore that an escape character begins a sequence. What decides about a
//! message must see what each of them sees.

use std::borrow::Cow;

use super::escape::{decode, formatting, meaning, shown};
use super::field::Component;
use super::separators::Separators;
use crate::model::work::count;

/// What a reader makes of escape sequences.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EscapeReading {
    /// Those that stand for bytes are decoded, and the others stay: [`Component::text`].
    Decoded,
    /// As people see it: [`Component::shown_text`].
    Shown,
    /// Those that stand for bytes are decoded, the others dropped.
    OthersDropped,
    /// As before, and what follows an escape character that nothing ends is dropped as well.
    EndDropped,
    /// Everything that looks like bytes is decoded: letters of either case, `\C…\` and `\M…\`; the others are
    /// dropped.
    AllDecoded,
    /// As before, with ESC before the bytes of `\C…\` and `\M…\`: they select the sets of ISO 2022 (HL7 2.6
    /// ch. 2, 2.7.2 and 2.7.3).
    SetsSelected,
    /// Every sequence is dropped.
    AllDropped,
    /// What follows an escape character is dropped.
    CutOff,
    /// The escape character alone is dropped.
    Bare,
}

impl EscapeReading {
    /// All but that of the platform.
    pub const OTHERS: [Self; 8] = [
        Self::Shown,
        Self::OthersDropped,
        Self::EndDropped,
        Self::AllDecoded,
        Self::SetsSelected,
        Self::AllDropped,
        Self::CutOff,
        Self::Bare,
    ];

    /// What this reader sees of a value.
    pub(super) fn read(self, raw: &[u8], separators: Separators) -> Cow<'_, [u8]> {
        let Some(escape) = separators.escape.filter(|escape| raw.contains(escape)) else {
            return Cow::Borrowed(raw);
        };
        count(raw.len());
        let known = |sequence: &[u8]| meaning(sequence, separators).unwrap_or_default();
        match self {
            Self::Decoded => decode(raw, separators),
            Self::Shown => shown(raw, separators),
            Self::OthersDropped => pairs(raw, escape, separators, true, known),
            Self::EndDropped => pairs(raw, escape, separators, false, known),
            Self::AllDecoded => pairs(raw, escape, separators, true, |one| lenient(one, separators)),
            Self::SetsSelected => pairs(raw, escape, separators, true, |one| selecting(one, separators)),
            Self::AllDropped => pairs(raw, escape, separators, true, |_| Vec::new()),
            Self::CutOff => {
                let decoded = decode(raw, separators);
                let end = separators.find(escape, &decoded).unwrap_or(decoded.len());
                Cow::Owned(decoded.get(..end).unwrap_or_default().to_vec())
            }
            Self::Bare => {
                let parts: Vec<_> = separators.split(Some(escape), raw).collect();
                Cow::Owned(parts.concat())
            }
        }
    }
}

impl<'m> Component<'m> {
    /// The value without surrounding blanks, as that reader sees it.
    #[must_use]
    pub fn read(&self, how: EscapeReading) -> Cow<'m, [u8]> {
        how.read(self.trimmed(), self.separators())
    }
}

/// The text with each pair of escape characters, and what is between them, replaced.
fn pairs(
    raw: &[u8],
    escape: u8,
    separators: Separators,
    keeps_end: bool,
    meaning: impl Fn(&[u8]) -> Vec<u8>,
) -> Cow<'static, [u8]> {
    let mut value = Vec::with_capacity(raw.len());
    let mut parts = separators.split(Some(escape), raw);
    value.extend_from_slice(parts.next().unwrap_or_default());
    while let Some(sequence) = parts.next() {
        match parts.next() {
            Some(plain) => {
                value.extend(meaning(sequence));
                value.extend_from_slice(plain);
            }
            None if keeps_end => value.extend_from_slice(sequence),
            None => {}
        }
    }
    Cow::Owned(value)
}

/// What looks like bytes, in either case, with whatever is between the digits; formatting as it is shown.
pub(super) fn lenient(sequence: &[u8], separators: Separators) -> Vec<u8> {
    if let Some(bytes) = meaning(&sequence.to_ascii_uppercase(), separators) {
        return bytes;
    }
    let Some((b'X' | b'x' | b'C' | b'c' | b'M' | b'm', digits)) = sequence.split_first() else {
        return formatting(sequence).unwrap_or_default();
    };
    let digits: Vec<_> = digits.iter().filter_map(|digit| char::from(*digit).to_digit(16)).collect();
    let (bytes, _) = digits.as_chunks::<2>();
    bytes.iter().filter_map(|[high, low]| u8::try_from(high << 4 | low).ok()).collect()
}

/// As [`lenient`], with ESC before what selects a set.
fn selecting(sequence: &[u8], separators: Separators) -> Vec<u8> {
    let bytes = lenient(sequence, separators);
    match sequence {
        [b'C' | b'c' | b'M' | b'm', ..] if !bytes.is_empty() => [&[ESCAPE], &bytes[..]].concat(),
        _ => bytes,
    }
}

const ESCAPE: u8 = 0x1B;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reader_sees_another_text() {
        let raw = br"P\H\U\X4D\\x50\-\Zq\7\x";
        let seen =
            |how: EscapeReading| String::from_utf8(how.read(raw, Separators::STANDARD).into_owned()).unwrap();
        for (how, expected) in [
            (EscapeReading::Decoded, r"P\H\UM\x50\-\Zq\7\x"),
            (EscapeReading::Shown, r"PUM\x50\-\Zq\7\x"),
            (EscapeReading::OthersDropped, "PUM-7x"),
            (EscapeReading::EndDropped, "PUM-7"),
            (EscapeReading::AllDecoded, "PUMP-7x"),
            (EscapeReading::SetsSelected, "PUMP-7x"),
            (EscapeReading::AllDropped, "PU-7x"),
            (EscapeReading::CutOff, "P"),
            (EscapeReading::Bare, "PHUX4Dx50-Zq7x"),
        ] {
            assert_eq!(seen(how), expected, "{how:?}");
            assert_eq!(&*how.read(b"plain", Separators::STANDARD), b"plain");
        }
        let selected = EscapeReading::SetsSelected.read(br"\M2442\#M\c2842\ONITOR", Separators::STANDARD);
        assert_eq!(&*selected, b"\x1B$B#M\x1B(BONITOR");
    }
}
