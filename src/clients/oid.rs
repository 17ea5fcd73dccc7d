//! Object identifiers of organisations.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use uuid::Uuid;

/// An object identifier (ITU-T X.660) with dots: `1.3.6.1.4.1.19376`. At most 128 characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Oid(Arc<str>);

/// The text is not an object identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected an object identifier such as 1.3.6.1.4.1.19376, of at most {MAX_CHARS} characters")]
pub struct OidError;

impl Oid {
    /// The identifier of a UUID, under the arc that needs no registration (ITU-T X.667 section 7).
    #[must_use]
    pub fn from_uuid(uuid: Uuid) -> Self {
        Self(format!("2.25.{}", uuid.as_u128()).into())
    }

    /// The identifier as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Oid {
    type Err = OidError;

    /// Accepts the prefix `urn:oid:` (RFC 3061).
    fn from_str(text: &str) -> Result<Self, OidError> {
        let text = text.strip_prefix("urn:oid:").unwrap_or(text);
        let is_arc = |arc: &str| {
            let digits = !arc.is_empty() && arc.bytes().all(|byte| byte.is_ascii_digit());
            digits && (arc == "0" || !arc.starts_with('0'))
        };
        let mut arcs = text.split('.');
        let (first, second) = (arcs.next().unwrap_or_default(), arcs.next().unwrap_or_default());
        // X.660 section 7: below the roots 0 and 1 there are 40 arcs.
        let is_second = match first {
            "0" | "1" => second.parse::<u8>().is_ok_and(|arc| arc < 40),
            "2" => true,
            _ => false,
        };
        let is_oid = text.len() <= MAX_CHARS && is_second && is_arc(second) && arcs.all(is_arc);
        if is_oid { Ok(Self(text.into())) } else { Err(OidError) }
    }
}

impl fmt::Display for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Characters of an identifier.
const MAX_CHARS: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_identifier_has_arcs_without_leading_zeros() {
        for text in ["1.3.6.1.4.1.19376", "2.25.0", "0.9", "2.999.1"] {
            assert_eq!(text.parse::<Oid>().unwrap().as_str(), text);
        }
        assert_eq!("urn:oid:1.2.3".parse::<Oid>().unwrap().as_str(), "1.2.3");
        let long = format!("1.2{}", ".1".repeat(64));
        for text in ["", "1", "1.", "3.1", "1.40", "1.2.", "1..2", "1.2.03", "1.02", "1.2.x", "1.2.+3", &long]
        {
            assert_eq!(text.parse::<Oid>(), Err(OidError), "{text}");
        }
    }

    #[test]
    fn n000_1_a_uuid_becomes_an_object_identifier() {
        // The example of ITU-T X.667 section 7.
        let uuid = Uuid::parse_str("f81d4fae-7dec-11d0-a765-00a0c91e6bf6").unwrap();
        let oid = Oid::from_uuid(uuid);
        assert_eq!(oid.as_str(), "2.25.329800735698586629295641978511506172918");
        assert_eq!(oid.as_str().parse(), Ok(oid));
    }
}
