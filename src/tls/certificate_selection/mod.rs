//! Which of the platform's two certificates a client gets to see. `// A3, A5`
//!
//! rustls wants the certificate before it picks the suite, and then picks among the suites that this certificate's
//! key can sign. The order of the specification goes across both kinds of key, so it is walked here: the first suite
//! that client and key and groups allow decides about the key, and rustls then arrives at the same suite.

mod offer;
mod unusable_key;

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::identity::{PlatformIdentity, ServedChain};
use super::status_request_v2;
use offer::{ClientOffer, ServerCapabilities};

/// The platform's certificates, as rustls asks for them. What is published here is what the next handshake uses;
/// both certificates change in one step, and handshakes under way keep what they have.
pub struct PlatformCertificates {
    identity: ArcSwap<PlatformIdentity>,
    negotiable: ServerCapabilities,
    refusal: Arc<CertifiedKey>,
}

impl PlatformCertificates {
    /// For a server that uses `provider`, which must be the one in its `ServerConfig`, with `ignore_client_order`
    /// on: the choice follows the order of its suites.
    #[must_use]
    pub fn new(provider: &CryptoProvider, identity: PlatformIdentity) -> Self {
        Self {
            identity: ArcSwap::from_pointee(identity),
            negotiable: ServerCapabilities::new(provider),
            refusal: Arc::new(unusable_key::certified_key()),
        }
    }

    /// Replaces both certificates for all handshakes that begin from now on.
    pub fn publish(&self, identity: PlatformIdentity) {
        self.identity.store(Arc::new(identity));
    }

    /// What handshakes are given at present.
    #[must_use]
    pub fn current(&self) -> Arc<PlatformIdentity> {
        self.identity.load_full()
    }
}

impl ResolvesServerCert for PlatformCertificates {
    /// Never `None`: rustls would say `access_denied`, and a client with nothing in common is owed
    /// `handshake_failure` (RFC 5246 section 7.4.1.3).
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let identity = self.identity.load();
        let chosen = self.negotiable.key(&ClientOffer::from(&hello), &identity);
        Some(chosen.map_or_else(|| Arc::clone(&self.refusal), |served| stapled(served)))
    }
}

/// The chain with its staples, in the form that this client asks for.
fn stapled(served: &ServedChain) -> Arc<CertifiedKey> {
    let response = status_request_v2::answer(served.key().cert.len(), &served.staples());
    if response.is_none() {
        return Arc::clone(served.key());
    }
    let mut key = CertifiedKey::clone(served.key());
    key.ocsp = response;
    Arc::new(key)
}

impl fmt::Debug for PlatformCertificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlatformCertificates")
            .field("identity", &self.identity.load())
            .finish_non_exhaustive()
    }
}
