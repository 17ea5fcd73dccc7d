//! The configuration: one TOML file, read whole, checked whole, published whole.
//!
//! `raw` mirrors the file and refuses keys that it does not know, with line and column. [`Config`] is what has
//! been checked: paths are absolute or relative to the process, limits are within bounds, and every problem that
//! was found is reported at once.

mod error;
mod quantity;
mod raw;
#[cfg(feature = "pkcs11")]
mod token_uri;
mod validate;
mod written;

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use crate::model::{NodeName, StoreUrl};
pub use error::{ConfigError, Problem};
#[cfg(feature = "pkcs11")]
pub use token_uri::TokenUri;

pub use written::Written;

pub use raw::{
    Conformance, Identity, LogFormat, MessageTypes, MissingIdentity, MustStaple, Nonce, Retain, SilentAfter,
    TlsVersion, Undetermined, Unknown, UnreadableMessage,
};

/// The current configuration. A reload replaces it as a whole.
pub type ConfigHandle = Arc<ArcSwap<Config>>;

/// A checked configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The file it was read from.
    pub file: PathBuf,
    /// What the file says, key by key.
    pub written: Written,
    /// The listener for devices.
    pub interface_a: InterfaceA,
    /// Identities and trust of the TLS profile.
    pub tls: Tls,
    /// What is known about revoked certificates.
    pub revocation: Revocation,
    /// What is stapled to the platform's own chains.
    pub stapling: Stapling,
    /// Who may connect and for whom they speak.
    pub devices: Devices,
    /// Which messages are taken.
    pub messages: Messages,
    /// Where messages are kept: an URL such as `sqlite:/var/lib/pcd-platform/platform.db`.
    pub store_url: StoreUrl,
    /// Under which name this node keeps its audit chain in the store.
    pub node: NodeName,
    /// How long what is in the store stays there.
    pub retention: Retention,
    /// The audit trail.
    pub audit: Audit,
    /// Where the operator's HTTP listener is; loopback.
    pub admin_listen: SocketAddr,
    /// Logging.
    pub log: Log,
}

/// How long what is in the store stays there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Messages, accepted and rejected ones.
    pub messages: Retain,
    /// The audit trail; never shorter than the messages that it accounts for.
    pub audit: Retain,
}

/// The listener for devices (A1).
#[derive(Debug, Clone, PartialEq)]
pub struct InterfaceA {
    /// Addresses to listen on; the default is port 2575 on every address, IPv6 and IPv4.
    pub listen: Vec<SocketAddr>,
    /// Connections at once; more wait in the kernel's backlog.
    pub max_connections: usize,
    /// TLS handshakes at once; more wait, none is dropped.
    pub max_handshakes: usize,
    /// From the accepted connection to the finished handshake.
    pub handshake_timeout: Duration,
    /// Without a byte from the peer, the session ends.
    pub idle_timeout: Duration,
    /// From the first byte of a frame to its last.
    pub frame_timeout: Duration,
    /// Payload bytes of the largest frame.
    pub max_frame: usize,
    /// Messages of one connection that are being stored at once.
    pub in_flight: usize,
    /// How long a shutdown waits for messages that are being stored.
    pub drain_timeout: Duration,
}

/// Identities and trust (A2 to A7).
#[derive(Debug, Clone, PartialEq)]
pub struct Tls {
    /// Which versions are offered; never empty, nothing below 1.2 can be said (A2).
    pub versions: Vec<TlsVersion>,
    /// Whether the optional third suite, `ECDHE_RSA` with AES-256-GCM, is on (A3).
    pub ecdhe_rsa: bool,
    /// Files with the ECC and the RSA root that clients must chain to (A6).
    pub client_trust_anchors: Vec<PathBuf>,
    /// The ECC identity (A5).
    pub ecc: Option<Credential>,
    /// The RSA identity (A5).
    pub rsa: Option<Credential>,
    /// Bits that the RSA key of a client's certificate must have, at least and at most (A0).
    pub client_rsa_bits: (usize, usize),
    /// TLS sessions that are kept so that they can be resumed, the newest ones; 0 keeps none.
    pub session_cache: usize,
}

/// The files of one identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// PEM: the platform's certificate, its issuing CA, further intermediates (A4, A7).
    pub chain: PathBuf,
    /// The private key (A11).
    pub key: KeyLocation,
    /// A file with the passphrase, when the key is encrypted; nobody but its owner may read it.
    pub passphrase: Option<PathBuf>,
}

/// Where a private key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyLocation {
    /// In a PEM file; nobody but its owner may read it.
    File(PathBuf),
    /// In a PKCS#11 token, which signs with it and never shows it.
    #[cfg(feature = "pkcs11")]
    Token(Box<TokenUri>),
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

/// What is known about revoked certificates, and how more is found out (A9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// What to do with a certificate of which nothing fresh is known.
    pub when_undetermined: Undetermined,
    /// Where everything that was fetched is kept.
    pub directory: PathBuf,
    /// CRL files, or folders of them, installed at setup (A9.1).
    pub installed_crls: Vec<PathBuf>,
    /// Certificates of those who sign indirect CRLs.
    pub crl_issuers: Vec<PathBuf>,
    /// Responders and CRLs that are configured for an issuer, in place of what certificates say.
    pub responders: Vec<Responder>,
    /// Asked when the certificate names no responder, or none that answers (A9.2).
    pub fallback_responder: Option<String>,
    /// Whether requests carry a nonce.
    pub ocsp_nonce: Nonce,
    /// How far clocks may be apart.
    pub clock_skew: Duration,
    /// How old an OCSP response may be, whatever it says itself.
    pub ocsp_max_age: Option<Duration>,
    /// How long an OCSP response without nextUpdate counts.
    pub ocsp_default_lifetime: Duration,
    /// From the request to the last byte of an OCSP response or CRL.
    pub fetch_timeout: Duration,
    /// The same, for the TCP connection alone.
    pub connect_timeout: Duration,
    /// How long a handshake waits for all answers together.
    pub deadline: Duration,
    /// How many handshakes may wait for answers at once.
    pub max_waiting: usize,
    /// Bytes of the largest CRL.
    pub max_crl: usize,
    /// `host:port` of an HTTP proxy.
    pub proxy: Option<String>,
    /// `host` or `host:port` of those who may be asked; empty for all but this machine and its neighbours.
    pub allowed_hosts: Vec<String>,
    /// How often an answer is renewed that is still good, at least.
    pub refresh_interval: Duration,
    /// How often the certificates of live sessions are looked at again.
    pub check_interval: Duration,
}

/// What is configured for one issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Responder {
    /// The file of the issuer's certificate.
    pub issuer: PathBuf,
    /// Its OCSP responder.
    pub ocsp: Option<String>,
    /// Its CRL.
    pub crl: Option<String>,
    /// Certificates that sign its OCSP responses besides the issuer and its delegates.
    pub signers: Vec<PathBuf>,
}

/// What is stapled to the platform's own chains (A10). Asking and keeping is as [`Revocation`] says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stapling {
    /// How long a chain that has no staples yet waits for them before it is served.
    pub wait: Duration,
    /// What to do with a chain whose certificate promises a staple while there is none.
    pub must_staple: MustStaple,
}

/// Who may connect, and for whom they speak (A8).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Devices {
    /// What to do with a device identifier that the directory does not hold.
    pub unknown: Unknown,
    /// What to do with a message that names a device which its sender may not speak for.
    pub identity: Identity,
    /// What to do with a message that names no device at all.
    pub missing_identity: MissingIdentity,
    /// Violations in a row after which the connection is closed.
    pub max_violations: u32,
    /// When a device that stopped sending counts as silent.
    pub silent_after: SilentAfter,
}

/// Which messages are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Messages {
    /// Only those of the IHE PCD profiles, or any HL7 v2 message.
    pub types: MessageTypes,
    /// Values of MSH-11.1 that are taken.
    pub processing_ids: Vec<String>,
    /// What to do with a message that breaks its profile.
    pub conformance: Conformance,
    /// What to do with a frame without MSH or MSH-10.
    pub unreadable: UnreadableMessage,
    /// MSH-3 of what we send.
    pub application: String,
    /// MSH-4 of what we send.
    pub facility: String,
}

/// The audit trail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audit {
    /// How often the platform's key vouches for what is new.
    pub sign_every: Duration,
    /// Where the trail is sent besides.
    pub repository: Option<AuditRepository>,
}

/// An Audit Record Repository (IHE ATNA), reached by syslog over TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRepository {
    /// Its name or address, which its certificate has to show.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Files with the roots that its certificate must chain to.
    pub trust_anchors: Vec<PathBuf>,
    /// What the platform shows it: an identity for this purpose, or its own.
    pub identity: Credential,
    /// What the organisation is called (AuditEnterpriseSiteID).
    pub site: Option<String>,
    /// Whether it is told of each message.
    pub messages: bool,
    /// The file that remembers what it has received.
    pub position: PathBuf,
}

/// Logging.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// Text for people or JSON for collectors.
    pub format: LogFormat,
    /// A level, or directives of `tracing_subscriber::EnvFilter`.
    pub level: String,
}

/// What the environment overrides.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `PCD_STORE_URL`; it may hold a password.
    pub store_url: Option<StoreUrl>,
    /// `PCD_NODE`.
    pub node: Option<String>,
    /// `PCD_LOG`.
    pub log_level: Option<String>,
    /// `CREDENTIALS_DIRECTORY`: where systemd puts what `credential:NAME` stands for.
    pub credentials_directory: Option<PathBuf>,
}

impl Overrides {
    /// What this process was started with.
    #[must_use]
    pub fn from_environment() -> Self {
        let read = |name| std::env::var(name).ok().filter(|value: &String| !value.is_empty());
        Self {
            store_url: read("PCD_STORE_URL").map(StoreUrl::new),
            node: read("PCD_NODE"),
            log_level: read("PCD_LOG"),
            credentials_directory: read("CREDENTIALS_DIRECTORY").map(PathBuf::from),
        }
    }
}

impl Config {
    /// Reads and checks `file`. Relative paths in it are relative to it.
    ///
    /// # Errors
    /// When it cannot be read, is no TOML, has unknown keys, or holds values that cannot work; of the last kind
    /// all are reported at once.
    pub fn load(file: &Path, overrides: &Overrides) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(file)
            .map_err(|source| ConfigError::Read { file: file.to_owned(), source })?;
        Self::parse(&text, file, overrides)
    }

    /// Checks `text` as the content of `file`.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(text: &str, file: &Path, overrides: &Overrides) -> Result<Self, ConfigError> {
        let syntax = |mut source: toml::de::Error| {
            // It shows the line of the mistake.
            source.set_input(Some(&error::without_passwords(text)));
            ConfigError::Syntax { file: file.to_owned(), source: Box::new(source) }
        };
        let raw: raw::File = toml::from_str(text).map_err(syntax)?;
        let written = Written::of(toml::from_str(text).map_err(syntax)?);
        validate::validate(raw, written, file, overrides)
    }
}
