//! Whether a chain of the platform's own is one that clients can accept (A0, A4, A7).

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, UnixTime};
use webpki::{EndEntityCert, KeyUsage};

use super::key_policy;
use super::trust::Trust;
use crate::x509::{CertificateFacts, KeyKind, SignatureAlgorithm, X509Error};

/// RSA keys of the platform: NIST SP 800-131A disallows less, and more than 4096 bits only costs time (A0).
const RSA_BITS: (usize, usize) = (2048, 4096);

/// A chain that clients could not accept.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// A certificate that cannot be read.
    #[error("certificate {} of {} cannot be read", index + 1, file.display())]
    Certificate {
        /// Which file.
        file: PathBuf,
        /// Which certificate of it, from 0.
        index: usize,
        /// Why.
        source: X509Error,
    },
    /// The first certificate is somebody else's.
    #[error(
        "the first certificate of {} is the CA \"{subject}\"; the platform's own certificate comes first, then its issuing CA",
        file.display()
    )]
    LeafFirst {
        /// Which file.
        file: PathBuf,
        /// Whom it is about.
        subject: String,
    },
    /// RFC 5246 7.4.2: each certificate certifies the one before it.
    #[error(
        "{} is out of order: \"{subject}\" is not followed by its issuer \"{issuer}\"; \
         the platform's certificate comes first, then its issuing CA, then further intermediates",
        file.display()
    )]
    Order {
        /// Which file.
        file: PathBuf,
        /// Whom the certificate is about.
        subject: String,
        /// Who signed it.
        issuer: String,
    },
    /// Signed with a digest that is broken, or in a way that clients need not know.
    #[error(
        "\"{subject}\" in {} is signed with {algorithm}; have it issued again with SHA-256, SHA-384 or SHA-512",
        file.display()
    )]
    Signature {
        /// Which file.
        file: PathBuf,
        /// Whom the certificate is about.
        subject: String,
        /// How it is signed.
        algorithm: SignatureAlgorithm,
    },
    /// A key that clients need not accept (A0).
    #[error(
        "\"{subject}\" in {} has a key of the kind {key}; have one issued for RSA with 2048 to 4096 bits, P-256, P-384 or P-521",
        file.display()
    )]
    Key {
        /// Which file.
        file: PathBuf,
        /// Whom the certificate is about.
        subject: String,
        /// Which kind.
        key: KeyKind,
    },
    /// Past its validity.
    #[error("\"{subject}\" in {} expired at {at}; have it issued again", file.display())]
    Expired {
        /// Which file.
        file: PathBuf,
        /// Whom the certificate is about.
        subject: String,
        /// The last second of its validity.
        at: Timestamp,
    },
    /// Before its validity.
    #[error("\"{subject}\" in {} is not valid before {at}; look at the clock of this machine", file.display())]
    NotYetValid {
        /// Which file.
        file: PathBuf,
        /// Whom the certificate is about.
        subject: String,
        /// The first second of its validity.
        at: Timestamp,
    },
    /// Not for servers.
    #[error(
        "\"{subject}\" in {} may not be used by a server; have it issued with the extended key usage serverAuth",
        file.display()
    )]
    Purpose {
        /// Which file.
        file: PathBuf,
        /// Whom the certificate is about.
        subject: String,
    },
    /// No path to an installed root.
    #[error(
        "the chain {} is not complete to an installed root: nobody there has issued \"{last}\"; \
         add the missing intermediates, or the root to tls.client-trust-anchors",
        file.display()
    )]
    Incomplete {
        /// Which file.
        file: PathBuf,
        /// The last certificate of the chain.
        last: String,
    },
    /// The path is broken in another way.
    #[error("the chain {} is no valid path (RFC 5280): {source}", file.display())]
    Path {
        /// Which file.
        file: PathBuf,
        /// What webpki says.
        source: webpki::Error,
    },
}

/// Reads each certificate and checks it by itself, and then the path of them all.
///
/// # Errors
/// For the first thing that is not in order.
pub(super) fn check(
    chain: &[CertificateDer<'_>],
    file: &Path,
    trust: &Trust,
    provider: &CryptoProvider,
    now: UnixTime,
) -> Result<(), ChainError> {
    let file = || file.to_owned();
    let mut read = Vec::with_capacity(chain.len());
    for (index, certificate) in chain.iter().enumerate() {
        let facts = CertificateFacts::read(certificate).map_err(|source| ChainError::Certificate {
            file: file(),
            index,
            source,
        })?;
        read.push(facts);
    }
    if let Some(first) = read.first()
        && first.is_ca
    {
        return Err(ChainError::LeafFirst { file: file(), subject: first.subject.to_string() });
    }
    for pair in read.windows(2) {
        if let [certificate, next] = pair
            && certificate.issuer != next.subject
        {
            let (subject, issuer) = (certificate.subject.to_string(), certificate.issuer.to_string());
            return Err(ChainError::Order { file: file(), subject, issuer });
        }
    }
    let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    for facts in &read {
        check_one(facts, seconds, file)?;
    }
    check_path(chain, trust, provider, now).map_err(|source| {
        let subject =
            |facts: Option<&CertificateFacts>| facts.map_or(String::new(), |f| f.subject.to_string());
        match source {
            webpki::Error::UnknownIssuer => {
                ChainError::Incomplete { file: file(), last: subject(read.last()) }
            }
            webpki::Error::RequiredEkuNotFoundContext(_) => {
                ChainError::Purpose { file: file(), subject: subject(read.first()) }
            }
            source => ChainError::Path { file: file(), source },
        }
    })
}

fn check_one(facts: &CertificateFacts, now: i64, file: impl Fn() -> PathBuf) -> Result<(), ChainError> {
    let subject = || facts.subject.to_string();
    // Nobody checks the signature of a root that comes along: being installed is what makes it trusted.
    if facts.subject != facts.issuer && !key_policy::signature(facts.signature_algorithm) {
        let algorithm = facts.signature_algorithm;
        return Err(ChainError::Signature { file: file(), subject: subject(), algorithm });
    }
    if !key_policy::key(facts.key, RSA_BITS) {
        return Err(ChainError::Key { file: file(), subject: subject(), key: facts.key });
    }
    if now > facts.not_after.as_second() {
        return Err(ChainError::Expired { file: file(), subject: subject(), at: facts.not_after });
    }
    if now < facts.not_before.as_second() {
        return Err(ChainError::NotYetValid { file: file(), subject: subject(), at: facts.not_before });
    }
    Ok(())
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
