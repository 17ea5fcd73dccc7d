//! Which of the two certificates a client gets.

use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

/// The platform's certificates: an ECC and an RSA one at once (A5).
#[derive(Debug, Clone, Default)]
pub struct PlatformIdentity {
    /// The ECC chain and its key.
    pub ecc: Option<Arc<CertifiedKey>>,
    /// The RSA chain and its key.
    pub rsa: Option<Arc<CertifiedKey>>,
}

/// Chooses by what the client can use, ECC first.
#[derive(Debug)]
pub(super) struct CertificateChoice(pub(super) Arc<ArcSwap<PlatformIdentity>>);

impl ResolvesServerCert for CertificateChoice {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let identity = self.0.load();
        [&identity.ecc, &identity.rsa]
            .into_iter()
            .flatten()
            .find(|key| key.key.choose_scheme(hello.signature_schemes()).is_some())
            .cloned()
    }
}
