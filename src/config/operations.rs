//! `[admin]` and `[log]`: the operator's HTTP listener, and the log.

use std::net::{Ipv4Addr, SocketAddr};

use serde::{Deserialize, Serialize};

use super::key::{Key, ReloadClass};

/// The operator's HTTP listener.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Admin {
    /// Its address; loopback, because it does not authenticate its clients.
    pub listen: SocketAddr,
    /// Hosts, `NAME` or `NAME:PORT`, under which its API may be called besides loopback and its address.
    pub allowed_hosts: Vec<String>,
    /// Connections at a time; beyond this number the oldest one without a request is closed.
    pub max_connections: usize,
}

impl Default for Admin {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9575)),
            allowed_hosts: Vec::new(),
            max_connections: 64,
        }
    }
}

/// The log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Log {
    /// Text for people or JSON for collectors.
    pub format: LogFormat,
    /// A level, or directives of `tracing_subscriber::EnvFilter`.
    pub level: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::default(), level: "info".to_owned() }
    }
}

/// The format of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

// The socket is bound, and the subscriber is installed, when the process starts. Each request, and each
// connection, reads its limits.
pub(super) const KEYS: &[Key] = &[
    Key::new("admin.listen", ReloadClass::Restart),
    Key::new("admin.allowed-hosts", ReloadClass::Applied),
    Key::new("admin.max-connections", ReloadClass::Applied).count(8..=4096),
    Key::new("log.format", ReloadClass::Restart),
    Key::new("log.level", ReloadClass::Restart),
];
