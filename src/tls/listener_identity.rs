//! The certificate of a listener that is not for devices.

use rustls::crypto::CryptoProvider;
use rustls::pki_types::UnixTime;

use super::acceptor::AcceptorError;
use super::credential::{CredentialError, PlatformCredentials, read_pair};
use super::identity::PlatformIdentity;
use super::trust::Trust;
use crate::config::{Credential, Tls};
use crate::x509::{CertificateFacts, KeyKind};

/// What a listener that is not for devices shows.
#[derive(Debug)]
pub(super) struct ListenerIdentity {
    pub(super) identity: PlatformIdentity,
    /// Its own certificate, and the CAs in its chain; empty for the identity of the platform.
    pub(super) own: Vec<CertificateFacts>,
}

impl ListenerIdentity {
    /// Loads the listener's own certificate; without one, the identity of `[tls]`.
    pub(super) fn load(
        own: Option<&Credential>,
        tls: &Tls,
        provider: &CryptoProvider,
        now: UnixTime,
    ) -> Result<Self, AcceptorError> {
        let Some(credential) = own else {
            let roots = Trust::load(tls.roots_of_platform())?;
            let identity = PlatformCredentials::load(tls, &roots, provider, now)?.identity;
            return Ok(Self { identity, own: Vec::new() });
        };
        let loaded = read_pair(credential, provider)?;
        let authorities = loaded.key.cert.iter().skip(1).filter_map(|der| CertificateFacts::read(der).ok());
        let own = std::iter::once(loaded.facts.clone()).chain(authorities).collect();
        let is_rsa = matches!(loaded.facts.key, KeyKind::Rsa { .. });
        let (ecc, rsa) = if is_rsa { (None, Some(loaded.key)) } else { (Some(loaded.key), None) };
        let identity = PlatformIdentity::new(ecc, rsa).map_err(CredentialError::from)?;
        Ok(Self { identity, own })
    }
}
