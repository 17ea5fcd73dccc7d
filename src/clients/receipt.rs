//! The handles by which partners acknowledge notifications.

use std::fmt;
use std::str::FromStr;

use super::secret::{NoRandomness, StoredSecret};
use crate::model::Fingerprint;

/// A receipt handle, as a partner sends it: 256 random bits, of which only the hash is stored.
pub struct ReceiptHandle(Fingerprint);

/// The text is not a receipt handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a valid receipt handle")]
pub struct ReceiptHandleError;

impl ReceiptHandle {
    /// A new handle, for one delivery, and what is stored of it.
    ///
    /// # Errors
    /// When the machine has no randomness.
    pub fn generate() -> Result<(String, Fingerprint), NoRandomness> {
        StoredSecret::generate().map(|(handle, hash)| (handle.to_string(), hash))
    }

    /// What is stored of it.
    #[must_use]
    pub const fn hash(&self) -> Fingerprint {
        self.0
    }
}

impl FromStr for ReceiptHandle {
    type Err = ReceiptHandleError;

    fn from_str(text: &str) -> Result<Self, ReceiptHandleError> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        let is_handle = text.len() == CHARS && text.bytes().all(is_plain);
        if is_handle { Ok(Self(Fingerprint::sha256(text.as_bytes()))) } else { Err(ReceiptHandleError) }
    }
}

/// Without the handle.
impl fmt::Debug for ReceiptHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReceiptHandle")
    }
}

/// 32 bytes in base64url without padding.
const CHARS: usize = 43;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn n003_2_each_delivery_has_another_handle_which_is_found_by_its_hash() {
        let (one, hash) = ReceiptHandle::generate().unwrap();
        let (two, _) = ReceiptHandle::generate().unwrap();
        assert_ne!(one, two);
        assert_eq!(one.parse::<ReceiptHandle>().unwrap().hash(), hash);
        for wrong in ["", "x", &format!("{one}x"), &one.replace(|c: char| c.is_ascii(), "é"), &"=".repeat(43)]
        {
            assert_eq!(wrong.parse::<ReceiptHandle>().map(drop), Err(ReceiptHandleError), "{wrong}");
        }
    }
}
