//! The order for a certificate.

use std::path::PathBuf;

use jiff::Timestamp;

use super::key::KeyType;
use super::role::Role;
use crate::x509::KeyPurpose;

/// The specification of a certificate and its key.
///
/// [`CertificateOrder::new`] orders what the specification requires. Tests use the other fields to order
/// certificates that violate it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateOrder {
    /// The Common Names of the subject. Tests order none or two.
    pub common_names: Vec<String>,
    /// The use of the certificate.
    pub role: Role,
    /// The type of the key to generate.
    pub key: KeyType,
    /// DNS names, IP addresses and URIs for subjectAltName. A platform's certificate also names this machine.
    pub sans: Vec<String>,
    /// The validity, beginning at `not_before`.
    pub days: u32,
    /// The start of validity; `None` is a few minutes ago, because the clocks of peers may be behind.
    pub not_before: Option<Timestamp>,
    /// extKeyUsage; `None` is what the role requires.
    pub purposes: Option<Vec<KeyPurpose>>,
    /// Whether it has the TLS feature extension (RFC 7633).
    pub must_staple: bool,
    /// The OCSP URLs; `None` is the PKI's own responder, an empty list omits the extension.
    pub ocsp_urls: Option<Vec<String>>,
    /// The CRL URLs; `None` is the PKI's own, an empty list omits the extension.
    pub crl_urls: Option<Vec<String>>,
}

/// The files of an issued certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// The certificate and its issuing CA, PEM.
    pub chain: PathBuf,
    /// The key, PKCS#8 PEM, mode 0600.
    pub key: PathBuf,
}

impl CertificateOrder {
    /// A certificate that follows the specification, valid for a year.
    #[must_use]
    pub fn new(common_name: impl Into<String>, role: Role, key: KeyType) -> Self {
        Self {
            common_names: vec![common_name.into()],
            role,
            key,
            sans: Vec::new(),
            days: Self::DEFAULT_DAYS,
            not_before: None,
            purposes: None,
            must_staple: false,
            ocsp_urls: None,
            crl_urls: None,
        }
    }

    /// The default validity.
    pub const DEFAULT_DAYS: u32 = 365;
}
