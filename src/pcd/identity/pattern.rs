//! Patterns of the identities that a certificate may speak for.

use std::fmt;
use std::str::FromStr;

use super::device_identity::DeviceIdentity;

/// A pattern of identities in a directory entry.
///
/// The notation is an identifier (`00A037EB2175780F`), an identifier with its type (`mindray.com^DNS`), a
/// unit of an assigner (`F1519EFX^mindray.com^DNS`), all of its units (`*^mindray.com^DNS`), or a prefix of
/// an EUI-64 of at least 24 bits, the manufacturer (`00A037*`). An identifier without a type matches every
/// type. A lone `*` matches everything; it does not parse, see [`IdentityPattern::any`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdentityPattern {
    text: String,
    matches: Matches,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Matches {
    Identity(DeviceIdentity),
    /// The first `digits` hexadecimal digits of an EUI-64.
    Beginning {
        value: u64,
        digits: u32,
    },
    /// Every unit of this assigner.
    Units(DeviceIdentity),
    Everything,
}

/// Why a text is not a pattern of device identities.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityPatternError {
    /// The text is empty.
    #[error("an identity pattern has at least one character")]
    Empty,
    /// A lone `*`.
    #[error("`*` would let the certificate speak for every device; if that is meant, say --any")]
    Everything,
    /// A `*` that does not follow a prefix of an EUI-64.
    #[error(
        "`*` must follow 6 to 15 hexadecimal digits, the prefix of an EUI-64, as in `00A037*`, or stand for the units of an assigner, as in `*^mindray.com^DNS`"
    )]
    Wildcard,
}

impl IdentityPattern {
    /// The pattern that matches every identity. Use it only where an operator asked for it explicitly.
    #[must_use]
    pub fn any() -> Self {
        Self { text: "*".to_owned(), matches: Matches::Everything }
    }

    /// Whether it matches every identity.
    #[must_use]
    pub const fn is_any(&self) -> bool {
        matches!(self.matches, Matches::Everything)
    }

    /// Parses a stored pattern, including [`IdentityPattern::any`].
    ///
    /// # Errors
    /// When it is not a pattern.
    pub fn from_stored(text: &str) -> Result<Self, IdentityPatternError> {
        if text == "*" { Ok(Self::any()) } else { text.parse() }
    }

    /// The identity, where the pattern is one.
    #[must_use]
    pub const fn identity(&self) -> Option<&DeviceIdentity> {
        match &self.matches {
            Matches::Identity(identity) => Some(identity),
            _ => None,
        }
    }

    /// Whether the certificate may speak for `identity`.
    #[must_use]
    pub fn allows(&self, identity: &DeviceIdentity) -> bool {
        match (&self.matches, identity) {
            (Matches::Everything, _) => true,
            (Matches::Units(assigner), unit) => {
                unit.assigner().is_some_and(|claimed| assigner.stands_for(&claimed))
            }
            (Matches::Beginning { value, digits }, DeviceIdentity::Eui64(number)) => {
                number >> (64 - 4 * digits) == *value
            }
            (Matches::Beginning { .. }, DeviceIdentity::Named { .. }) => false,
            (Matches::Identity(allowed), _) => allowed.stands_for(identity),
        }
    }
}

impl FromStr for IdentityPattern {
    type Err = IdentityPatternError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if text == "*" {
            return Err(IdentityPatternError::Everything);
        }
        let matches = match text.split_once('*') {
            Some((digits, "")) => beginning(digits)?,
            Some(("", units)) => {
                let assigner = units.strip_prefix('^').and_then(DeviceIdentity::parse);
                Matches::Units(assigner.ok_or(IdentityPatternError::Wildcard)?)
            }
            Some(_) => return Err(IdentityPatternError::Wildcard),
            None => Matches::Identity(DeviceIdentity::parse(text).ok_or(IdentityPatternError::Empty)?),
        };
        Ok(Self { text: text.to_owned(), matches })
    }
}

fn beginning(text: &str) -> Result<Matches, IdentityPatternError> {
    let (mut value, mut digits) = (0_u64, 0_u32);
    for character in text.chars().filter(|character| !matches!(character, '-' | ':' | '.' | ' ')) {
        let digit = character.to_digit(16).filter(|_| digits < 15).ok_or(IdentityPatternError::Wildcard)?;
        value = value << 4 | u64::from(digit);
        digits += 1;
    }
    if digits < 6 { Err(IdentityPatternError::Wildcard) } else { Ok(Matches::Beginning { value, digits }) }
}

impl fmt::Display for IdentityPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(pattern: &str, id: &str, kind: &str) -> bool {
        let pattern: IdentityPattern = pattern.parse().unwrap();
        pattern.allows(&DeviceIdentity::new(id, kind).unwrap())
    }

    #[test]
    fn a_pattern_matches_its_identity() {
        assert!(allows("00-a0-37-eb-21-75-78-0f", "00A037EB2175780F", "EUI64"));
        assert!(!allows("00A037EB2175780F", "00A037EB2175780E", "EUI-64"));
        assert!(allows("mindray.com^DNS", "MINDRAY.com", "DNS"));
        assert!(!allows("mindray.com^DNS", "mindray.com", ""), "the claim says less than is allowed");
        let unit = |pattern: &str, kind: &str| {
            let pattern: IdentityPattern = pattern.parse().unwrap();
            pattern.allows(&DeviceIdentity::unit("F1519efx", "mindray.com", kind))
        };
        assert!(unit("F1519EFX^mindray.com^DNS", "DNS") && unit("*^mindray.com^DNS", "DNS"));
        assert!(unit("F1519EFX^mindray.com^", "") && unit("*^mindray.com", ""));
        for other in ["mindray.com^DNS", "F1519EFY^mindray.com^DNS", "*^philips.com^DNS", "F1519EFX"] {
            assert!(!unit(other, "DNS"), "{other}");
        }
        let unit = DeviceIdentity::unit("F1519efx", "mindray.com", "");
        assert_eq!(DeviceIdentity::parse(&unit.to_string()), Some(unit));
        assert!(allows("ward-7", "WARD-7", "L"), "no type stands for every type");
    }

    #[test]
    fn no_part_of_an_identifier_is_enough() {
        assert!(!allows("ward", "ward-7", "") && !allows("ward-7", "ward", ""));
        assert!(!allows("00A037EB2175780F", "00A037EB2175780F00", "EUI-64"));
    }

    #[test]
    fn the_beginning_of_an_eui_64_allows_a_manufacturer() {
        assert!(allows("00A037*", "00A037EB2175780F", "EUI-64"));
        assert!(allows("00:a0:37*", "00a037123456", ""));
        assert!(!allows("00A037*", "00A038EB2175780F", "EUI-64"));
        assert!(!allows("00A037*", "00A037EB2175780F", "ISO"));
        assert!(allows("00A037EB2175780*", "00A037EB2175780F", ""));
    }

    #[test]
    fn no_text_parses_as_the_any_pattern() {
        assert_eq!("*".parse::<IdentityPattern>(), Err(IdentityPatternError::Everything));
        assert_eq!(" * ".parse::<IdentityPattern>(), Err(IdentityPatternError::Everything));
        for text in ["0*", "00A03*", "ward*", "*00A037", "00A037*0", "00A037**", "00A037EB2175780F*"] {
            assert_eq!(text.parse::<IdentityPattern>(), Err(IdentityPatternError::Wildcard), "{text}");
        }
        assert_eq!(" ".parse::<IdentityPattern>(), Err(IdentityPatternError::Empty));
        assert_eq!("^DNS".parse::<IdentityPattern>(), Err(IdentityPatternError::Empty));
        assert!(IdentityPattern::any().allows(&DeviceIdentity::Eui64(7)));
    }

    #[test]
    fn a_pattern_displays_its_notation() {
        for text in ["00A037*", "00-a0-37-eb-21-75-78-0f", "mindray.com^DNS", "ward 7"] {
            let pattern: IdentityPattern = text.parse().unwrap();
            assert_eq!(pattern.to_string(), text);
            assert_eq!(IdentityPattern::from_stored(text), Ok(pattern));
        }
        assert_eq!(
            IdentityPattern::from_stored(&IdentityPattern::any().to_string()),
            Ok(IdentityPattern::any())
        );
    }
}
