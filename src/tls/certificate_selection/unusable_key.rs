//! The certificate for a client with whom nothing is in common.

use std::sync::Arc;

use rustls::SignatureAlgorithm;
use rustls::SignatureScheme;
use rustls::sign::{CertifiedKey, Signer, SigningKey};

/// A certificate that no suite can use. rustls goes through its own selection with it, finds nothing, and ends the
/// handshake with `handshake_failure`.
pub(super) fn certified_key() -> CertifiedKey {
    CertifiedKey::new(Vec::new(), Arc::new(NoKey))
}

#[derive(Debug)]
struct NoKey;

impl SigningKey for NoKey {
    fn choose_scheme(&self, _offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        None
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::Anonymous
    }
}
