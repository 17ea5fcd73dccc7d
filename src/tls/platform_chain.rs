//! Checks that clients can accept a certificate chain of the platform (A0, A4, A7).

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, UnixTime};
use webpki::{EndEntityCert, KeyUsage};

use super::key_policy::{accepts_key, accepts_signature};
use super::trust::Trust;
use crate::x509::{CertificateFacts, KeyKind, SignatureAlgorithm, X509Error};

/// Clients could not accept the chain.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// A certificate cannot be parsed.
    #[error("cannot parse certificate {} of {}", index + 1, file.display())]
    Certificate {
        /// The file.
        file: PathBuf,
        /// The position of the certificate in the file, from 0.
        index: usize,
        /// The parse error.
        source: X509Error,
    },
    /// The first certificate is that of a CA, not the platform's own.
    #[error(
        "the first certificate of {} is the CA \"{subject}\"; the platform's own certificate comes first, then its issuing CA",
        file.display()
    )]
    LeafFirst {
        /// The file.
        file: PathBuf,
        /// The subject of the certificate.
        subject: String,
    },
    /// RFC 5246 7.4.2: each certificate certifies the one before it.
    #[error(
        "{} is out of order: \"{subject}\" is not followed by its issuer \"{issuer}\"; \
         the platform's certificate comes first, then its issuing CA, then further intermediates",
        file.display()
    )]
    Order {
        /// The file.
        file: PathBuf,
        /// The subject of the certificate.
        subject: String,
        /// Its issuer.
        issuer: String,
    },
    /// The signature uses a broken digest, or an algorithm that clients need not support.
    #[error(
        "\"{subject}\" in {} is signed with {algorithm}; reissue it with SHA-256, SHA-384 or SHA-512",
        file.display()
    )]
    Signature {
        /// The file.
        file: PathBuf,
        /// The subject of the certificate.
        subject: String,
        /// The signature algorithm.
        algorithm: SignatureAlgorithm,
    },
    /// Clients need not accept the key (A0).
    #[error(
        "\"{subject}\" in {} has a key of kind {key}; reissue it for RSA with 2048 to 4096 bits, \
         P-256, P-384 or P-521",
        file.display()
    )]
    Key {
        /// The file.
        file: PathBuf,
        /// The subject of the certificate.
        subject: String,
        /// The kind of key.
        key: KeyKind,
    },
    /// The certificate has expired.
    #[error("\"{subject}\" in {} expired at {at}; renew it", file.display())]
    Expired {
        /// The file.
        file: PathBuf,
        /// The subject of the certificate.
        subject: String,
        /// The last second of its validity.
        at: Timestamp,
    },
    /// The validity of the certificate has not begun.
    #[error("\"{subject}\" in {} is not valid before {at}; check the clock of this machine", file.display())]
    NotYetValid {
        /// The file.
        file: PathBuf,
        /// The subject of the certificate.
        subject: String,
        /// The first second of its validity.
        at: Timestamp,
    },
    /// The certificate is not for servers.
    #[error(
        "\"{subject}\" in {} is not valid for a server; reissue it with the extended key usage serverAuth",
        file.display()
    )]
    Purpose {
        /// The file.
        file: PathBuf,
        /// The subject of the certificate.
        subject: String,
    },
    /// The chain does not lead to an installed root.
    #[error(
        "the chain {} does not lead to an installed root: the issuer of \"{last}\" is missing; \
         add the missing intermediates, or the root to tls.platform-trust-anchors (if that is empty, the roots of \
         tls.client-trust-anchors count, and devices of each root there are trusted too)",
        file.display()
    )]
    Incomplete {
        /// The file.
        file: PathBuf,
        /// The last certificate of the chain.
        last: String,
    },
    /// The path is invalid for another reason.
    #[error("the chain {} is not a valid path (RFC 5280): {source}", file.display())]
    Path {
        /// The file.
        file: PathBuf,
        /// The error of webpki.
        source: webpki::Error,
    },
}

/// Parses and checks each certificate, then the path.
///
/// # Errors
/// The first fault.
pub(super) fn check(
    chain: &[CertificateDer<'_>],
    file: &Path,
    trust: &Trust,
    provider: &CryptoProvider,
    now: UnixTime,
) -> Result<(), ChainError> {
    let file = || file.to_owned();
    let mut parsed = Vec::with_capacity(chain.len());
    for (index, certificate) in chain.iter().enumerate() {
        let facts = CertificateFacts::read(certificate).map_err(|source| ChainError::Certificate {
            file: file(),
            index,
            source,
        })?;
        parsed.push(facts);
    }
    if let Some(first) = parsed.first()
        && first.is_ca
    {
        return Err(ChainError::LeafFirst { file: file(), subject: first.subject.to_string() });
    }
    for pair in parsed.windows(2) {
        if let [certificate, next] = pair
            && certificate.issuer != next.subject
        {
            let (subject, issuer) = (certificate.subject.to_string(), certificate.issuer.to_string());
            return Err(ChainError::Order { file: file(), subject, issuer });
        }
    }
    let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    for facts in &parsed {
        check_one(facts, seconds, file)?;
    }
    check_path(chain, trust, provider, now).map_err(|source| {
        let subject =
            |facts: Option<&CertificateFacts>| facts.map_or(String::new(), |f| f.subject.to_string());
        match source {
            webpki::Error::UnknownIssuer => {
                ChainError::Incomplete { file: file(), last: subject(parsed.last()) }
            }
            webpki::Error::RequiredEkuNotFoundContext(_) => {
                ChainError::Purpose { file: file(), subject: subject(parsed.first()) }
            }
            source => ChainError::Path { file: file(), source },
        }
    })
}

fn check_one(facts: &CertificateFacts, now: i64, file: impl Fn() -> PathBuf) -> Result<(), ChainError> {
    let subject = || facts.subject.to_string();
    // Clients do not verify the signature of a root in the chain: they trust it because it is installed.
    if facts.subject != facts.issuer && !accepts_signature(facts.signature_algorithm) {
        let algorithm = facts.signature_algorithm;
        return Err(ChainError::Signature { file: file(), subject: subject(), algorithm });
    }
    if !accepts_key(facts.key, RSA_BITS) {
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

/// Validates the path with the certificates of the chain alone, so that only the root may be missing (A4).
fn check_path(
    chain: &[CertificateDer<'_>],
    trust: &Trust,
    provider: &CryptoProvider,
    now: UnixTime,
) -> Result<(), webpki::Error> {
    let (leaf, intermediates) = chain.split_first().ok_or(webpki::Error::BadDer)?;
    let algorithms = &provider.signature_verification_algorithms;
    let leaf = EndEntityCert::try_from(leaf)?;
    trust.verify_path(&leaf, intermediates, now, KeyUsage::server_auth(), algorithms)
}

/// The accepted modulus lengths of the platform's RSA keys (A0). NIST SP 800-131A disallows shorter keys;
/// longer keys only cost time.
const RSA_BITS: (usize, usize) = (2048, 4096);
