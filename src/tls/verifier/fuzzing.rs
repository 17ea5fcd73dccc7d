//! The path validator for the fuzzers: without revocation and the directory.

use super::{AdmissionPolicy, Caches, CertificateDer, Engine, PeerVerifier, Timestamp, Trust, UnixTime};
use crate::authz::DirectoryHandle;
use crate::config::Config;
use crate::model::{Clock, Refusal};
use crate::tls::provider::{Settings, provider};

/// Validates chains of clients.
#[derive(Debug)]
pub struct PathValidator(PeerVerifier);

impl PathValidator {
    /// A validator with the roots of this configuration; `None` when they cannot be used.
    #[must_use]
    pub fn new(config: &Config, revocation: Engine, clock: &Clock) -> Option<Self> {
        let (roots, skew) = (&config.tls.client_trust_anchors, config.revocation.clock_skew);
        let settings = Settings::new(&config.tls.versions, config.tls.ecdhe_rsa);
        Some(Self(PeerVerifier {
            trust: Trust::load_for_clients(roots, clock.now(), skew).ok()?,
            revocation,
            caches: Caches::default(),
            policy: AdmissionPolicy::from_config(config),
            directory: DirectoryHandle::default(),
            algorithms: provider(settings).signature_verification_algorithms,
        }))
    }

    /// Whether the chain, the certificate of the device first, leads to a root.
    ///
    /// # Errors
    /// Why it does not.
    pub fn validate(&self, chain: &[Vec<u8>], now: Timestamp) -> Result<(), Refusal> {
        let chain: Vec<_> = chain.iter().map(|der| CertificateDer::from(der.as_slice())).collect();
        let seconds = u64::try_from(now.as_second()).unwrap_or_default();
        let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
        self.0.find_path(&chain, now, |_, _, _| Ok(())).map_err(|refused| refused.refusal)
    }
}
