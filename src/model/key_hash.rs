//! The hash of a public key.

use std::fmt;
use std::str::FromStr;

use super::{Fingerprint, hexadecimal};

/// SHA-256 over a SubjectPublicKeyInfo in DER (RFC 5280 4.1.2.7; RFC 7469 2.4), shown as 64 lower-case
/// hexadecimal digits. A CA that renews its certificate and keeps its key keeps this hash.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyHash(Fingerprint);

/// The text is not the hash of a public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected the SHA-256 of a public key: 64 hexadecimal digits, with or without colons")]
pub struct KeyHashError;

impl KeyHash {
    /// The hash of a SubjectPublicKeyInfo in DER.
    #[must_use]
    pub fn sha256(public_key: &[u8]) -> Self {
        Self(Fingerprint::sha256(public_key))
    }
}

impl FromStr for KeyHash {
    type Err = KeyHashError;

    /// Accepts upper-case digits, colons between octets, and the prefix `sha256:`.
    fn from_str(text: &str) -> Result<Self, KeyHashError> {
        let digits: String =
            text.strip_prefix("sha256:").unwrap_or(text).chars().filter(|digit| *digit != ':').collect();
        let octets = hexadecimal::decode(&digits).ok_or(KeyHashError)?;
        let octets = <[u8; 32]>::try_from(octets).map_err(|_| KeyHashError)?;
        Ok(Self(Fingerprint::from_bytes(octets)))
    }
}

impl fmt::Display for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_hash_is_read_in_the_forms_that_tools_print() {
        let hash = KeyHash::sha256(b"");
        let digits = hash.to_string();
        let octets: Vec<&str> =
            digits.as_bytes().chunks(2).map(|octet| str::from_utf8(octet).unwrap()).collect();
        for text in [digits.clone(), digits.to_uppercase(), format!("sha256:{digits}"), octets.join(":")] {
            assert_eq!(text.parse(), Ok(hash), "{text}");
        }
        for text in ["", "sha256:", &digits[1..], &format!("{digits}00"), &digits.replace('e', "g"), "ca.pem"]
        {
            assert_eq!(text.parse::<KeyHash>(), Err(KeyHashError), "{text}");
        }
    }
}
