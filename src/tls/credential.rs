//! The platform's own certificates: read, checked and published together (A4, A5, A7, A11).

use std::path::PathBuf;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::sign::{CertifiedKey, SigningKey};
use webpki::EndEntityCert;

use super::file::{self, FileError};
use super::identity::{IdentityError, PlatformIdentity};
use super::key::{self, KeyError};
use super::platform_chain::{self, ChainError};
use super::trust::Trust;
use crate::config::{Credential, KeyLocation, Tls};
use crate::x509::{CertificateFacts, Part, X509Error};

/// What was read for one identity.
#[derive(Debug, Clone)]
pub(super) struct LoadedCredential {
    pub(super) key: Arc<CertifiedKey>,
    pub(super) facts: CertificateFacts,
}

/// Both identities of the platform, checked.
#[derive(Debug, Clone)]
pub struct PlatformCredentials {
    pub(super) identity: PlatformIdentity,
    /// The platform's own certificates, for `check` and for metrics.
    pub certificates: Vec<CertificateFacts>,
}

/// An identity that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// The chain cannot be read.
    #[error(transparent)]
    Chain(#[from] FileError),
    /// The first certificate cannot be read.
    #[error("the first certificate of {} cannot be read", file.display())]
    Certificate {
        /// Which file.
        file: PathBuf,
        /// Why.
        source: X509Error,
    },
    /// The key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The key does not sign.
    #[error("the private key {location} does not sign")]
    Sign {
        /// Which key.
        location: KeyLocation,
        /// Why.
        source: rustls::Error,
    },
    /// The key belongs to another certificate.
    #[error(
        "the private key {key} does not belong to the first certificate of {}; the platform's own certificate comes first",
        chain.display()
    )]
    Mismatch {
        /// The chain.
        chain: PathBuf,
        /// The key.
        key: KeyLocation,
    },
    /// An ECC certificate where the RSA one belongs, or the other way round.
    #[error("tls.ecc and tls.rsa name one identity of each kind")]
    Kind(#[from] IdentityError),
    /// The chain is not one that clients can accept.
    #[error(transparent)]
    NotAcceptable(#[from] ChainError),
}

impl PlatformCredentials {
    /// Reads both identities and checks them: the key is its owner's alone and belongs to the certificate, and the
    /// chain is one that clients can accept, now.
    ///
    /// # Errors
    /// For the first thing that is not in order.
    pub fn load(
        tls: &Tls,
        trust: &Trust,
        provider: &CryptoProvider,
        now: UnixTime,
    ) -> Result<Self, CredentialError> {
        let load = |credential: &Option<Credential>| {
            credential.as_ref().map(|c| load_one(c, trust, provider, now)).transpose()
        };
        let (ecc, rsa) = (load(&tls.ecc)?, load(&tls.rsa)?);
        Ok(Self {
            certificates: [&ecc, &rsa].into_iter().flatten().map(|loaded| loaded.facts.clone()).collect(),
            identity: PlatformIdentity::new(ecc.map(|loaded| loaded.key), rsa.map(|loaded| loaded.key))?,
        })
    }
}

fn load_one(
    credential: &Credential,
    trust: &Trust,
    provider: &CryptoProvider,
    now: UnixTime,
) -> Result<LoadedCredential, CredentialError> {
    // Before the key: who puts the issuing CA first should read that, and not that the key belongs to nobody.
    let chain = file::certificates(&credential.chain)?;
    platform_chain::check(&chain, &credential.chain, trust, provider, now)?;
    read_pair(credential, provider)
}

/// Reads a chain and its key, and checks that they belong together.
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
    let proved = leaf.map_or(Ok(false), |leaf| belongs(key.as_ref(), leaf, provider));
    match proved {
        Ok(true) => Ok(LoadedCredential { key: Arc::new(CertifiedKey::new(chain, key)), facts }),
        Ok(false) => Err(CredentialError::Mismatch { chain: file(), key: credential.key.clone() }),
        Err(source) => Err(CredentialError::Sign { location: credential.key.clone(), source }),
    }
}

/// Whether `key` signs what the key in `certificate` verifies. A token may not tell its public key, but it signs; and
/// one that cannot sign is found out here and not in the first handshake.
fn belongs(
    key: &dyn SigningKey,
    certificate: &CertificateDer<'_>,
    provider: &CryptoProvider,
) -> Result<bool, rustls::Error> {
    const PROBE: &[u8] = b"pcd-platform: does this key belong to this certificate?";
    let algorithms = provider.signature_verification_algorithms;
    let Some(signer) = key.choose_scheme(&algorithms.supported_schemes()) else { return Ok(false) };
    let signature = signer.sign(PROBE)?;
    let Ok(certificate) = EndEntityCert::try_from(certificate) else { return Ok(false) };
    let of_scheme = algorithms.mapping.iter().find(|(scheme, _)| *scheme == signer.scheme());
    let mut candidates = of_scheme.into_iter().flat_map(|(_, algorithms)| *algorithms);
    Ok(candidates.any(|algorithm| certificate.verify_signature(*algorithm, PROBE, &signature).is_ok()))
}
