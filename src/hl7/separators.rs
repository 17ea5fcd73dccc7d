//! The delimiters of a message.

use super::encoding::{Encoding, Split};

/// The separators of one message: MSH-1 and the characters of MSH-2 (HL7 2.6 ch. 2, 2.5.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Separators {
    /// Between fields, usually `|`.
    pub field: u8,
    /// Between components, `^`.
    pub component: u8,
    /// Between repetitions, `~`.
    pub repetition: u8,
    /// Around escape sequences, `\`; optional.
    pub escape: Option<u8>,
    /// Between subcomponents, `&`; optional.
    pub subcomponent: Option<u8>,
    /// Marks a truncated value, `#` (HL7 2.7 and later).
    pub truncation: Option<u8>,
    /// Which bytes of the text can be delimiters (MSH-18).
    pub(super) encoding: Encoding,
}

impl Separators {
    /// The recommended delimiters; also the default where a message cannot be read.
    pub const STANDARD: Self = Self {
        field: b'|',
        component: b'^',
        repetition: b'~',
        escape: Some(b'\\'),
        subcomponent: Some(b'&'),
        truncation: None,
        encoding: Encoding::AsciiSafe,
    };

    /// Reads what follows the three letters of a header segment (MSH, FHS, BHS).
    ///
    /// MSH-2 has four characters, five with the truncation character. With three characters the escape or the
    /// subcomponent character is missing; the third one decides which. A doubled escape character (`^~\\&`)
    /// counts once.
    pub(super) fn parse(after_id: &[u8]) -> Option<Self> {
        let (&field, rest) = after_id.split_first()?;
        let end =
            rest.iter().position(|byte| *byte == field || matches!(*byte, CR | LF)).unwrap_or(rest.len());
        let separators = match *rest.get(..end)? {
            [component, repetition, b'&'] => Self {
                field,
                component,
                repetition,
                escape: None,
                subcomponent: Some(b'&'),
                ..Self::STANDARD
            },
            [component, repetition, escape] => {
                let escape = Some(escape);
                Self { field, component, repetition, escape, subcomponent: None, ..Self::STANDARD }
            }
            [component, repetition, escape, subcomponent] => {
                Self::full(field, component, repetition, escape, subcomponent)
            }
            [component, repetition, escape, again, subcomponent] if again == escape => {
                Self::full(field, component, repetition, escape, subcomponent)
            }
            [component, repetition, escape, subcomponent, truncation] => {
                let truncation = Some(truncation);
                Self { truncation, ..Self::full(field, component, repetition, escape, subcomponent) }
            }
            _ => return None,
        };
        separators.are_usable().then_some(separators)
    }

    const fn full(field: u8, component: u8, repetition: u8, escape: u8, subcomponent: u8) -> Self {
        let (escape, subcomponent) = (Some(escape), Some(subcomponent));
        Self { field, component, repetition, escape, subcomponent, ..Self::STANDARD }
    }

    /// Whether each delimiter is ASCII punctuation and all are different.
    pub(super) fn are_usable(self) -> bool {
        let all = [
            Some(self.field),
            Some(self.component),
            Some(self.repetition),
            self.escape,
            self.subcomponent,
            self.truncation,
        ];
        all.iter().enumerate().all(|(at, separator)| {
            separator.is_none_or(|byte| byte.is_ascii_punctuation())
                && all.iter().skip(at + 1).all(|other| separator.is_none() || other != separator)
        })
    }

    /// The position of the first `delimiter` in `bytes`, which begin with a character.
    #[inline]
    pub(super) fn find(self, delimiter: u8, bytes: &[u8]) -> Option<usize> {
        self.encoding.find(delimiter, bytes)
    }

    /// The parts of `bytes` between delimiters; at least one.
    pub(super) const fn split(self, delimiter: Option<u8>, bytes: &[u8]) -> Split<'_> {
        self.encoding.split(delimiter, bytes)
    }

    /// Whether every character of a text is one that all decoders of the message's set have. True in sets in
    /// which no character hides a delimiter.
    #[must_use]
    pub fn has_common_characters(self, text: &[u8]) -> bool {
        self.encoding == Encoding::AsciiSafe || self.encoding.has_common_characters(text)
    }

    /// Whether decoders disagree on which bytes of `segment` are delimiters.
    pub(super) fn is_ambiguous(self, segment: &[u8]) -> bool {
        let is_delimiter =
            |byte| byte == self.field || self.encoding_characters().any(|delimiter| delimiter == byte);
        self.encoding.is_ambiguous(segment, is_delimiter)
    }

    /// MSH-2, in the order of the standard.
    pub(super) fn encoding_characters(self) -> impl Iterator<Item = u8> {
        [Some(self.component), Some(self.repetition), self.escape, self.subcomponent, self.truncation]
            .into_iter()
            .flatten()
    }
}

/// Ends a segment (HL7 2.6 ch. 2, 2.5.4).
pub(super) const CR: u8 = b'\r';
/// Not a delimiter of HL7; some senders end segments with it.
pub(super) const LF: u8 = b'\n';

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(after_id: &str) -> Option<Separators> {
        Separators::parse(after_id.as_bytes())
    }

    #[test]
    fn three_to_five_encoding_characters_are_read() {
        let standard = Separators::STANDARD;
        assert_eq!(parse(r"|^~\&|APP"), Some(standard));
        assert_eq!(parse(r"|^~\&#|APP"), Some(Separators { truncation: Some(b'#'), ..standard }));
        assert_eq!(parse("|^~&|APP"), Some(Separators { escape: None, ..standard }));
        assert_eq!(parse(r"|^~\|APP"), Some(Separators { subcomponent: None, ..standard }));
        assert_eq!(parse(r"|^~\\&|APP"), Some(standard), "a doubled escape character");
        assert_eq!(parse("|^~\\&\rPID"), Some(standard), "nothing but separators");
    }

    #[test]
    fn other_characters_than_the_usual_ones_are_read() {
        let turned = parse(r"^~|\&^APP").unwrap();
        assert_eq!((turned.field, turned.component, turned.repetition), (b'^', b'~', b'|'));
        assert_eq!(parse(r"|^~\}|APP").unwrap().subcomponent, Some(b'}'));
    }

    #[test]
    fn separators_that_cannot_separate_are_refused() {
        for unusable in
            ["", "|", "||", "|^|", "|^~|", r"|^~\&#!|", r"|^^\&|", "|^~|&|", "Aabcd", "|^~\\\0|", " ^~\\&"]
        {
            assert_eq!(parse(unusable), None, "{unusable:?}");
        }
    }

    #[test]
    fn the_encoding_characters_are_written_as_they_were_read() {
        for written in [r"^~\&", r"^~\&#", "^~&", r"^~\"] {
            let back: Vec<u8> = parse(&format!("|{written}|")).unwrap().encoding_characters().collect();
            assert_eq!(back, written.as_bytes());
        }
    }
}
