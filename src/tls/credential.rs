//! Loads and checks the platform's own certificates and keys (A4, A5, A7, A11).

use std::path::PathBuf;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::sign::{CertifiedKey, SigningKey};

use super::file::{self, FileError};
use super::identity::{IdentityError, PlatformIdentity};
use super::key::{self, KeyError};
use super::platform_chain::{self, ChainError};
use super::raw_key;
use super::trust::Trust;
use crate::config::{Credential, KeyLocation, Tls};
use crate::x509::{CertificateFacts, Part, X509Error};

/// The chain with its key, and the parsed first certificate.
#[derive(Debug, Clone)]
pub(super) struct LoadedCredential {
    pub(super) key: Arc<CertifiedKey>,
    pub(super) facts: CertificateFacts,
}

/// The platform's certificates and keys, checked.
#[derive(Debug, Clone)]
pub struct PlatformCredentials {
    pub(super) identity: PlatformIdentity,
    /// The platform's own certificates, without the chains, for `check` and for metrics.
    pub certificates: Vec<CertificateFacts>,
    /// Configured identities that are not used because their time has ended, or has not come.
    pub(super) unusable: Vec<UnusableIdentity>,
}

/// An identity of the platform that is configured and not used, while another one is.
#[derive(Debug, Clone)]
pub struct UnusableIdentity {
    /// Its key in the configuration.
    pub key: &'static str,
    /// Its certificate, if it can be read.
    pub facts: Option<CertificateFacts>,
    /// Why it is not used.
    pub reason: Arc<CredentialError>,
}

/// A certificate of the platform, or its key, cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// The file of the chain cannot be read.
    #[error(transparent)]
    Chain(#[from] FileError),
    /// The first certificate cannot be parsed.
    #[error("cannot parse the first certificate of {}", file.display())]
    Certificate {
        /// The file.
        file: PathBuf,
        /// The parse error.
        source: X509Error,
    },
    /// The key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The key cannot sign.
    #[error("the private key {location} failed to sign")]
    Sign {
        /// The key.
        location: KeyLocation,
        /// The error of the signer.
        source: rustls::Error,
    },
    /// The key belongs to another certificate.
    #[error(
        "the private key {key} does not belong to the first certificate of {}; \
         the certificate of this key comes first, then its issuing CA",
        chain.display()
    )]
    Mismatch {
        /// The chain.
        chain: PathBuf,
        /// The key.
        key: KeyLocation,
    },
    /// No certificate is configured, or an ECC certificate stands where the RSA one belongs, or the other way
    /// round.
    #[error("tls.ecc and tls.rsa must name a certificate of their kind")]
    Kind(#[from] IdentityError),
    /// The metadata of UDAP are signed with RS256 alone.
    #[error("the private key of {}, which is to sign the metadata of UDAP, is none of RSA", chain.display())]
    NotRsa {
        /// The chain.
        chain: PathBuf,
    },
    /// Clients could not accept the chain.
    #[error(transparent)]
    NotAcceptable(#[from] ChainError),
}

impl PlatformCredentials {
    /// Loads the ECC and the RSA certificate and checks each: only its owner can read the key, the key
    /// belongs to the certificate, and clients can accept the chain at the time `now`.
    ///
    /// A chain that time alone has made unusable does not stop the other one.
    ///
    /// # Errors
    /// The first fault; one of time only when no identity is left.
    pub fn load(
        tls: &Tls,
        trust: &Trust,
        provider: &CryptoProvider,
        now: UnixTime,
    ) -> Result<Self, CredentialError> {
        let mut untimely = Vec::new();
        let mut load_optional = |key: &'static str, credential: &Option<Credential>| {
            let Some(credential) = credential else { return Ok(None) };
            match load(credential, trust, provider, now) {
                Ok(loaded) => Ok(Some(loaded)),
                Err(reason) if reason.is_of_time() => {
                    untimely.push((key, leaf(credential), reason));
                    Ok(None)
                }
                Err(fault) => Err(fault),
            }
        };
        let (ecc, rsa) = (load_optional("tls.ecc", &tls.ecc)?, load_optional("tls.rsa", &tls.rsa)?);
        if ecc.is_none() && rsa.is_none() && !untimely.is_empty() {
            let (_, _, reason) = untimely.swap_remove(0);
            return Err(reason);
        }
        let unusable = untimely.into_iter();
        Ok(Self {
            unusable: unusable
                .map(|(key, facts, reason)| UnusableIdentity { key, facts, reason: Arc::new(reason) })
                .collect(),
            certificates: [&ecc, &rsa].into_iter().flatten().map(|loaded| loaded.facts.clone()).collect(),
            identity: PlatformIdentity::new(ecc.map(|loaded| loaded.key), rsa.map(|loaded| loaded.key))?,
        })
    }
}

impl CredentialError {
    /// Whether the clock alone made the identity unusable.
    const fn is_of_time(&self) -> bool {
        matches!(self, Self::NotAcceptable(ChainError::Expired { .. } | ChainError::NotYetValid { .. }))
    }
}

/// The first certificate of the chain, as its file is now; `None` where it cannot be read.
#[must_use]
pub fn leaf(credential: &Credential) -> Option<CertificateFacts> {
    CertificateFacts::read(file::certificates(&credential.chain).ok()?.first()?).ok()
}

/// Whether the chain of a client has its issuing CA (B16), as its file is now; true where it cannot be read.
#[must_use]
pub fn has_issuing_ca(credential: &Credential) -> bool {
    file::certificates(&credential.chain).map_or(true, |chain| chain.len() > 1)
}

/// Loads a chain and its key, and validates the chain.
pub(super) fn load(
    credential: &Credential,
    trust: &Trust,
    provider: &CryptoProvider,
    now: UnixTime,
) -> Result<LoadedCredential, CredentialError> {
    // The chain comes before the key, so that a chain in the wrong order is not reported as a mismatch of the
    // key.
    let chain = file::certificates(&credential.chain)?;
    platform_chain::check(&chain, &credential.chain, trust, provider, now)?;
    read_pair(credential, provider)
}

/// Loads a chain and its key, and checks that they belong together.
pub(super) fn read_pair(
    credential: &Credential,
    provider: &CryptoProvider,
) -> Result<LoadedCredential, CredentialError> {
    let file = || credential.chain.clone();
    let chain = file::certificates(&credential.chain)?;
    let leaf = chain.first();
    let facts = leaf
        .map_or(Err(X509Error::Missing(Part::Certificate)), |leaf| CertificateFacts::read(leaf))
        .map_err(|source| CredentialError::Certificate { file: file(), source })?;
    let key = key::load(credential, provider)?;
    let matches = leaf.map_or(Ok(false), |leaf| signs_for(key.as_ref(), leaf, provider));
    match matches {
        Ok(true) => Ok(LoadedCredential { key: Arc::new(CertifiedKey::new(chain, key)), facts }),
        Ok(false) => Err(CredentialError::Mismatch { chain: file(), key: credential.key.clone() }),
        Err(source) => Err(CredentialError::Sign { location: credential.key.clone(), source }),
    }
}

/// Whether `certificate` verifies a signature of `key`.
///
/// A comparison of public keys would not do: a token need not reveal its public key. A trial signature also
/// shows a token that cannot sign before the first handshake.
fn signs_for(
    key: &dyn SigningKey,
    certificate: &CertificateDer<'_>,
    provider: &CryptoProvider,
) -> Result<bool, rustls::Error> {
    const PROBE: &[u8] = b"pcd-platform: does this key belong to this certificate?";
    let algorithms = provider.signature_verification_algorithms;
    let Some(signer) = key.choose_scheme(&algorithms.supported_schemes()) else { return Ok(false) };
    let signature = signer.sign(PROBE)?;
    let of_scheme = algorithms.mapping.iter().find(|(scheme, _)| *scheme == signer.scheme());
    let candidates = of_scheme.map_or(&[][..], |(_, algorithms)| *algorithms);
    Ok(raw_key::verify(certificate, candidates, PROBE, &signature).unwrap_or(false))
}
