//! `[tls]`: identities and trust of the TLS profile.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::key::{Key, ReloadClass};
use super::quantity;
#[cfg(feature = "pkcs11")]
use super::token_uri::TokenUri;

/// Identities and trust (A2 to A7).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Tls {
    /// Offered versions; never empty, and none below 1.2 can be written (A2).
    pub versions: Vec<TlsVersion>,
    /// Whether the optional third suite, `ECDHE_RSA` with AES-256-GCM, is on (A3).
    pub ecdhe_rsa: bool,
    /// Files with the ECC and the RSA root that clients must chain to (A6).
    pub client_trust_anchors: Vec<PathBuf>,
    /// Files with the roots of the platform's own certificates (A4); empty: those of clients.
    pub platform_trust_anchors: Vec<PathBuf>,
    /// The ECC identity (A5).
    pub ecc: Option<Credential>,
    /// The RSA identity (A5).
    pub rsa: Option<Credential>,
    /// Minimum and maximum size, in bits, of the RSA key of a client's certificate (A0).
    pub client_rsa_bits: (usize, usize),
    /// Certificates in the chain of a client, its own included.
    pub max_chain_certificates: usize,
    /// Bytes of each certificate of a client's chain, in DER.
    #[serde(with = "quantity::size")]
    pub max_certificate: usize,
    /// Common Names of devices whose certificate may have a key usage without digitalSignature (RFC 5280
    /// 4.2.1.3).
    pub key_usage_exceptions: Vec<String>,
    /// TLS sessions stored for resumption, the newest ones; 0 stores none.
    pub session_cache: usize,
}

impl Default for Tls {
    fn default() -> Self {
        Self {
            versions: vec![TlsVersion::Tls12, TlsVersion::Tls13],
            ecdhe_rsa: true,
            client_trust_anchors: Vec::new(),
            platform_trust_anchors: Vec::new(),
            ecc: None,
            rsa: None,
            // A0: keys up to 4096 bits validate; NIST SP 800-131A disallows less than 2048.
            client_rsa_bits: (2048, 4096),
            // A device, its issuing CA and the root are three; cross-certificates add one or two.
            max_chain_certificates: 6,
            max_certificate: 16 << 10,
            key_usage_exceptions: Vec::new(),
            // 1.4 KB each with ECC, 2.2 KB with RSA (docs/explanation/benchmarks.md).
            session_cache: 4096,
        }
    }
}

impl Tls {
    /// Files with the roots of the platform's own certificates.
    #[must_use]
    pub fn roots_of_platform(&self) -> &[PathBuf] {
        if self.platform_trust_anchors.is_empty() {
            &self.client_trust_anchors
        } else {
            &self.platform_trust_anchors
        }
    }
}

/// A version of TLS that can be configured; there is no way to write a lower one (A2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum TlsVersion {
    /// TLS 1.2, RFC 5246.
    #[serde(rename = "1.2")]
    Tls12,
    /// TLS 1.3, RFC 8446.
    #[serde(rename = "1.3")]
    Tls13,
}

/// The files of one identity.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Credential {
    /// PEM: the platform's certificate, its issuing CA, further intermediates (A4, A7).
    pub chain: PathBuf,
    /// The private key (A11).
    pub key: KeyLocation,
    /// A file with the passphrase of an encrypted key; only its owner may read it.
    pub passphrase: Option<PathBuf>,
}

/// Where a private key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyLocation {
    /// In a PEM file; only its owner may read it. Before validation also a `pkcs11:` URI or
    /// `credential:NAME`.
    File(PathBuf),
    /// In a PKCS#11 token, which signs with it and never shows it.
    #[cfg(feature = "pkcs11")]
    Token(Box<TokenUri>),
}

impl Default for KeyLocation {
    fn default() -> Self {
        Self::File(PathBuf::new())
    }
}

impl From<PathBuf> for KeyLocation {
    fn from(file: PathBuf) -> Self {
        Self::File(file)
    }
}

impl fmt::Display for KeyLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => file.display().fmt(f),
            #[cfg(feature = "pkcs11")]
            Self::Token(token) => token.fmt(f),
        }
    }
}

// `validate` reads the URI: the parser's errors repeat the line, and a line with pin-value holds a secret.
impl<'de> Deserialize<'de> for KeyLocation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        PathBuf::deserialize(deserializer).map(Self::File)
    }
}

impl Serialize for KeyLocation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

// A session keeps the TLS state of its handshake; it is not interrupted and cannot be resumed into other
// settings.
pub(super) const KEYS: &[Key] = &[
    Key::new("tls.versions", ReloadClass::NewSessions),
    Key::new("tls.ecdhe-rsa", ReloadClass::NewSessions),
    Key::new("tls.client-trust-anchors", ReloadClass::NewSessions),
    Key::new("tls.platform-trust-anchors", ReloadClass::NewSessions),
    Key::new("tls.ecc.chain", ReloadClass::NewSessions),
    Key::new("tls.ecc.key", ReloadClass::NewSessions),
    Key::new("tls.ecc.passphrase", ReloadClass::NewSessions),
    Key::new("tls.rsa.chain", ReloadClass::NewSessions),
    Key::new("tls.rsa.key", ReloadClass::NewSessions),
    Key::new("tls.rsa.passphrase", ReloadClass::NewSessions),
    Key::new("tls.client-rsa-bits", ReloadClass::NewSessions),
    Key::new("tls.max-chain-certificates", ReloadClass::NewSessions).count(2..=10),
    Key::new("tls.max-certificate", ReloadClass::NewSessions).bytes(2 << 10..=64 << 10),
    Key::new("tls.key-usage-exceptions", ReloadClass::NewSessions),
    Key::new("tls.session-cache", ReloadClass::NewSessions).count(0..=1_000_000),
];
