//! Selection of the platform certificate for a client: ECC or RSA. `// A3, A5`
//!
//! rustls requests the certificate before it selects the cipher suite, and then selects among the suites that
//! the key of this certificate can sign. The suite order of the specification mixes both kinds of key. The
//! selection therefore walks this order itself: the first suite that the client, a key and the groups allow
//! decides the key. rustls then arrives at the same suite.

mod offer;
mod unusable_key;

use std::fmt;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::identity::{PlatformIdentity, ServedChain};
use super::status_request_v2;
use offer::{ClientOffer, ServerCapabilities};

/// The platform's certificates as a rustls certificate resolver.
pub struct PlatformCertificates {
    identity: PlatformIdentity,
    capabilities: ServerCapabilities,
    fallback: Arc<CertifiedKey>,
}

impl PlatformCertificates {
    /// A resolver that follows the suite order of `provider`. The server's `ServerConfig` must use the same
    /// provider, with `ignore_client_order` on.
    #[must_use]
    pub fn new(provider: &CryptoProvider, identity: PlatformIdentity) -> Self {
        Self {
            identity,
            capabilities: ServerCapabilities::new(provider),
            fallback: Arc::new(unusable_key::certified_key()),
        }
    }
}

impl ResolvesServerCert for PlatformCertificates {
    /// Never returns `None`: rustls would send `access_denied`, but a client without a common suite gets
    /// `handshake_failure` (RFC 5246 section 7.4.1.3).
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let chain = self.capabilities.select_chain(&ClientOffer::from(&hello), &self.identity);
        Some(chain.map_or_else(|| Arc::clone(&self.fallback), |chain| with_staples(&chain)))
    }
}

/// The chain with its staples, in the form that this client requests.
fn with_staples(chain: &ServedChain) -> Arc<CertifiedKey> {
    let response = status_request_v2::response_for_rustls(chain.key().cert.len(), &chain.staples());
    if response.is_none() {
        return Arc::clone(chain.key());
    }
    let mut key = CertifiedKey::clone(chain.key());
    key.ocsp = response;
    Arc::new(key)
}

impl fmt::Debug for PlatformCertificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlatformCertificates").field("identity", &self.identity).finish_non_exhaustive()
    }
}
