//! `[notifications]`: notifications of partners.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::key::{Key, ReloadClass};
use super::quantity;

/// Notifications of partners.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Notifications {
    /// How long a partner has to acknowledge a notification before it is delivered again.
    #[serde(with = "quantity::duration")]
    pub visibility: Duration,
    /// Deliveries that a partner answers and does not acknowledge, after which a notification is given up.
    pub deliveries: u32,
    /// How long a notification may wait before that is a finding.
    #[serde(with = "quantity::duration")]
    pub max_wait: Duration,
    /// How long the credentials count with which a partner reads files.
    #[serde(with = "quantity::duration")]
    pub credential_lifetime: Duration,
    /// With which the platform authenticates itself to webhooks.
    pub credentials: Vec<WebhookCredential>,
    /// The roots that certificates of webhooks chain to.
    pub ca_bundles: Vec<CaBundle>,
    /// Hosts of webhooks that may be this machine or link-local.
    pub allowed_hosts: Vec<String>,
}

/// A user and its password (RFC 7617).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct WebhookCredential {
    /// What it is called in subscriptions; unique.
    pub name: String,
    /// The user.
    pub user: String,
    /// The file with the password; only its owner may read it.
    pub password_file: PathBuf,
}

/// Roots of webhooks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CaBundle {
    /// What it is called in subscriptions; unique.
    pub name: String,
    /// Files in PEM.
    pub anchors: Vec<PathBuf>,
}

impl Notifications {
    /// What is wrong with it, by key; paths are not looked at.
    pub(super) fn problem(&self) -> Option<(&'static str, String)> {
        let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
        let is_name = |name: &str| (1..=MAX_NAME).contains(&name.len()) && name.chars().all(plain);
        let wrong = |names: Vec<&str>| {
            let mut known = BTreeSet::new();
            names.into_iter().find(|name| !is_name(name) || !known.insert(*name)).map(str::to_owned)
        };
        let unusable = |name: String| {
            format!("\"{name}\" is there twice, or is not 1 to {MAX_NAME} letters, digits, '-', '_' and '.'")
        };
        if let Some(name) = wrong(self.credentials.iter().map(|own| own.name.as_str()).collect()) {
            return Some(("notifications.credentials", unusable(name)));
        }
        if self.credentials.iter().any(|own| own.user.contains([':', '\n', '\r'])) {
            return Some((
                "notifications.credentials",
                "a user has no colon and no line break (RFC 7617)".to_owned(),
            ));
        }
        if let Some(name) = wrong(self.ca_bundles.iter().map(|own| own.name.as_str()).collect()) {
            return Some(("notifications.ca-bundles", unusable(name)));
        }
        let empty = self.ca_bundles.iter().find(|own| own.anchors.is_empty());
        empty.map(|own| {
            ("notifications.ca-bundles", format!("name the files of \"{}\" in its anchors", own.name))
        })
    }
}

impl Default for Notifications {
    fn default() -> Self {
        Self {
            visibility: Duration::from_mins(5),
            deliveries: 10,
            max_wait: Duration::from_hours(1),
            credential_lifetime: Duration::from_mins(15),
            credentials: Vec::new(),
            ca_bundles: Vec::new(),
            allowed_hosts: Vec::new(),
        }
    }
}

pub(super) const KEYS: &[Key] = &[
    Key::new("notifications.visibility", ReloadClass::Applied)
        .time(Duration::from_secs(1), Duration::from_hours(12)),
    Key::new("notifications.deliveries", ReloadClass::Applied).count(1..=1000),
    Key::new("notifications.max-wait", ReloadClass::Applied)
        .time(Duration::from_secs(1), Duration::from_hours(30 * 24)),
    Key::new("notifications.credential-lifetime", ReloadClass::Applied)
        .time(Duration::from_mins(1), Duration::from_hours(1)),
    Key::new("notifications.credentials", ReloadClass::Applied),
    Key::new("notifications.ca-bundles", ReloadClass::Applied),
    Key::new("notifications.allowed-hosts", ReloadClass::Applied),
];

/// Characters of a name.
const MAX_NAME: usize = 64;
