//! The settings of revocation, with the files that the configuration names.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::bounded_map::Identity;
use super::crl::store::{Origin, StoredCrl};
use super::crl::{Crl, CrlParseError};
use super::disk::directory_problem;
use super::http::FetchLimits;
use super::{IssuedCertificate, Issuer};
use crate::config::{self, Nonce};
use crate::filesystem::AccessProblem;
use crate::x509::{CertificateFacts, ComparableName, X509Error, pem};

/// Why the configuration of revocation cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RevocationError {
    /// A file or folder cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The path.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// A file does not contain what it should.
    #[error("cannot parse {}", path.display())]
    Content {
        /// The path.
        path: PathBuf,
        /// The fault.
        source: X509Error,
    },
    /// A CRL cannot be used.
    #[error("{} contains a CRL that cannot be used", path.display())]
    Crl {
        /// The file.
        path: PathBuf,
        /// The fault.
        source: CrlParseError,
    },
    /// The counters of an engine cannot be made.
    #[error("cannot make the metrics of revocation")]
    Metrics(#[source] prometheus::Error),
    /// This process cannot write to the folder for fetched data.
    #[error("revocation.directory cannot be used: {0}")]
    Access(AccessProblem),
    /// The folder for fetched data cannot be created or read.
    #[error("cannot use folder {} (revocation.directory)", path.display())]
    Directory {
        /// The folder.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
}

/// Whether this process can create files in `folder`, which need not exist. Creates nothing.
///
/// # Errors
/// [`RevocationError::Access`] names the folder, its owner and what to do.
pub fn require_directory(folder: &Path) -> Result<(), RevocationError> {
    directory_problem(folder).map_or(Ok(()), |problem| Err(RevocationError::Access(problem)))
}

/// The current settings.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(super) skew: SignedDuration,
    pub(super) max_age: Option<SignedDuration>,
    pub(super) default_lifetime: SignedDuration,
    pub(super) nonce: Nonce,
    pub(super) deadline: Duration,
    pub(super) refresh_interval: Duration,
    pub(super) max_waiting: usize,
    pub(super) max_crl: usize,
    pub(super) max_response_certificates: usize,
    pub(super) limits: FetchLimits,
    fallback: Option<String>,
    responders: Vec<Responder>,
    crl_issuers: Vec<CrlIssuer>,
}

/// A configured signer of indirect CRLs.
#[derive(Debug)]
struct CrlIssuer {
    der: Vec<u8>,
    facts: CertificateFacts,
    issuer: Arc<Issuer>,
    /// Whether a CA has issued its certificate, by the CA's identity. Verified once.
    issued: Mutex<HashMap<Identity, bool>>,
}

#[derive(Debug)]
struct Responder {
    issuer: Arc<Issuer>,
    ocsp: Option<String>,
    crl: Option<String>,
    signers: Vec<Arc<CertificateFacts>>,
}

/// A URL, and whether the operator configured it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(super) url: String,
    pub(super) is_configured: bool,
}

impl Settings {
    pub(super) fn load(config: &config::Revocation) -> Result<Self, RevocationError> {
        let responders = config.responders.iter().map(Responder::load).collect::<Result<_, _>>()?;
        let mut crl_issuers = Vec::new();
        for path in &config.crl_issuers {
            for der in certificates(path)? {
                let facts = facts(path, &der)?;
                let issuer = Arc::new(Issuer::from_certificate(&facts));
                crl_issuers.push(CrlIssuer { der, facts, issuer, issued: Mutex::default() });
            }
        }
        let signed = |duration: Duration| SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX);
        Ok(Self {
            skew: signed(config.clock_skew),
            max_age: config.ocsp_max_age.map(signed),
            default_lifetime: signed(config.ocsp_default_lifetime),
            nonce: config.ocsp_nonce,
            deadline: config.deadline,
            refresh_interval: config.refresh_interval,
            max_waiting: config.max_waiting,
            max_crl: config.max_crl,
            max_response_certificates: config.max_response_certificates,
            limits: FetchLimits {
                connect: config.connect_timeout,
                total: config.fetch_timeout,
                proxy: config.proxy.clone(),
                allowed_hosts: config.allowed_hosts.clone(),
            },
            fallback: config.fallback_responder.clone(),
            responders,
            crl_issuers,
        })
    }

    /// A9.2: the responder configured for this issuer; else those that the certificate names, and last the
    /// fallback.
    pub(super) fn responders(&self, issued: &IssuedCertificate) -> Vec<Endpoint> {
        if let Some(url) = self.responder(&issued.issuer).and_then(|responder| responder.ocsp.clone()) {
            return vec![Endpoint { url, is_configured: true }];
        }
        let named = issued.certificate.ocsp_urls.iter().filter(|url| is_http(url)).take(MAX_URLS);
        let named = named.map(|url| Endpoint { url: url.clone(), is_configured: false });
        named.chain(self.fallback.clone().map(|url| Endpoint { url, is_configured: true })).collect()
    }

    /// The URLs of the CRLs that cover a certificate: a list of alternatives for each distribution point, the
    /// deltas last.
    pub(super) fn distribution_points(&self, issued: &IssuedCertificate) -> Vec<Vec<Endpoint>> {
        if let Some(url) = self.responder(&issued.issuer).and_then(|responder| responder.crl.clone()) {
            return vec![vec![Endpoint { url, is_configured: true }]];
        }
        let points =
            issued.certificate.crl_distribution_points.iter().chain(&issued.certificate.freshest_crl);
        let endpoints = points.map(|point| {
            let urls = point.urls().filter(|url| is_http(url)).take(MAX_URLS);
            urls.map(|url| Endpoint { url: url.to_owned(), is_configured: false }).collect::<Vec<_>>()
        });
        // Points that only LDAP reaches do not count.
        endpoints.filter(|endpoints| !endpoints.is_empty()).take(MAX_URLS).collect()
    }

    /// The configured URL of an issuer's CRL.
    pub(super) fn configured_crl(&self, name: &ComparableName) -> Option<Endpoint> {
        let responder = self.responders.iter().find(|responder| responder.issuer.name() == name)?;
        responder.crl.clone().map(|url| Endpoint { url, is_configured: true })
    }

    /// Whether the operator configured this URL for the CRLs of an issuer.
    pub(super) fn is_configured_crl(&self, url: &str) -> bool {
        self.responders.iter().any(|responder| responder.crl.as_deref() == Some(url))
    }

    pub(super) fn signers(&self, issued: &IssuedCertificate) -> &[Arc<CertificateFacts>] {
        self.responder(&issued.issuer).map_or(&[], |responder| &responder.signers)
    }

    /// The signers of indirect CRLs for a path: its CAs, and the configured signers whose certificate one of
    /// them issued and is valid now.
    pub(super) fn crl_signers(&self, path: &[IssuedCertificate], now: Timestamp) -> Vec<Arc<Issuer>> {
        let mut signers: Vec<Arc<Issuer>> = path.iter().map(|issued| Arc::clone(&issued.issuer)).collect();
        for own in self.crl_issuers.iter().filter(|own| own.facts.is_valid_at(now)) {
            if path.iter().any(|issued| own.is_issued_by(&issued.issuer)) {
                signers.push(Arc::clone(&own.issuer));
            }
        }
        signers
    }

    /// The configured signers of indirect CRLs with this name.
    pub(super) fn crl_issuers(&self, name: &ComparableName) -> impl Iterator<Item = Arc<Issuer>> {
        let named = self.crl_issuers.iter().filter(move |own| own.issuer.name() == name);
        named.map(|own| Arc::clone(&own.issuer))
    }

    fn responder(&self, issuer: &Arc<Issuer>) -> Option<&Responder> {
        self.responders.iter().find(|responder| responder.issuer.identity() == issuer.identity())
    }
}

impl CrlIssuer {
    fn is_issued_by(&self, ca: &Issuer) -> bool {
        if !ca.name().matches(self.facts.issuer.as_der()) {
            return false;
        }
        let mut issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
        *issued.entry(ca.identity()).or_insert_with(|| {
            crate::x509::Signed::read(&self.der).is_ok_and(|signed| signed.verify(ca.key()).is_ok())
        })
    }
}

impl Responder {
    fn load(config: &config::Responder) -> Result<Self, RevocationError> {
        let path = &config.issuer;
        let missing = || RevocationError::Content {
            path: path.clone(),
            source: X509Error::Missing(crate::x509::Part::Certificate),
        };
        let issuer = certificates(path)?.into_iter().next().ok_or_else(missing)?;
        let mut signers = Vec::new();
        for path in &config.signers {
            for der in certificates(path)? {
                signers.push(Arc::new(facts(path, &der)?));
            }
        }
        let issuer = Arc::new(Issuer::from_certificate(&facts(path, &issuer)?));
        Ok(Self { issuer, ocsp: config.ocsp.clone(), crl: config.crl.clone(), signers })
    }
}

/// The CRLs of files, and of every `.crl` file of folders; PEM or DER (A9.1).
pub(super) fn load_installed_crls(paths: &[PathBuf]) -> Result<Vec<Arc<StoredCrl>>, RevocationError> {
    let mut stored = Vec::new();
    for path in paths {
        let files = if path.is_dir() { crl_files(path)? } else { vec![path.clone()] };
        for file in files {
            let contents = read(&file)?;
            let lists = pem::crls(&contents)
                .map_err(|source| RevocationError::Content { path: file.clone(), source })?;
            for der in lists {
                let crl =
                    Crl::read(der).map_err(|source| RevocationError::Crl { path: file.clone(), source })?;
                stored.push(StoredCrl::new(crl, Origin::Installed(file.clone())));
            }
        }
    }
    Ok(stored)
}

fn crl_files(folder: &Path) -> Result<Vec<PathBuf>, RevocationError> {
    let failed = |source| RevocationError::Read { path: folder.to_owned(), source };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "crl") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn certificates(path: &Path) -> Result<Vec<Vec<u8>>, RevocationError> {
    let contents = read(path)?;
    pem::certificates(&contents).map_err(|source| RevocationError::Content { path: path.to_owned(), source })
}

fn facts(path: &Path, der: &[u8]) -> Result<CertificateFacts, RevocationError> {
    CertificateFacts::read(der).map_err(|source| RevocationError::Content { path: path.to_owned(), source })
}

fn read(path: &Path) -> Result<Vec<u8>, RevocationError> {
    std::fs::read(path).map_err(|source| RevocationError::Read { path: path.to_owned(), source })
}

/// RFC 3986 3.1: schemes are case-insensitive.
pub(super) fn is_http(url: &str) -> bool {
    url.get(..SCHEME.len()).is_some_and(|scheme| scheme.eq_ignore_ascii_case(SCHEME))
}

const SCHEME: &str = "http://";
/// Of the http URLs that a certificate names: responders, distribution points, and URLs of one point.
const MAX_URLS: usize = 4;
