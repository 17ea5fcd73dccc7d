//! The fallback certificate for a client without a common cipher suite.

use std::sync::Arc;

use rustls::SignatureAlgorithm;
use rustls::SignatureScheme;
use rustls::sign::{CertifiedKey, Signer, SigningKey};

/// A certificate that no suite can use. rustls finds no suite for it and ends the handshake with
/// `handshake_failure`.
pub(super) fn certified_key() -> CertifiedKey {
    CertifiedKey::new(Vec::new(), Arc::new(UnusableKey))
}

/// A key that signs nothing.
#[derive(Debug)]
struct UnusableKey;

impl SigningKey for UnusableKey {
    fn choose_scheme(&self, _offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        None
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::Anonymous
    }
}
