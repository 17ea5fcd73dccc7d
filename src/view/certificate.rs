//! Certificates on which connections depend.

use jiff::Timestamp;

/// A certificate of the platform, of a CA, or a root.
#[derive(Debug, Clone)]
pub struct CertificateView {
    /// What it is for, in words.
    pub role: &'static str,
    /// The subject.
    pub subject: String,
    /// The issuer.
    pub issuer: String,
    /// The serial number in hexadecimal.
    pub serial: String,
    /// The family of its key: `ecc` or `rsa`.
    pub key: &'static str,
    /// SHA-256 over the certificate, in hexadecimal.
    pub fingerprint: String,
    /// The first second of its validity.
    pub not_before: Timestamp,
    /// The last second of its validity; `None` when it has no end.
    pub not_after: Option<Timestamp>,
}
