//! The secrets of clients: 256 random bits, of which only the hash is stored.

use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::model::Fingerprint;

/// A stored secret: its hash, and until when it counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSecret {
    /// SHA-256 of the secret. A secret has 256 random bits, so a slower hash would protect nothing.
    pub hash: Fingerprint,
    /// When it ends; `None`: with the next rotation.
    pub ends: Option<Timestamp>,
}

/// The machine has no randomness for a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the operating system provides no random bytes")]
pub struct NoRandomness;

impl StoredSecret {
    /// A new secret, which is shown once, and its hash.
    ///
    /// # Errors
    /// When the machine has no randomness.
    pub fn generate() -> Result<(Zeroizing<String>, Fingerprint), NoRandomness> {
        let mut bytes = Zeroizing::new([0_u8; 32]);
        SystemRandom::new().fill(bytes.as_mut_slice()).map_err(|_| NoRandomness)?;
        let secret = Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes.as_slice()));
        let hash = Fingerprint::sha256(secret.as_bytes());
        Ok((secret, hash))
    }

    /// Whether `given` has the form of what [`StoredSecret::generate`] makes: secrets and access tokens.
    #[must_use]
    pub fn has_form(given: &str) -> bool {
        let is_digit = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        given.len() == 43 && given.bytes().all(is_digit)
    }

    /// Whether `given` is this secret at this time. How long it takes does not depend on where they differ.
    #[must_use]
    pub fn is(&self, given: &str, now: Timestamp) -> bool {
        let hash = Fingerprint::sha256(given.as_bytes());
        let is_same = bool::from(hash.as_bytes().ct_eq(self.hash.as_bytes()));
        is_same && self.ends.is_none_or(|ends| now < ends)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn n000_2_a_secret_is_random_and_ends_when_it_should() {
        let (one, hash) = StoredSecret::generate().unwrap();
        let (two, other) = StoredSecret::generate().unwrap();
        assert!(StoredSecret::has_form(&one) && one != two && hash != other);
        assert!(!StoredSecret::has_form(&one[1..]) && !StoredSecret::has_form(&one.replace(&one[..1], "+")));
        let now = Timestamp::UNIX_EPOCH;
        let ends = now + jiff::SignedDuration::from_secs(1);
        let stored = StoredSecret { hash, ends: Some(ends) };
        assert!(stored.is(&one, now) && !stored.is(&two, now) && !stored.is("", now));
        assert!(!stored.is(&one, ends) && StoredSecret { hash, ends: None }.is(&one, ends));
    }
}
