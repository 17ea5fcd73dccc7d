//! The device identifier of the specification.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The Common Name in the subject of a client's certificate, under which a device or gateway is authorized to
/// connect (A8).
///
/// One to 64 characters (`ub-common-name`, RFC 5280 appendix A.1), without control characters or surrounding
/// white space. Compared byte for byte.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeviceId(Arc<str>);

/// Why a text is not a device identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DeviceIdError {
    /// The text is empty.
    #[error("a device identifier has at least one character")]
    Empty,
    /// More than `ub-common-name` allows.
    #[error("a device identifier has at most {max} characters, this one has {0}", max = DeviceId::MAX_CHARS)]
    TooLong(usize),
    /// A control character, or white space at an end.
    #[error("a device identifier has no control characters, and no white space at its ends")]
    Character,
}

impl DeviceId {
    /// `ub-common-name`.
    pub const MAX_CHARS: usize = 64;

    /// Parses a device identifier.
    ///
    /// # Errors
    /// When it is empty, too long, or contains forbidden characters.
    pub fn parse(text: &str) -> Result<Self, DeviceIdError> {
        let chars = text.chars().count();
        if chars == 0 {
            return Err(DeviceIdError::Empty);
        }
        if chars > Self::MAX_CHARS {
            return Err(DeviceIdError::TooLong(chars));
        }
        if text.trim() != text || text.chars().any(char::is_control) {
            return Err(DeviceIdError::Character);
        }
        Ok(Self(text.into()))
    }

    /// The identifier as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for DeviceId {
    type Err = DeviceIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_common_name_is_accepted_unchanged_or_refused() {
        assert_eq!(DeviceId::parse("00A037EB2175780F").unwrap().as_str(), "00A037EB2175780F");
        assert_eq!(DeviceId::parse(""), Err(DeviceIdError::Empty));
        assert_eq!(DeviceId::parse(&"x".repeat(65)), Err(DeviceIdError::TooLong(65)));
        assert_eq!(DeviceId::parse(" monitor"), Err(DeviceIdError::Character));
        assert_eq!(DeviceId::parse("a\0b"), Err(DeviceIdError::Character));
    }
}
