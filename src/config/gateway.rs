//! `[gateway]`: forwards messages to another platform.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::host::HostAndPort;
use super::key::{Key, ReloadClass};
use super::quantity;
use super::tls::Credential;

/// The platform to which a gateway forwards what its devices send.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Gateway {
    /// Its name or address, which its certificate has to show (B17), and its port (B12).
    pub platform: HostAndPort,
    /// The client certificate that the gateway shows (B16), and its key (B19). Left out of the file, it is
    /// empty until validation inserts the gateway's own.
    #[serde(default)]
    pub certificate: Credential,
    /// Files with the roots that the platform's certificate must chain to (B15); empty: those of clients.
    #[serde(default)]
    pub trust_anchors: Vec<PathBuf>,
    /// Whether the platform has to staple the OCSP status of each of its certificates (B18).
    #[serde(default)]
    pub staples: MissingStaple,
    /// Connections to the platform.
    #[serde(default = "connections")]
    pub connections: usize,
    /// Messages that may wait for the platform. A device that sends another one is refused, and keeps it.
    #[serde(default = "max_waiting")]
    pub max_waiting: usize,
    /// Messages of one connection that may wait for the platform's application acknowledgement. A device that
    /// sends another one is refused, and keeps it.
    #[serde(default = "awaited_per_connection")]
    pub awaited_per_connection: usize,
    /// How long the platform may take to acknowledge a message before the connection counts as lost.
    #[serde(default = "answer_timeout", with = "quantity::duration")]
    pub answer_timeout: Duration,
    /// What a device gets that asks for the platform's own acknowledgement while the platform cannot be
    /// reached.
    #[serde(default)]
    pub during_outage: DuringOutage,
}

/// What a status that is not stapled means (B18). One that is stale, revoked or wrongly signed is refused in
/// any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MissingStaple {
    /// The platform is refused.
    #[default]
    Require,
    /// It is accepted, with a warning.
    Accept,
}

/// What a device gets that asks for an application acknowledgement while the platform cannot be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DuringOutage {
    /// Nothing until the platform has answered.
    #[default]
    Wait,
    /// AE: the message is not taken, and the device keeps it.
    Refuse,
}

const fn connections() -> usize {
    4
}

const fn max_waiting() -> usize {
    1_000_000
}

const fn awaited_per_connection() -> usize {
    1000
}

const fn answer_timeout() -> Duration {
    Duration::from_secs(30)
}

// Each connection to the platform reads the configuration when it begins.
pub(super) const KEYS: &[Key] = &[
    Key::new("gateway.platform", ReloadClass::NewSessions),
    Key::new("gateway.certificate.chain", ReloadClass::NewSessions),
    Key::new("gateway.certificate.key", ReloadClass::NewSessions),
    Key::new("gateway.certificate.passphrase", ReloadClass::NewSessions),
    Key::new("gateway.trust-anchors", ReloadClass::NewSessions),
    Key::new("gateway.staples", ReloadClass::NewSessions),
    Key::new("gateway.connections", ReloadClass::Restart).count(1..=64),
    Key::new("gateway.max-waiting", ReloadClass::Applied).count(1..=100_000_000),
    Key::new("gateway.awaited-per-connection", ReloadClass::Applied).count(1..=10_000),
    Key::new("gateway.answer-timeout", ReloadClass::Applied).timeout(),
    Key::new("gateway.during-outage", ReloadClass::Applied),
];
