//! The trust anchors: the installed roots. The trust store of the operating system is never used (A6).

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rustls::DistinguishedName;
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, KeyUsage};

use super::anchor_fitness::{UnfitAnchor, UnfitReason};
use super::file::{self, FileError};
use crate::revocation::Issuer;
use crate::x509::CertificateFacts;

/// The roots to which the certificates of peers must chain (A6).
#[derive(Debug, Clone)]
pub struct Trust {
    pub(super) anchors: Vec<TrustAnchor<'static>>,
    /// Their names, for certificate_authorities in CertificateRequest (RFC 5246 7.4.4).
    pub(super) subjects: Vec<DistinguishedName>,
    /// The roots as issuers, in the order of `anchors`.
    issuers: Vec<Arc<Issuer>>,
    /// The parsed roots, in the order of `anchors`.
    pub(super) facts: Vec<CertificateFacts>,
    /// The installed certificates that cannot be used, or not yet.
    pub(super) unfit: Vec<UnfitAnchor>,
}

/// The roots cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// A file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// A certificate cannot be a trust anchor.
    #[error("{} holds a certificate that cannot be a trust anchor: {source}", file.display())]
    Anchor {
        /// The file.
        file: PathBuf,
        /// The error of webpki.
        source: webpki::Error,
    },
    /// None of the certificates can be a root of clients.
    #[error(
        "tls.client-trust-anchors has no usable root: {}",
        .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    )]
    NoneFit(Vec<UnfitAnchor>),
}

impl Trust {
    /// Loads the roots from files with one or more certificates each, in PEM or DER.
    ///
    /// # Errors
    /// When a file cannot be read, holds no certificate, or holds one that cannot be a trust anchor.
    pub fn load(files: &[PathBuf]) -> Result<Self, TrustError> {
        let mut trust = Self {
            anchors: Vec::new(),
            subjects: Vec::new(),
            issuers: Vec::new(),
            facts: Vec::new(),
            unfit: Vec::new(),
        };
        for file in files {
            for certificate in file::certificates(file)? {
                trust
                    .add(&certificate)
                    .map_err(|source| TrustError::Anchor { file: file.clone(), source })?;
            }
        }
        Ok(trust)
    }

    /// Loads the roots of clients, and leaves out each certificate that is not a CA certificate, may not sign
    /// certificates, has a weak key or has expired. A root that is not valid yet is used from its first
    /// second on.
    ///
    /// # Errors
    /// As [`Trust::load`], and when no root is left.
    pub fn load_for_clients(
        files: &[PathBuf],
        now: Timestamp,
        clock_skew: Duration,
    ) -> Result<Self, TrustError> {
        let all = Self::load(files)?;
        let mut trust = Self {
            anchors: Vec::new(),
            subjects: Vec::new(),
            issuers: Vec::new(),
            facts: Vec::new(),
            unfit: Vec::new(),
        };
        let parts = all.anchors.into_iter().zip(all.subjects).zip(all.issuers).zip(all.facts);
        for (((anchor, subject), issuer), facts) in parts {
            let reason = UnfitReason::find(&facts, now, clock_skew);
            if let Some(reason) = reason {
                trust.unfit.push(UnfitAnchor { subject: facts.subject.to_string(), reason });
            }
            if matches!(reason, None | Some(UnfitReason::NotYetValid(_))) {
                trust.anchors.push(anchor);
                trust.subjects.push(subject);
                trust.issuers.push(issuer);
                trust.facts.push(facts);
            }
        }
        if trust.anchors.is_empty() { Err(TrustError::NoneFit(trust.unfit)) } else { Ok(trust) }
    }

    fn add(&mut self, certificate: &CertificateDer<'_>) -> Result<(), webpki::Error> {
        let anchor = webpki::anchor_from_trusted_cert(certificate)?.to_owned();
        // A certificate that webpki accepts and our own parser rejects is not trusted.
        let facts = CertificateFacts::read(certificate).map_err(|_| webpki::Error::BadDer)?;
        self.issuers.push(Arc::new(Issuer::from_certificate(&facts)));
        self.subjects.push(DistinguishedName::in_sequence(anchor.subject.as_ref()));
        self.anchors.push(anchor);
        self.facts.push(facts);
        Ok(())
    }

    /// Validates the path from `end_entity` to one of the roots (RFC 5280 section 6.1), without revocation.
    pub(super) fn verify_path(
        &self,
        end_entity: &EndEntityCert<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
        usage: KeyUsage,
        algorithms: &WebPkiSupportedAlgorithms,
    ) -> Result<(), webpki::Error> {
        end_entity
            .verify_for_usage(algorithms.all, &self.anchors, intermediates, now, usage, None, None)
            .map(|_| ())
    }

    /// The roots as issuers.
    pub(super) fn issuers(&self) -> impl Iterator<Item = &Arc<Issuer>> {
        self.issuers.iter()
    }

    /// Checks what webpki does not check of an anchor: its validity, and the limit on the CAs below it
    /// (RFC 5280 section 6.1.1 leaves both to the installation). One of several certificates of the root that
    /// passes is enough. `intermediates` counts those that are not self-issued.
    pub(super) fn check_anchor(
        &self,
        issuer: &Issuer,
        intermediates: usize,
        now: Timestamp,
        clock_skew: Duration,
    ) -> Result<(), webpki::Error> {
        let mut result = Err(webpki::Error::UnknownIssuer);
        let same =
            self.issuers.iter().zip(&self.facts).filter(|(own, _)| own.identity() == issuer.identity());
        for (_, facts) in same {
            let limit = facts.path_length.and_then(|limit| usize::try_from(limit).ok());
            result = match UnfitReason::find_in_dates(facts, now, clock_skew) {
                Some(UnfitReason::Expired(at)) => {
                    Err(webpki::Error::CertExpired { time: unix_time(now), not_after: unix_time(at) })
                }
                Some(UnfitReason::NotYetValid(at)) => {
                    Err(webpki::Error::CertNotValidYet { time: unix_time(now), not_before: unix_time(at) })
                }
                _ if limit.is_some_and(|limit| intermediates > limit) => {
                    Err(webpki::Error::PathLenConstraintViolated)
                }
                _ => return Ok(()),
            };
        }
        result
    }

    /// The root of this anchor as the issuer of certificates below it.
    pub(super) fn issuer(&self, anchor: &TrustAnchor<'_>) -> Option<&Arc<Issuer>> {
        let same = |own: &TrustAnchor<'_>| {
            own.subject == anchor.subject && own.subject_public_key_info == anchor.subject_public_key_info
        };
        self.anchors.iter().zip(&self.issuers).find(|(own, _)| same(own)).map(|(_, issuer)| issuer)
    }
}

fn unix_time(at: Timestamp) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(at.as_second()).unwrap_or(0)))
}
