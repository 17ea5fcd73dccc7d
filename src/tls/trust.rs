//! The trust anchors: the installed roots. The trust store of the operating system is never used (A6).

use std::path::PathBuf;
use std::sync::Arc;

use rustls::DistinguishedName;
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, KeyUsage};

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
}

impl Trust {
    /// Loads the roots from files with one or more certificates each, in PEM or DER.
    ///
    /// # Errors
    /// When a file cannot be read, holds no certificate, or holds one that cannot be a trust anchor.
    pub fn load(files: &[PathBuf]) -> Result<Self, TrustError> {
        let mut trust =
            Self { anchors: Vec::new(), subjects: Vec::new(), issuers: Vec::new(), facts: Vec::new() };
        for file in files {
            for certificate in file::certificates(file)? {
                trust
                    .add(&certificate)
                    .map_err(|source| TrustError::Anchor { file: file.clone(), source })?;
            }
        }
        Ok(trust)
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

    /// The root of this anchor as the issuer of certificates below it.
    pub(super) fn issuer(&self, anchor: &TrustAnchor<'_>) -> Option<&Arc<Issuer>> {
        let same = |own: &TrustAnchor<'_>| {
            own.subject == anchor.subject && own.subject_public_key_info == anchor.subject_public_key_info
        };
        self.anchors.iter().zip(&self.issuers).find(|(own, _)| same(own)).map(|(_, issuer)| issuer)
    }
}
