//! `[log]`: the log.

use serde::{Deserialize, Serialize};

use super::key::{Key, ReloadClass};

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

// The subscriber is installed when the process starts.
pub(super) const KEYS: &[Key] =
    &[Key::new("log.format", ReloadClass::Restart), Key::new("log.level", ReloadClass::Restart)];
