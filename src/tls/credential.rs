//! The platform's own certificates: read, checked and published together (A4, A5, A7, A11).

use std::path::PathBuf;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::sign::CertifiedKey;
use webpki::{EndEntityCert, KeyUsage};

use super::choice::{IdentityError, PlatformIdentity};
use super::file::{self, FileError};
use super::key_file::{self, KeyFileError};
use super::trust::Trust;
use crate::config::{Credential, Tls};
use crate::x509::{CertificateFacts, Part, X509Error};

/// What was read for one identity.
#[derive(Debug, Clone)]
pub(super) struct Loaded {
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
    KeyFile(#[from] KeyFileError),
    /// The key is of a kind that cannot sign.
    #[error("the private key {} cannot be used: {source}", file.display())]
    Key {
        /// Which file.
        file: PathBuf,
        /// What rustls says.
        source: rustls::Error,
    },
    /// The key belongs to another certificate.
    #[error(
        "the private key {} does not belong to the first certificate of {}; the platform's own certificate comes first",
        key.display(), chain.display()
    )]
    Mismatch {
        /// The chain.
        chain: PathBuf,
        /// The key.
        key: PathBuf,
    },
    /// An ECC certificate where the RSA one belongs, or the other way round.
    #[error("tls.ecc and tls.rsa name one identity of each kind")]
    Kind(#[from] IdentityError),
    /// The chain does not lead to an installed root.
    #[error(
        "the chain {} is not complete to an installed root: {source}; it holds the platform's certificate, then its issuing CA",
        file.display()
    )]
    Path {
        /// Which file.
        file: PathBuf,
        /// What webpki says.
        source: webpki::Error,
    },
}

impl PlatformCredentials {
    /// Reads both identities and checks them: the key is its owner's alone and belongs to the certificate, the
    /// chain leads to an installed root, and may be used by a server, now.
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
) -> Result<Loaded, CredentialError> {
    let loaded = read_pair(credential, provider)?;
    check_path(&loaded.key.cert, trust, provider, now)
        .map_err(|source| CredentialError::Path { file: credential.chain.clone(), source })?;
    Ok(loaded)
}

/// Reads a chain and its key, and checks that they belong together.
pub(super) fn read_pair(
    credential: &Credential,
    provider: &CryptoProvider,
) -> Result<Loaded, CredentialError> {
    let file = || credential.chain.clone();
    let chain = file::certificates(&credential.chain)?;
    let facts = chain
        .first()
        .map_or(Err(X509Error::Missing(Part::Certificate)), |leaf| CertificateFacts::read(leaf))
        .map_err(|source| CredentialError::Certificate { file: file(), source })?;
    let key = provider
        .key_provider
        .load_private_key(key_file::read(&credential.key)?)
        .map_err(|source| CredentialError::Key { file: credential.key.clone(), source })?;
    let key = CertifiedKey::new(chain, key);
    if key.keys_match().is_err() {
        return Err(CredentialError::Mismatch { chain: file(), key: credential.key.clone() });
    }
    Ok(Loaded { key: Arc::new(key), facts })
}

// A4: everything that a client needs for its path is in the chain; nothing but the root is missing.
fn check_path(
    chain: &[CertificateDer<'_>],
    trust: &Trust,
    provider: &CryptoProvider,
    now: UnixTime,
) -> Result<(), webpki::Error> {
    let (leaf, intermediates) = chain.split_first().ok_or(webpki::Error::BadDer)?;
    EndEntityCert::try_from(leaf)?
        .verify_for_usage(
            provider.signature_verification_algorithms.all,
            &trust.anchors,
            intermediates,
            now,
            KeyUsage::server_auth(),
            None,
            None,
        )
        .map(|_| ())
}
