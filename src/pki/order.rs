//! What can be ordered from the test PKI.

use std::path::PathBuf;

use jiff::Timestamp;

use super::key::KeyType;
use super::role::Role;
use crate::x509::KeyPurpose;

/// A certificate to be made, with its key.
///
/// [`CertificateOrder::new`] asks for what the specification wants; the other fields are there so that tests can
/// have certificates that it does not want.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateOrder {
    /// The Common Names of the subject: one; in tests none, or two.
    pub common_names: Vec<String>,
    /// What the certificate is for.
    pub role: Role,
    /// The key to make.
    pub key: KeyType,
    /// DNS names and IP addresses for subjectAltName; a platform's own machine is always among them.
    pub sans: Vec<String>,
    /// How long it is valid, from `not_before` on.
    pub days: u32,
    /// The start of validity; `None` is a few minutes ago, for peers whose clocks are behind.
    pub not_before: Option<Timestamp>,
    /// extKeyUsage; `None` is what the role needs.
    pub purposes: Option<Vec<KeyPurpose>>,
    /// Whether it carries the TLS feature extension (RFC 7633).
    pub must_staple: bool,
    /// Where its status is asked for; `None` is the PKI's own responder, empty leaves the extension out.
    pub ocsp_urls: Option<Vec<String>>,
    /// Where the CRL of its issuer is; `None` is the PKI's own, empty leaves the extension out.
    pub crl_urls: Option<Vec<String>>,
}

/// Where an issued certificate is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// The certificate and its issuing CA, PEM.
    pub chain: PathBuf,
    /// The key, PKCS#8 PEM, mode 0600.
    pub key: PathBuf,
}

impl CertificateOrder {
    /// A certificate as the specification wants it, valid for a year.
    #[must_use]
    pub fn new(common_name: impl Into<String>, role: Role, key: KeyType) -> Self {
        Self {
            common_names: vec![common_name.into()],
            role,
            key,
            sans: Vec::new(),
            days: Self::DAYS,
            not_before: None,
            purposes: None,
            must_staple: false,
            ocsp_urls: None,
            crl_urls: None,
        }
    }

    /// How long a certificate is valid if nobody says otherwise.
    pub const DAYS: u32 = 365;
}
