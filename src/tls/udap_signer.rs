//! Signs the metadata of UDAP with the key of `api.udap.identity`.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::SignatureScheme;
use rustls::crypto::CryptoProvider;
use rustls::sign::CertifiedKey;

use super::credential::{CredentialError, read_pair};
use crate::config::Credential;

/// A certificate and its RSA key. Clones are cheap.
#[derive(Debug, Clone)]
pub struct UdapSigner(Arc<CertifiedKey>);

impl UdapSigner {
    /// Loads the certificate and its key.
    ///
    /// # Errors
    /// When they cannot be used.
    pub(super) fn load(credential: &Credential, provider: &CryptoProvider) -> Result<Self, CredentialError> {
        let own = Self(read_pair(credential, provider)?.key);
        // Otherwise the metadata would not be there, and nothing would say why.
        let not_rsa = || CredentialError::NotRsa { chain: credential.chain.clone() };
        own.sign_rs256(b"").map(|_| own.clone()).ok_or_else(not_rsa)
    }

    /// The certificate and those of its CAs, as the header `x5c` has them (RFC 7515 section 4.1.6).
    #[must_use]
    pub fn chain_in_base64(&self) -> Vec<String> {
        self.0.cert.iter().map(|der| STANDARD.encode(der)).collect()
    }

    /// A signature with RS256 (RFC 7518 section 3.3); `None` when the key is none of RSA, or does not sign.
    #[must_use]
    pub fn sign_rs256(&self, message: &[u8]) -> Option<Vec<u8>> {
        self.0.key.choose_scheme(&[SignatureScheme::RSA_PKCS1_SHA256])?.sign(message).ok()
    }
}
