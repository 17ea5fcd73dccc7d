//! Who a message says it is from.

use std::fmt;
use std::str::FromStr;

/// What a directory entry allows a certificate to speak for: one identifier, or an EUI-64 prefix (`00A037*`).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdentityPattern(String);

/// A text that is no pattern of device identities.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an identity pattern has at least one character")]
pub struct IdentityPatternError;

impl FromStr for IdentityPattern {
    type Err = IdentityPatternError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.trim().is_empty() { Err(IdentityPatternError) } else { Ok(Self(text.trim().to_owned())) }
    }
}

impl fmt::Display for IdentityPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
