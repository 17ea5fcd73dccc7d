//! `[audit]`: signing the audit trail, and forwarding it.

use std::path::PathBuf;
use std::time::Duration;

use serde::de::IntoDeserializer as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::host::HostAndPort;
use super::key::{Key, ReloadClass};
use super::quantity;
use super::tls::Credential;

/// The audit trail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Audit {
    /// How often the platform's key signs new rows.
    #[serde(with = "quantity::duration")]
    pub sign_every: Duration,
    /// The folder in which each node remembers the end of its audit chain, outside of the database.
    pub state_directory: PathBuf,
    /// How often that is written.
    #[serde(with = "quantity::duration")]
    pub remember_every: Duration,
    /// How long refusals of one peer for one reason share a row.
    pub refusal_interval: RefusalInterval,
    /// Rows about refused peers in one minute.
    pub refusal_rate: usize,
    /// Bytes of these rows in one minute.
    #[serde(with = "quantity::size")]
    pub refusal_bytes: usize,
    /// Rows that are kept in memory while the store fails.
    pub max_deferred_rows: usize,
    /// The repository that the trail is forwarded to.
    pub repository: Option<AuditRepository>,
}

impl Default for Audit {
    fn default() -> Self {
        Self {
            sign_every: Duration::from_mins(5),
            state_directory: PathBuf::from("data/audit"),
            remember_every: Duration::from_secs(1),
            refusal_interval: RefusalInterval::Every(Duration::from_mins(10)),
            refusal_rate: 60,
            refusal_bytes: 256 << 10,
            max_deferred_rows: 4096,
            repository: None,
        }
    }
}

/// How long refusals of one peer for one reason share a row, after the first one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalInterval {
    /// Of each interval they share one.
    Every(Duration),
    /// `"never"`: each refusal has a row of its own, within the rate.
    Never,
}

impl<'de> Deserialize<'de> for RefusalInterval {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.as_str() {
            "never" => Ok(Self::Never),
            _ => quantity::duration::deserialize(text.into_deserializer()).map(Self::Every),
        }
    }
}

impl Serialize for RefusalInterval {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Never => serializer.serialize_str("never"),
            Self::Every(interval) => quantity::duration::serialize(interval, serializer),
        }
    }
}

/// An Audit Record Repository (IHE ATNA), reached by syslog over TLS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AuditRepository {
    /// Its name or address, which its certificate has to show, and its port.
    pub address: HostAndPort,
    /// Files with the roots that its certificate must chain to.
    pub trust_anchors: Vec<PathBuf>,
    /// The client certificate of the platform. Left out of the file, it is empty until validation inserts the
    /// platform's own.
    #[serde(default)]
    pub identity: Credential,
    /// The name of the organisation (AuditEnterpriseSiteID).
    pub site: Option<String>,
    /// Whether the rows of single messages are forwarded.
    #[serde(default = "forward_messages")]
    pub messages: bool,
    /// The file that stores how far the repository has received the trail.
    #[serde(default = "position")]
    pub position: PathBuf,
}

const fn forward_messages() -> bool {
    true
}

fn position() -> PathBuf {
    PathBuf::from("data/audit-repository.json")
}

// The forwarder reconnects when the configuration has changed.
pub(super) const KEYS: &[Key] = &[
    Key::new("audit.sign-every", ReloadClass::Applied).timeout(),
    Key::new("audit.state-directory", ReloadClass::Restart),
    Key::new("audit.remember-every", ReloadClass::Applied).timeout(),
    Key::new("audit.refusal-interval", ReloadClass::Applied).timeout(),
    Key::new("audit.refusal-rate", ReloadClass::Applied).count(1..=100_000),
    Key::new("audit.refusal-bytes", ReloadClass::Applied).bytes(4 << 10..=1 << 30),
    Key::new("audit.max-deferred-rows", ReloadClass::Restart).count(0..=100_000),
    Key::new("audit.repository.address", ReloadClass::Applied),
    Key::new("audit.repository.trust-anchors", ReloadClass::Applied),
    Key::new("audit.repository.identity.chain", ReloadClass::Applied),
    Key::new("audit.repository.identity.key", ReloadClass::Applied),
    Key::new("audit.repository.identity.passphrase", ReloadClass::Applied),
    Key::new("audit.repository.site", ReloadClass::Applied),
    Key::new("audit.repository.messages", ReloadClass::Applied),
    Key::new("audit.repository.position", ReloadClass::Applied),
];
