//! `[messages]`: which messages are accepted.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::key::{Key, ReloadClass};
use super::message_zone::MessageZone;
use super::quantity;

/// Which messages are accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Messages {
    /// Only those of the IHE PCD profiles, or any HL7 v2 message.
    pub types: MessageTypes,
    /// Accepted values of MSH-11.1.
    pub processing_ids: Vec<String>,
    /// What to do with a message that breaks its profile.
    pub conformance: Conformance,
    /// The zone of times that state none.
    pub zone: MessageZone,
    /// What to do with a frame without MSH or MSH-10.
    pub unreadable: UnreadableMessage,
    /// An alarm report that comes so long after its time has a warning.
    #[serde(with = "quantity::duration")]
    pub late_alarm: Duration,
    /// Rejected messages of one device that are stored in an hour; further ones are answered and counted.
    pub rejected_per_hour: u32,
    /// Bytes that these may take in the store, with their rows.
    #[serde(with = "quantity::size")]
    pub rejected_bytes_per_hour: usize,
    /// MSH-3 of the messages that the platform sends.
    pub application: String,
    /// MSH-4 of the messages that the platform sends.
    pub facility: String,
}

impl Default for Messages {
    fn default() -> Self {
        Self {
            types: MessageTypes::default(),
            processing_ids: vec!["P".to_owned()],
            conformance: Conformance::default(),
            zone: MessageZone::default(),
            unreadable: UnreadableMessage::default(),
            // Longer than any queue of a device that works, and than the clocks of most devices are wrong.
            late_alarm: Duration::from_mins(5),
            rejected_per_hour: 5000,
            // About 1700 rejected observations, and two of the largest messages. It is for finding a fault.
            rejected_bytes_per_hour: 4 << 20,
            application: "PCD-PLATFORM".to_owned(),
            facility: String::new(),
        }
    }
}

/// Which message types are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MessageTypes {
    /// Those of the IHE PCD profiles.
    #[default]
    Pcd,
    /// Any HL7 v2 message.
    Any,
}

/// What to do with a frame that has no MSH, or no MSH-10 that a response could refer to. It is stored as
/// rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnreadableMessage {
    /// Respond with AR and an empty MSA-2.
    #[default]
    Answer,
    /// Do not respond; close the connection.
    Close,
}

/// What to do with a message that breaks its profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Conformance {
    /// Accept it, with warnings.
    #[default]
    Warn,
    /// Reject it.
    Strict,
}

// Sessions read the current configuration for each message.
pub(super) const KEYS: &[Key] = &[
    Key::new("messages.types", ReloadClass::Applied),
    Key::new("messages.processing-ids", ReloadClass::Applied),
    Key::new("messages.conformance", ReloadClass::Applied),
    Key::new("messages.zone", ReloadClass::Applied),
    Key::new("messages.unreadable", ReloadClass::Applied),
    Key::new("messages.late-alarm", ReloadClass::Applied).timeout(),
    Key::new("messages.rejected-per-hour", ReloadClass::Applied).count(0..=100_000_000),
    Key::new("messages.rejected-bytes-per-hour", ReloadClass::Applied).bytes(0..=1 << 40),
    Key::new("messages.application", ReloadClass::Applied),
    Key::new("messages.facility", ReloadClass::Applied),
];
