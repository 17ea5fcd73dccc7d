//! The file as it is written: a mirror of its keys with their defaults. Unknown keys are errors.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::de::IntoDeserializer as _;
use serde::{Deserialize, Deserializer};

use super::quantity::{Size, Span};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct File {
    #[serde(default)]
    pub(super) interface_a: InterfaceA,
    pub(super) tls: Tls,
    #[serde(default)]
    pub(super) revocation: Revocation,
    #[serde(default)]
    pub(super) stapling: Stapling,
    #[serde(default)]
    pub(super) devices: Devices,
    #[serde(default)]
    pub(super) messages: Messages,
    #[serde(default)]
    pub(super) store: Store,
    #[serde(default)]
    pub(super) audit: Audit,
    #[serde(default)]
    pub(super) admin: Admin,
    #[serde(default)]
    pub(super) log: Log,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct InterfaceA {
    pub(super) listen: Vec<SocketAddr>,
    pub(super) max_connections: usize,
    pub(super) max_handshakes: usize,
    pub(super) handshake_timeout: Span,
    pub(super) idle_timeout: Span,
    pub(super) frame_timeout: Span,
    pub(super) max_frame: Size,
    pub(super) in_flight: usize,
    pub(super) drain_timeout: Span,
}

impl Default for InterfaceA {
    fn default() -> Self {
        Self {
            // A1: port 2575. `[::]` takes IPv4 too.
            listen: vec![SocketAddr::from((std::net::Ipv6Addr::UNSPECIFIED, 2575))],
            max_connections: 20_000,
            max_handshakes: 256,
            handshake_timeout: Span(Duration::from_secs(10)),
            idle_timeout: Span(Duration::from_mins(15)),
            frame_timeout: Span(Duration::from_secs(30)),
            max_frame: Size(2 << 20),
            in_flight: 32,
            drain_timeout: Span(Duration::from_secs(20)),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Tls {
    #[serde(default = "every_version")]
    pub(super) versions: Vec<TlsVersion>,
    #[serde(default = "yes")]
    pub(super) ecdhe_rsa: bool,
    pub(super) client_trust_anchors: Vec<PathBuf>,
    pub(super) ecc: Option<Credential>,
    pub(super) rsa: Option<Credential>,
    #[serde(default = "client_rsa_bits")]
    pub(super) client_rsa_bits: [usize; 2],
    #[serde(default = "session_cache")]
    pub(super) session_cache: usize,
}

/// A version of TLS that can be configured; there is no way to write a lower one (A2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
pub enum TlsVersion {
    /// TLS 1.2, RFC 5246.
    #[serde(rename = "1.2")]
    Tls12,
    /// TLS 1.3, RFC 8446.
    #[serde(rename = "1.3")]
    Tls13,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Credential {
    pub(super) chain: PathBuf,
    pub(super) key: String,
    pub(super) passphrase: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct Revocation {
    pub(super) when_undetermined: Undetermined,
    pub(super) directory: PathBuf,
    pub(super) installed_crls: Vec<PathBuf>,
    pub(super) crl_issuers: Vec<PathBuf>,
    pub(super) responders: Vec<Responder>,
    pub(super) fallback_responder: Option<String>,
    pub(super) ocsp_nonce: Nonce,
    pub(super) clock_skew: Span,
    pub(super) ocsp_max_age: Option<Span>,
    pub(super) ocsp_default_lifetime: Span,
    pub(super) fetch_timeout: Span,
    pub(super) connect_timeout: Span,
    pub(super) deadline: Span,
    pub(super) max_waiting: usize,
    pub(super) max_crl: Size,
    pub(super) proxy: Option<String>,
    pub(super) allowed_hosts: Vec<String>,
    pub(super) refresh_interval: Span,
    pub(super) check_interval: Span,
}

impl Default for Revocation {
    fn default() -> Self {
        Self {
            when_undetermined: Undetermined::default(),
            directory: PathBuf::from("data/revocation"),
            installed_crls: Vec::new(),
            crl_issuers: Vec::new(),
            responders: Vec::new(),
            fallback_responder: None,
            ocsp_nonce: Nonce::default(),
            clock_skew: Span(Duration::from_mins(5)),
            ocsp_max_age: None,
            ocsp_default_lifetime: Span(Duration::from_hours(1)),
            fetch_timeout: Span(Duration::from_secs(3)),
            connect_timeout: Span(Duration::from_secs(2)),
            // Below the handshake's own limit, so that the peer is told.
            deadline: Span(Duration::from_secs(7)),
            max_waiting: 256,
            max_crl: Size(64 << 20),
            proxy: None,
            allowed_hosts: Vec::new(),
            refresh_interval: Span(Duration::from_hours(1)),
            check_interval: Span(Duration::from_mins(1)),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Responder {
    pub(super) issuer: PathBuf,
    pub(super) ocsp: Option<String>,
    pub(super) crl: Option<String>,
    #[serde(default)]
    pub(super) signers: Vec<PathBuf>,
}

/// Whether OCSP requests carry a nonce (RFC 9654).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Nonce {
    /// They do not: responders may answer from stock, and GET can be used.
    #[default]
    Off,
    /// They do; a response with another nonce does not count, one without does.
    Send,
    /// They do, and a response without it does not count.
    Require,
}

/// What to do with a certificate of which nothing fresh is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Undetermined {
    /// Not let in.
    #[default]
    Refuse,
    /// Let in.
    Accept,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct Stapling {
    pub(super) wait: Span,
    pub(super) must_staple: MustStaple,
}

impl Default for Stapling {
    fn default() -> Self {
        // One responder that is silent, and another one after it.
        Self { wait: Span(Duration::from_secs(5)), must_staple: MustStaple::default() }
    }
}

/// What to do with a chain whose certificate promises a staple (RFC 7633) while there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MustStaple {
    /// Not served: clients get the other chain, if they can use it.
    #[default]
    Withhold,
    /// Served: clients that ask for no staple get in.
    Serve,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct Devices {
    pub(super) unknown: Unknown,
    pub(super) identity: Identity,
    pub(super) missing_identity: MissingIdentity,
    pub(super) max_violations: u32,
    pub(super) silent_after: SilentAfter,
}

impl Default for Devices {
    fn default() -> Self {
        Self {
            unknown: Unknown::default(),
            identity: Identity::default(),
            missing_identity: MissingIdentity::default(),
            max_violations: 10,
            silent_after: SilentAfter::default(),
        }
    }
}

/// How long something is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retain {
    /// `"forever"`.
    Forever,
    /// Until it is so old.
    For(Duration),
}

impl<'de> Deserialize<'de> for Retain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.as_str() {
            "forever" => Ok(Self::Forever),
            _ => Span::deserialize(text.into_deserializer()).map(|span| Self::For(span.0)),
        }
    }
}

/// When a device that stopped sending counts as silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SilentAfter {
    /// `"learned"`: by its own habit, or by what its watchdog promises.
    #[default]
    Learned,
    /// After this time, whoever it is.
    Fixed(Duration),
    /// `"never"`.
    Never,
}

impl<'de> Deserialize<'de> for SilentAfter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.as_str() {
            "learned" => Ok(Self::Learned),
            "never" => Ok(Self::Never),
            _ => Span::deserialize(text.into_deserializer()).map(|span| Self::Fixed(span.0)),
        }
    }
}

/// What to do with a device identifier that the directory does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unknown {
    /// Not let in.
    #[default]
    Refuse,
    /// Not let in, and entered into the directory as suspended, so that an operator can resume it.
    Enrol,
}

/// What to do with a message that names a device which its sender may not speak for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Identity {
    /// Refused.
    #[default]
    Enforce,
    /// Taken, with a warning and an audit row.
    Record,
}

/// What to do with a message that names no device at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MissingIdentity {
    /// Taken, with a warning.
    #[default]
    Accept,
    /// Refused.
    Refuse,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct Messages {
    pub(super) types: MessageTypes,
    pub(super) processing_ids: Vec<String>,
    pub(super) conformance: Conformance,
    pub(super) unreadable: UnreadableMessage,
    pub(super) application: String,
    pub(super) facility: String,
}

impl Default for Messages {
    fn default() -> Self {
        Self {
            types: MessageTypes::default(),
            processing_ids: vec!["P".to_owned()],
            conformance: Conformance::default(),
            unreadable: UnreadableMessage::default(),
            application: "PCD-PLATFORM".to_owned(),
            facility: String::new(),
        }
    }
}

/// Which types of message are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MessageTypes {
    /// Those of the IHE PCD profiles.
    #[default]
    Pcd,
    /// Any HL7 v2 message.
    Any,
}

/// What to do with a frame that has no MSH, or no MSH-10 by which an answer could name it. It is kept as rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnreadableMessage {
    /// Answered with AR and an empty MSA-2.
    #[default]
    Answer,
    /// Not answered; the connection is closed.
    Close,
}

/// What to do with a message that breaks its profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Conformance {
    /// Taken, with warnings.
    #[default]
    Warn,
    /// Refused.
    Strict,
}

/// No `Debug`: the URL may hold a password.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct Store {
    pub(super) url: String,
    pub(super) password_file: Option<String>,
    pub(super) node: Option<String>,
    pub(super) retain_messages: Retain,
    pub(super) retain_audit: Retain,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            url: "sqlite:data/platform.db".to_owned(),
            password_file: None,
            node: None,
            retain_messages: Retain::For(Duration::from_hours(30 * 24)),
            retain_audit: Retain::Forever,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct Audit {
    pub(super) sign_every: Span,
    pub(super) repository: Option<AuditRepository>,
}

impl Default for Audit {
    fn default() -> Self {
        Self { sign_every: Span(Duration::from_mins(5)), repository: None }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct AuditRepository {
    pub(super) address: String,
    pub(super) trust_anchors: Vec<PathBuf>,
    pub(super) identity: Option<Credential>,
    pub(super) site: Option<String>,
    #[serde(default = "yes")]
    pub(super) messages: bool,
    #[serde(default = "audit_repository_position")]
    pub(super) position: PathBuf,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct Admin {
    pub(super) listen: SocketAddr,
}

impl Default for Admin {
    fn default() -> Self {
        Self { listen: SocketAddr::from((std::net::Ipv4Addr::LOCALHOST, 9575)) }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct Log {
    pub(super) format: LogFormat,
    pub(super) level: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::default(), level: "info".to_owned() }
    }
}

/// The form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

fn every_version() -> Vec<TlsVersion> {
    vec![TlsVersion::Tls12, TlsVersion::Tls13]
}

fn audit_repository_position() -> PathBuf {
    PathBuf::from("data/audit-repository.json")
}

const fn yes() -> bool {
    true
}

// A0: keys up to 4096 bits validate; NIST SP 800-131A disallows less than 2048.
const fn client_rsa_bits() -> [usize; 2] {
    [2048, 4096]
}

// 1.4 KB each with ECC, 2.2 KB with RSA (docs/benchmarks.md).
const fn session_cache() -> usize {
    4096
}
