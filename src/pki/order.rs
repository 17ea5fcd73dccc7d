//! What can be ordered from the test PKI.

use std::path::PathBuf;

use jiff::Timestamp;

use super::authority::KeyFamily;
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

/// What a certificate is for (specification 5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, clap::ValueEnum)]
pub enum Role {
    /// A medical device: a TLS client.
    Device,
    /// A gateway: a TLS client.
    Gateway,
    /// A platform: a TLS server, and a client when it connects to others.
    Platform,
}

/// A key to make (A0).
///
/// RSA below 2048 bits is not among them: aws-lc neither makes such keys nor signs with them. A test that needs one
/// makes it with OpenSSL and has it signed there with the files under `ca/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyType {
    /// P-256: verified ten times as fast as P-384, and enough.
    Ecc,
    /// P-384.
    EccP384,
    /// P-521.
    EccP521,
    /// RSA with 2048 bits.
    Rsa,
    /// RSA with 4096 bits.
    Rsa4096,
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

impl Role {
    /// The name of its folder.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::Gateway => "gateway",
            Self::Platform => "platform",
        }
    }

    pub(super) fn purposes(self) -> Vec<KeyPurpose> {
        match self {
            Self::Device | Self::Gateway => vec![KeyPurpose::ClientAuth],
            Self::Platform => vec![KeyPurpose::ServerAuth, KeyPurpose::ClientAuth],
        }
    }
}

impl KeyType {
    /// Its part of a file name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ecc => "ecc",
            Self::EccP384 => "ecc-p384",
            Self::EccP521 => "ecc-p521",
            Self::Rsa => "rsa",
            Self::Rsa4096 => "rsa-4096",
        }
    }

    /// Which issuing CA it belongs to.
    #[must_use]
    pub const fn family(self) -> KeyFamily {
        match self {
            Self::Ecc | Self::EccP384 | Self::EccP521 => KeyFamily::Ecc,
            Self::Rsa | Self::Rsa4096 => KeyFamily::Rsa,
        }
    }
}

impl From<KeyFamily> for KeyType {
    fn from(family: KeyFamily) -> Self {
        match family {
            KeyFamily::Ecc => Self::Ecc,
            KeyFamily::Rsa => Self::Rsa,
        }
    }
}
