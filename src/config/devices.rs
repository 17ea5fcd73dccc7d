//! `[devices]`: admission of devices, and the identities in their messages.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::de::{IntoDeserializer as _, value};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::key::{Key, ReloadClass};
use super::quantity;
use crate::model::SilentAfter;

/// Which devices may connect, and on behalf of which devices they may send (A8).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Devices {
    /// What to do with a device identifier that the directory does not hold.
    pub unknown: Unknown,
    /// What to do with a message that names a device which its sender may not speak for.
    pub identity: Identity,
    /// What to do with a message that names no device at all.
    pub missing_identity: MissingIdentity,
    /// Consecutive violations after which the connection is closed.
    pub max_violations: u32,
    /// Distinct device identities that one message may name.
    pub max_identities: u32,
    /// Messages that one device may send per second, over all of its sessions; further ones are read later.
    pub messages_per_second: u32,
    /// When a device that stopped sending counts as silent.
    pub silent_after: SilentAfter,
    /// Devices behind one certificate whose silence is noticed.
    pub max_feeds_per_device: u32,
    /// Devices behind all certificates whose silence is noticed.
    pub max_feeds: u32,
}

impl Default for Devices {
    fn default() -> Self {
        Self {
            unknown: Unknown::default(),
            identity: Identity::default(),
            missing_identity: MissingIdentity::default(),
            max_violations: 10,
            max_identities: 1024,
            messages_per_second: 5000,
            silent_after: SilentAfter::default(),
            max_feeds_per_device: 4096,
            max_feeds: 65_536,
        }
    }
}

/// What to do with a device identifier that the directory does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unknown {
    /// Refuse the connection.
    #[default]
    Refuse,
    /// Refuse it, and add the device to the directory as suspended, so that an operator can resume it.
    Enrol,
}

/// What to do with a message that names a device which its sender may not speak for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Identity {
    /// Reject it.
    #[default]
    Enforce,
    /// Accept it, with a warning and an audit row.
    Record,
    /// Reject it, unless its sender learns identities and no other entry has this one.
    Learn,
}

/// What to do with a message that names no device at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MissingIdentity {
    /// Accept it, with a warning.
    #[default]
    Accept,
    /// Reject it.
    Refuse,
}

/// A text that says no time after which a device counts as silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("write learned, never, or a whole number of at least 10ms and ms, s, m, h or d, such as 2m")]
pub struct SilentAfterError;

impl FromStr for SilentAfter {
    type Err = SilentAfterError;

    fn from_str(text: &str) -> Result<Self, SilentAfterError> {
        match text {
            "learned" => Ok(Self::Learned),
            "never" => Ok(Self::Never),
            _ => {
                let after = quantity::duration::deserialize(text.into_deserializer());
                let after = after.map_err(|_: value::Error| SilentAfterError)?;
                let is_allowed = (MIN_SILENT_AFTER..=MAX_SILENT_AFTER).contains(&after);
                is_allowed.then_some(Self::Fixed(after)).ok_or(SilentAfterError)
            }
        }
    }
}

impl fmt::Display for SilentAfter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Learned => f.write_str("learned"),
            Self::Never => f.write_str("never"),
            Self::Fixed(after) => quantity::duration::serialize(after, f),
        }
    }
}

impl<'de> Deserialize<'de> for SilentAfter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.as_str() {
            "learned" => Ok(Self::Learned),
            "never" => Ok(Self::Never),
            _ => quantity::duration::deserialize(text.into_deserializer()).map(Self::Fixed),
        }
    }
}

impl Serialize for SilentAfter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The range of `silent-after`, as the file has it.
const MIN_SILENT_AFTER: Duration = Duration::from_millis(10);
const MAX_SILENT_AFTER: Duration = Duration::from_hours(366 * 24);

// Sessions read the current configuration for each message.
pub(super) const KEYS: &[Key] = &[
    Key::new("devices.unknown", ReloadClass::Applied),
    Key::new("devices.identity", ReloadClass::Applied),
    Key::new("devices.missing-identity", ReloadClass::Applied),
    Key::new("devices.max-violations", ReloadClass::Applied).count(1..=1_000_000),
    Key::new("devices.max-identities", ReloadClass::Applied).count(16..=65_536),
    Key::new("devices.messages-per-second", ReloadClass::Applied).count(1..=1_000_000),
    Key::new("devices.silent-after", ReloadClass::Applied).timeout(),
    Key::new("devices.max-feeds-per-device", ReloadClass::Applied).count(1..=1_000_000),
    Key::new("devices.max-feeds", ReloadClass::Applied).count(1..=10_000_000),
];
