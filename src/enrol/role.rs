//! What an enrolled certificate is for.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What an enrolled certificate is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// A partner's client, which reads.
    Client,
    /// A partner's server, which is called.
    Server,
    /// A device or gateway, which connects to Interface A.
    Device,
}

/// The text is not a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected client, server or device")]
pub struct RoleError;

impl Role {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Client, Self::Server, Self::Device];

    /// The name on the command line, in the store and in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
            Self::Device => "device",
        }
    }
}

impl FromStr for Role {
    type Err = RoleError;

    fn from_str(word: &str) -> Result<Self, RoleError> {
        Self::ALL.into_iter().find(|role| role.as_str() == word).ok_or(RoleError)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
