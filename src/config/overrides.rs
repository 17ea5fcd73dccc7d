//! What the environment overrides.

use std::path::PathBuf;

use super::Config;
use crate::model::{NodeName, StoreUrl};

/// What the environment overrides.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `PCD_STORE_URL`; it may hold a password.
    pub store_url: Option<StoreUrl>,
    /// `PCD_NODE`.
    pub node: Option<String>,
    /// `PCD_LOG`.
    pub log_level: Option<String>,
    /// `CREDENTIALS_DIRECTORY`: the folder of systemd in which `credential:NAME` is found.
    pub credentials_directory: Option<PathBuf>,
}

impl Overrides {
    /// The environment of this process.
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

    /// The variable that replaces the value of this key, if it is set.
    pub(super) fn variable(&self, key: &str) -> Option<&'static str> {
        match key {
            "store.url" if self.store_url.is_some() => Some("PCD_STORE_URL"),
            "store.node" if self.node.is_some() => Some("PCD_NODE"),
            "log.level" if self.log_level.is_some() => Some("PCD_LOG"),
            _ => None,
        }
    }

    /// Replaces values of the file. Returns what is wrong with `PCD_NODE`.
    pub(super) fn apply(&self, config: &mut Config) -> Option<String> {
        if let Some(url) = &self.store_url {
            config.store.url = url.clone();
        }
        if let Some(level) = &self.log_level {
            config.log.level.clone_from(level);
        }
        let name = self.node.as_ref()?;
        match name.parse::<NodeName>() {
            Ok(node) => {
                config.store.node = node;
                None
            }
            Err(error) => Some(format!("PCD_NODE \"{name}\": {error}")),
        }
    }
}
