//! The id of an enrolment, which is also the user of its code.

use std::fmt;
use std::str::FromStr;

use super::code::{NoRandomness, base32, random};
use crate::model::{Fingerprint, KeyHash};

/// The id of an enrolment: 8 to 26 letters and digits of base32 (RFC 4648 section 6), in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EnrolmentId(String);

/// The text is not the id of an enrolment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the id of an enrolment has 8 to 26 letters and digits; `enrol list` shows all")]
pub struct EnrolmentIdError;

impl EnrolmentId {
    /// A new one.
    ///
    /// # Errors
    /// When the machine has no randomness.
    pub fn generate() -> Result<Self, NoRandomness> {
        Ok(Self(base32(random::<5>()?.as_slice())))
    }

    /// That of a renewal by this certificate with this key: the same each time.
    #[must_use]
    pub fn for_renewal(certificate: Fingerprint, key: KeyHash) -> Self {
        let both = format!("{certificate} {key}");
        let digest = Fingerprint::sha256(both.as_bytes());
        Self(base32(digest.as_bytes().get(..RENEWAL_BYTES).unwrap_or_default()))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for EnrolmentId {
    type Err = EnrolmentIdError;

    fn from_str(text: &str) -> Result<Self, EnrolmentIdError> {
        let is_id = (MIN_CHARS..=MAX_CHARS).contains(&text.len())
            && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'2'..=b'7'));
        if is_id { Ok(Self(text.to_owned())) } else { Err(EnrolmentIdError) }
    }
}

impl fmt::Display for EnrolmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Bytes of the digest in the id of a renewal.
const RENEWAL_BYTES: usize = 16;
const MIN_CHARS: usize = 8;
const MAX_CHARS: usize = 26;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn n000_4_an_id_is_written_as_it_is_read() {
        let id = EnrolmentId::generate().unwrap();
        assert_eq!(id.to_string().parse(), Ok(id.clone()));
        let renewal = |key: &[u8]| EnrolmentId::for_renewal(Fingerprint::sha256(b"a"), KeyHash::sha256(key));
        assert_eq!(renewal(b"k"), renewal(b"k"));
        assert_ne!(renewal(b"k"), renewal(b"l"));
        assert_eq!(renewal(b"k").to_string().parse(), Ok(renewal(b"k")));
        for text in ["", "abc", "ABCDEFGH", "abcdefg1", "abcdefg:", &"a".repeat(27)] {
            assert_eq!(text.parse::<EnrolmentId>(), Err(EnrolmentIdError), "{text}");
        }
    }
}
