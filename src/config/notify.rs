//! `[[notify]]`: whom the platform reports findings to.

use std::hash::{BuildHasher as _, RandomState};
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::key::{Key, ReloadClass};
use super::quantity;
use super::quiet_hours::QuietHours;
use super::webhook_url::WebhookUrl;
use crate::finding::Severity;

/// A receiver of notifications.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Notify {
    /// What it is called in lists, logs and the store; unique.
    pub name: String,
    /// Where notifications are posted to.
    #[serde(serialize_with = "url_digest", deserialize_with = "url")]
    pub webhook: WebhookUrl,
    /// The file with the secret that signs notifications; only its owner may read it.
    #[serde(default)]
    pub secret_file: Option<PathBuf>,
    /// The lightest findings that are reported.
    #[serde(default = "attention", serialize_with = "severity_code", deserialize_with = "severity")]
    pub severity: Severity,
    /// Only findings about devices of these wards are reported; empty: all findings.
    #[serde(default)]
    pub wards: Vec<String>,
    /// When only urgent findings are reported, by the clock of `messages.zone`.
    #[serde(default)]
    pub quiet_hours: Option<QuietHours>,
    /// Whether the end of a finding is reported too.
    #[serde(default = "yes")]
    pub resolved: bool,
    /// The least time between two notifications: what begins meanwhile is in the next one.
    #[serde(default = "minute", with = "quantity::duration")]
    pub digest: Duration,
    /// How long a notification is sent again before it counts as undeliverable.
    #[serde(default = "hour", with = "quantity::duration")]
    pub retry_for: Duration,
    /// Files with the roots that the certificate of an https receiver chains to; empty: those of the system.
    #[serde(default)]
    pub trust_anchors: Vec<PathBuf>,
}

impl Notify {
    /// What is wrong with it; its paths are not looked at.
    pub(super) fn problem(&self) -> Option<String> {
        let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
        let is_name = (1..=MAX_NAME).contains(&self.name.len()) && self.name.chars().all(plain);
        let within = |time: Duration, min: u64, max: u64| (min..=max).contains(&time.as_secs());
        if !is_name {
            return Some(format!(
                "the name \"{}\" is not 1 to {MAX_NAME} letters, digits, '-', '_' and '.'",
                self.name
            ));
        }
        let of = |what: &str| Some(format!("{what} of \"{}\"", self.name));
        if self.wards.len() > MAX_WARDS || self.wards.iter().any(|ward| ward.trim().is_empty()) {
            return of("wards has more than 64 names, or an empty one: that");
        }
        if !within(self.digest, 1, 3600) {
            return of("digest is not between 1s and 1h: that");
        }
        if !within(self.retry_for, 1, 24 * 3600) {
            return of("retry-for is not between 1s and 24h: that");
        }
        None
    }
}

impl Notify {
    /// Whether it is to get a finding about a device of this ward; empty: of none, or about something else.
    #[must_use]
    pub fn takes_ward(&self, ward: &str) -> bool {
        let is_ward = |own: &String| own.trim().eq_ignore_ascii_case(ward.trim());
        self.wards.is_empty() || self.wards.iter().any(is_ward)
    }
}

fn url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<WebhookUrl, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
}

/// A URL may hold a secret: see `store.url`.
fn url_digest<S: Serializer>(url: &WebhookUrl, serializer: S) -> Result<S::Ok, S::Error> {
    static SECRET: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    serializer.serialize_u64(SECRET.hash_one(url))
}

fn severity<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Severity, D::Error> {
    let code = String::deserialize(deserializer)?;
    let found = Severity::ALL.into_iter().find(|severity| severity.code() == code);
    found.ok_or_else(|| de::Error::custom(format_args!("\"{code}\" is none of info, attention, urgent")))
}

fn severity_code<S: Serializer>(severity: &Severity, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(severity.code())
}

const fn attention() -> Severity {
    Severity::Attention
}

const fn yes() -> bool {
    true
}

const fn minute() -> Duration {
    Duration::from_mins(1)
}

const fn hour() -> Duration {
    Duration::from_hours(1)
}

/// The most receivers: each costs a request at a time.
pub(super) const MAX_RECEIVERS: usize = 16;
const MAX_NAME: usize = 64;
const MAX_WARDS: usize = 64;

// Receivers are built again when the configuration has changed.
pub(super) const KEYS: &[Key] = &[Key::new("notify", ReloadClass::Applied)];
