//! `[audit]`: signing the audit trail, and forwarding it.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

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
    /// The repository that the trail is forwarded to.
    pub repository: Option<AuditRepository>,
}

impl Default for Audit {
    fn default() -> Self {
        Self { sign_every: Duration::from_mins(5), repository: None }
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
    Key::new("audit.repository.address", ReloadClass::Applied),
    Key::new("audit.repository.trust-anchors", ReloadClass::Applied),
    Key::new("audit.repository.identity.chain", ReloadClass::Applied),
    Key::new("audit.repository.identity.key", ReloadClass::Applied),
    Key::new("audit.repository.identity.passphrase", ReloadClass::Applied),
    Key::new("audit.repository.site", ReloadClass::Applied),
    Key::new("audit.repository.messages", ReloadClass::Applied),
    Key::new("audit.repository.position", ReloadClass::Applied),
];
