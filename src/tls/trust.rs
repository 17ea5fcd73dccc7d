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
use crate::model::Refusal;
use crate::revocation::Issuer;
use crate::x509::{CertificateFacts, ComparableName, PathExtensions};

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
    /// Their names and name constraints, in the order of `anchors`.
    names: Vec<AnchorNames>,
    /// The installed certificates that cannot be used, or not yet.
    pub(super) unfit: Vec<UnfitAnchor>,
}

/// What path validation reads of a root.
#[derive(Debug, Clone)]
struct AnchorNames {
    subject: ComparableName,
    /// `None` if they are malformed: no path ends there.
    extensions: Option<Arc<PathExtensions>>,
}

/// A root at the end of a path.
#[derive(Debug, Clone, Copy)]
pub(super) struct Anchor<'a> {
    pub(super) trust_anchor: &'a TrustAnchor<'static>,
    pub(super) issuer: &'a Arc<Issuer>,
    pub(super) extensions: Option<&'a PathExtensions>,
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
    /// A certificate that certifies nothing stands where a root belongs.
    #[error("{} holds {unfit}: name the root that the certificates lead to", file.display())]
    NoRoot {
        /// The file.
        file: PathBuf,
        /// The certificate.
        unfit: UnfitAnchor,
    },
    /// A root of people is a root of clients or of devices too.
    #[error("api.user-anchors names {subject}, a root of {of} too; name roots that certify people alone")]
    SharedRoot {
        /// The root.
        subject: String,
        /// The community, or the devices.
        of: String,
    },
    /// None of the certificates can be a root of clients.
    #[error(
        "{key} has no usable root: {}",
        unfit.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    )]
    NoneFit {
        /// The key of the configuration that names them.
        key: &'static str,
        /// Why none can be used.
        unfit: Vec<UnfitAnchor>,
    },
}

impl Trust {
    /// Loads the roots from files with one or more certificates each, in PEM, DER or PKCS#7.
    ///
    /// # Errors
    /// When a file cannot be read, holds no certificate, or holds one that cannot be a trust anchor.
    pub fn load(files: &[PathBuf]) -> Result<Self, TrustError> {
        let mut trust = Self::empty();
        for file in files {
            for certificate in file::trust_bundle(file)? {
                trust
                    .add(&certificate)
                    .map_err(|source| TrustError::Anchor { file: file.clone(), source })?;
            }
        }
        Ok(trust)
    }

    /// Loads the roots of servers, B15: one that certifies nothing is named, where every server would be
    /// refused as one of a stranger.
    ///
    /// # Errors
    /// As [`Trust::load`], and when a certificate is not that of a CA.
    pub fn load_for_servers(files: &[PathBuf]) -> Result<Self, TrustError> {
        for file in files {
            let loaded = Self::load(std::slice::from_ref(file))?;
            let unfit = loaded
                .facts
                .iter()
                .find(|facts| !facts.is_ca)
                .map(|facts| UnfitAnchor { subject: facts.subject.to_string(), reason: UnfitReason::NotCa });
            if let Some(unfit) = unfit {
                return Err(TrustError::NoRoot { file: file.clone(), unfit });
            }
        }
        Self::load(files)
    }

    const fn empty() -> Self {
        Self {
            anchors: Vec::new(),
            subjects: Vec::new(),
            issuers: Vec::new(),
            facts: Vec::new(),
            names: Vec::new(),
            unfit: Vec::new(),
        }
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
        Self::load_fit("tls.client-trust-anchors", files, now, clock_skew)
    }

    /// As [`load_for_clients`](Self::load_for_clients), for the files that `key` names.
    pub(super) fn load_fit(
        key: &'static str,
        files: &[PathBuf],
        now: Timestamp,
        clock_skew: Duration,
    ) -> Result<Self, TrustError> {
        let trust = Self::load_those_fit(files, now, clock_skew)?;
        if trust.anchors.is_empty() {
            Err(TrustError::NoneFit { key, unfit: trust.unfit })
        } else {
            Ok(trust)
        }
    }

    /// As [`load_fit`](Self::load_fit); where none can be used, no certificate has a path.
    pub(super) fn load_those_fit(
        files: &[PathBuf],
        now: Timestamp,
        clock_skew: Duration,
    ) -> Result<Self, TrustError> {
        let all = Self::load(files)?;
        let mut trust = Self::empty();
        let parts = all.anchors.into_iter().zip(all.subjects).zip(all.issuers).zip(all.facts).zip(all.names);
        for ((((anchor, subject), issuer), facts), names) in parts {
            let reason = UnfitReason::find(&facts, now, clock_skew);
            if let Some(reason) = reason {
                trust.unfit.push(UnfitAnchor { subject: facts.subject.to_string(), reason });
            }
            if matches!(reason, None | Some(UnfitReason::NotYetValid(_))) {
                trust.anchors.push(anchor);
                trust.subjects.push(subject);
                trust.issuers.push(issuer);
                trust.facts.push(facts);
                trust.names.push(names);
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
        self.names.push(AnchorNames {
            subject: ComparableName::new(facts.subject.as_der()),
            extensions: PathExtensions::read(certificate).ok().map(Arc::new),
        });
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

    /// As [`verify_path`](Self::verify_path): the CAs of the path, the issuing CA first, and its root.
    pub(super) fn server_path(
        &self,
        end_entity: &EndEntityCert<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
        usage: KeyUsage,
        algorithms: &WebPkiSupportedAlgorithms,
    ) -> Result<(Vec<CertificateDer<'static>>, Arc<Issuer>), webpki::Error> {
        let path = end_entity.verify_for_usage(
            algorithms.all,
            &self.anchors,
            intermediates,
            now,
            usage,
            None,
            None,
        )?;
        let authorities = path.intermediate_certificates().map(|ca| ca.der().into_owned()).collect();
        let root = self.anchors.iter().zip(&self.issuers).find(|(anchor, _)| *anchor == path.anchor());
        let (_, root) = root.ok_or(webpki::Error::UnknownIssuer)?;
        Ok((authorities, Arc::clone(root)))
    }

    /// The roots as issuers.
    pub(super) fn issuers(&self) -> impl Iterator<Item = &Arc<Issuer>> {
        self.issuers.iter()
    }

    /// Checks the validity of a root, and its limit on the CAs below it
    /// (RFC 5280 section 6.1.1 leaves both to the installation). One of several certificates of the root that
    /// passes is enough. `intermediates` counts those that are not self-issued.
    pub(super) fn check_anchor(
        &self,
        issuer: &Issuer,
        intermediates: usize,
        now: Timestamp,
        clock_skew: Duration,
    ) -> Result<(), Refusal> {
        let mut result = Err(Refusal::UntrustedIssuer);
        let same =
            self.issuers.iter().zip(&self.facts).filter(|(own, _)| own.identity() == issuer.identity());
        for (_, facts) in same {
            let limit = facts.path_length.and_then(|limit| usize::try_from(limit).ok());
            result = match UnfitReason::find_in_dates(facts, now, clock_skew) {
                Some(UnfitReason::Expired(_)) => Err(Refusal::Expired),
                Some(_) => Err(Refusal::NotYetValid),
                None if limit.is_some_and(|limit| intermediates > limit) => {
                    Err(Refusal::MalformedCertificate)
                }
                None => return Ok(()),
            };
        }
        result
    }

    /// The roots whose name `is_name` accepts.
    pub(super) fn anchors_named(
        &self,
        is_name: impl Fn(&ComparableName) -> bool,
    ) -> impl Iterator<Item = Anchor<'_>> {
        let all = self.anchors.iter().zip(&self.issuers).zip(&self.names);
        all.filter(move |(_, names)| is_name(&names.subject)).map(|((trust_anchor, issuer), names)| Anchor {
            trust_anchor,
            issuer,
            extensions: names.extensions.as_deref(),
        })
    }
}
