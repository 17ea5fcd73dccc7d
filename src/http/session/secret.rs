//! Secrets of 256 bits, of which this process keeps the digests only.

use std::fmt;

use aws_lc_rs::digest;
use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use subtle::ConstantTimeEq as _;

use crate::model::hexadecimal;

/// A secret, as the client has it.
pub(in crate::http) struct Secret(String);

/// The digest of a secret.
#[derive(Clone, Copy)]
pub(super) struct SecretDigest([u8; 32]);

impl Secret {
    /// A new one; `None` when the machine has no randomness.
    pub(super) fn new() -> Option<Self> {
        let mut bytes = [0; 32];
        SystemRandom::new().fill(&mut bytes).ok()?;
        Some(Self(hexadecimal::encode(&bytes)))
    }

    pub(in crate::http) fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn digest(&self) -> SecretDigest {
        SecretDigest::of(&self.0)
    }
}

impl SecretDigest {
    /// The digest of what a client sent.
    pub(super) fn of(text: &str) -> Self {
        let mut digest = [0; 32];
        let computed = digest::digest(&digest::SHA256, text.as_bytes());
        digest.copy_from_slice(computed.as_ref());
        Self(digest)
    }

    /// Whether they are of one secret, in a time that does not depend on where they differ.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

/// Without the secret.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// Without the digest.
impl fmt::Debug for SecretDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretDigest")
    }
}
