//! The subject of a request, without its Common Name.

use std::str::FromStr;

use rcgen::{DistinguishedName, DnType, DnValue};

use crate::model::DeviceId;

/// Attributes of a subject without its Common Name, from a text such as `O=St. Elsewhere,C=DE`.
///
/// In the syntax of RFC 4514: the most specific first, `\` before a comma, plus sign, quote, semicolon, angle
/// bracket or backslash inside a value, or before two hexadecimal digits for a byte. One value per type.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subject(Vec<(Attribute, String)>);

/// Why a text is not a subject.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubjectError {
    /// Not `TYPE=value,TYPE=value`.
    #[error("expected TYPE=value,TYPE=value as in \"O=St. Elsewhere,C=DE\"")]
    Syntax,
    /// The Common Name has its own option.
    #[error("the common name is set by --cn")]
    CommonName,
    /// An unknown type.
    #[error("{0:?} is not one of O, OU, L, ST, C, serialNumber")]
    Type(String),
    /// A repeated type.
    #[error("{0} is given twice")]
    Twice(&'static str),
    /// RFC 5280 appendix A.1 does not allow the value.
    #[error("the value of {0} is empty, too long, or contains a character that is not allowed")]
    Value(&'static str),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Attribute {
    Organization,
    OrganizationalUnit,
    Locality,
    State,
    Country,
    SerialNumber,
}

impl Subject {
    /// The whole name, from the most general attribute to the Common Name.
    pub(super) fn with_common_name(&self, common_name: &DeviceId) -> DistinguishedName {
        let mut name = DistinguishedName::new();
        for (attribute, value) in self.0.iter().rev() {
            name.push(attribute.kind(), attribute.value(value));
        }
        name.push(DnType::CommonName, common_name.as_str());
        name
    }
}

impl FromStr for Subject {
    type Err = SubjectError;

    fn from_str(text: &str) -> Result<Self, SubjectError> {
        let mut attributes: Vec<(Attribute, String)> = Vec::new();
        for part in split(text) {
            let (keyword, value) = part.split_once('=').ok_or(SubjectError::Syntax)?;
            let attribute = Attribute::parse(keyword.trim())?;
            let value = unescaped(value.trim()).ok_or(SubjectError::Syntax)?;
            if attributes.iter().any(|(other, _)| *other == attribute) {
                return Err(SubjectError::Twice(attribute.keyword()));
            }
            if !attribute.allows(&value) {
                return Err(SubjectError::Value(attribute.keyword()));
            }
            attributes.push((attribute, value));
        }
        Ok(Self(attributes))
    }
}

impl Attribute {
    const ALL: [Self; 6] = [
        Self::Organization,
        Self::OrganizationalUnit,
        Self::Locality,
        Self::State,
        Self::Country,
        Self::SerialNumber,
    ];

    fn parse(keyword: &str) -> Result<Self, SubjectError> {
        let named = |attribute: &Self| attribute.keyword().eq_ignore_ascii_case(keyword);
        let unknown = || match keyword.eq_ignore_ascii_case("CN") {
            true => SubjectError::CommonName,
            false => SubjectError::Type(keyword.to_owned()),
        };
        Self::ALL.into_iter().find(named).ok_or_else(unknown)
    }

    const fn keyword(self) -> &'static str {
        match self {
            Self::Organization => "O",
            Self::OrganizationalUnit => "OU",
            Self::Locality => "L",
            Self::State => "ST",
            Self::Country => "C",
            Self::SerialNumber => "serialNumber",
        }
    }

    /// The upper bounds of RFC 5280 appendix A.1; a country is two letters of ISO 3166.
    fn allows(self, value: &str) -> bool {
        let longest = match self {
            Self::Organization | Self::OrganizationalUnit | Self::SerialNumber => 64,
            Self::Locality | Self::State => 128,
            Self::Country => 2,
        };
        let length = value.chars().count();
        let charset = match self {
            Self::Country => length == 2 && value.bytes().all(|byte| byte.is_ascii_uppercase()),
            Self::SerialNumber => rcgen::string::PrintableString::try_from(value).is_ok(),
            _ => !value.chars().any(char::is_control),
        };
        (1..=longest).contains(&length) && charset && value.trim() == value
    }

    fn kind(self) -> DnType {
        match self {
            Self::Organization => DnType::OrganizationName,
            Self::OrganizationalUnit => DnType::OrganizationalUnitName,
            Self::Locality => DnType::LocalityName,
            Self::State => DnType::StateOrProvinceName,
            Self::Country => DnType::CountryName,
            Self::SerialNumber => DnType::CustomDnType(vec![2, 5, 4, 5]),
        }
    }

    /// RFC 5280 appendix A.1: country and serial number are PrintableString, the others UTF8String.
    fn value(self, text: &str) -> DnValue {
        let printable = match self {
            Self::Country | Self::SerialNumber => text.try_into().ok(),
            _ => None,
        };
        printable.map_or_else(|| DnValue::Utf8String(text.to_owned()), DnValue::PrintableString)
    }
}

/// Splits at unescaped commas.
fn split(text: &str) -> Vec<&str> {
    let mut protected = false;
    let parts = text.split(|character| {
        let ends = character == ',' && !protected;
        protected = character == '\\' && !protected;
        ends
    });
    parts.collect()
}

/// Unescapes a value, RFC 4514 2.4. `None` for an unescaped special character or invalid UTF-8.
fn unescaped(value: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'"' | b'+' | b',' | b';' | b'<' | b'>' => return None,
            b'\\' => {
                let first = rest.next()?;
                bytes.push(match char::from(first).to_digit(16) {
                    Some(high) => u8::try_from(high * 16 + char::from(rest.next()?).to_digit(16)?).ok()?,
                    None if first.is_ascii_punctuation() => first,
                    None => return None,
                });
            }
            plain => bytes.push(plain),
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Vec<(Attribute, String)>, SubjectError> {
        text.parse().map(|subject: Subject| subject.0)
    }

    #[test]
    fn a_subject_is_parsed_as_rfc_4514_writes_it() {
        let own = |attribute, value: &str| (attribute, value.to_owned());
        assert_eq!(
            parse(r"O=St. Elsewhere\, North \2B South, L=K\C3\B6ln, c=DE"),
            Ok(vec![
                own(Attribute::Organization, "St. Elsewhere, North + South"),
                own(Attribute::Locality, "Köln"),
                own(Attribute::Country, "DE"),
            ])
        );
        assert_eq!(parse("O=a=b"), Ok(vec![own(Attribute::Organization, "a=b")]));
        assert_eq!(parse(r"O=a\\,OU=b").unwrap().len(), 2);
    }

    #[test]
    fn syntax_errors_and_forbidden_values_are_distinguished() {
        for text in ["", "O", "O=a,", "O=a+b", r"O=a\", r"O=\C3", r"O=\x", "O=\"a\""] {
            assert_eq!(parse(text), Err(SubjectError::Syntax), "{text}");
        }
        assert_eq!(parse("CN=pump"), Err(SubjectError::CommonName));
        assert_eq!(parse("DC=example"), Err(SubjectError::Type("DC".to_owned())));
        assert_eq!(parse("O=a,o=b"), Err(SubjectError::Twice("O")));
        for (text, keyword) in
            [("C=Germany", "C"), ("C=de", "C"), ("O=", "O"), ("serialNumber=Ä", "serialNumber")]
        {
            assert_eq!(parse(text), Err(SubjectError::Value(keyword)), "{text}");
        }
        assert_eq!(parse(&format!("O={}", "x".repeat(65))), Err(SubjectError::Value("O")));
    }
}
