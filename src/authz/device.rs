//! One entry of the device directory.

use std::str::FromStr;

use jiff::Timestamp;

use crate::hl7::AcknowledgeAs;
use crate::model::{DeviceId, KeyHash, SilentAfter};
use crate::pcd::IdentityPattern;

/// A device or gateway that the directory knows by the Common Name of its certificate (A8).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// The Common Name.
    pub id: DeviceId,
    /// A device speaks for itself, a gateway for the listed devices.
    pub kind: DeviceKind,
    /// Whether it may connect now.
    pub status: DeviceStatus,
    /// The identities that it may speak for besides its own.
    pub speaks_for: Vec<IdentityPattern>,
    /// The keys of the CAs of which one must be in its certificate path; empty: any installed root will do.
    pub issuers: Vec<KeyHash>,
    /// The acknowledgement mode, where its MSH-15 and MSH-16 are wrong.
    pub acknowledge: AcknowledgeAs,
    /// When the device, or one behind it, counts as silent; `None`: as `[devices] silent-after` says.
    pub silent_after: Option<SilentAfter>,
    /// Whether it is missing while no message of it was ever stored.
    pub expected: bool,
    /// Whether orders may be queued for it. A client that only sends would never answer one.
    pub receives_orders: bool,
    /// The operator's note.
    pub note: String,
    /// Until when identities that no other entry has are accepted from it. Once that has passed, it is
    /// enforced for good. `None`: it has not learnt yet.
    pub learns_until: Option<Timestamp>,
    /// What people call it, and where it is.
    pub about: About,
}

impl Device {
    /// Whether it may connect.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.status == DeviceStatus::Active
    }

    /// The active entry of a device, as it is without options.
    #[must_use]
    pub fn new(id: DeviceId) -> Self {
        Self {
            id,
            kind: DeviceKind::Device,
            status: DeviceStatus::Active,
            acknowledge: AcknowledgeAs::AsAsked,
            issuers: Vec::new(),
            speaks_for: Vec::new(),
            silent_after: None,
            expected: false,
            receives_orders: true,
            note: String::new(),
            learns_until: None,
            about: About::default(),
        }
    }

    /// Its list, each entry as `--speaks-for` takes it.
    #[must_use]
    pub fn list_arguments(&self) -> Vec<String> {
        self.speaks_for.iter().map(IdentityPattern::to_argument).collect()
    }

    /// One identity as `--speaks-for` takes it, whatever separators it contains.
    #[must_use]
    pub fn identity_argument(identity: String) -> String {
        identity.parse().map_or(identity, |pattern: IdentityPattern| pattern.to_argument())
    }
}

/// What people call a device, where it is and whose it is. Free texts of operators, each possibly empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct About {
    /// What staff call it, such as `ICU-14`.
    pub name: String,
    /// Ward or location.
    pub ward: String,
    /// Manufacturer and model.
    pub model: String,
    /// The serial number on its label.
    pub serial: String,
    /// Who is responsible for it.
    pub owner: String,
}

/// Such a text is too long, or has control characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a text about a device has at most {max} characters, and no control characters", max = About::MAX_CHARS)]
pub struct AboutError;

impl About {
    /// Characters of each text.
    pub const MAX_CHARS: usize = 128;

    /// The texts with the names of their columns, in order.
    #[must_use]
    pub fn fields(&self) -> [(&'static str, &str); 5] {
        let Self { name, ward, model, serial, owner } = self;
        [("name", name), ("ward", ward), ("model", model), ("serial", serial), ("owner", owner)]
    }

    /// Checks one of the texts.
    ///
    /// # Errors
    /// When it is too long, or has control characters.
    pub fn parse(text: &str) -> Result<String, AboutError> {
        let is_usable = text.chars().count() <= Self::MAX_CHARS && !text.chars().any(char::is_control);
        if is_usable { Ok(text.trim().to_owned()) } else { Err(AboutError) }
    }
}

/// What kind of component holds the certificate (specification 5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeviceKind {
    /// A medical device with its own connection.
    Device,
    /// A gateway that translates for many devices.
    Gateway,
}

/// Whether an entry of the directory may connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeviceStatus {
    /// It may connect.
    Active,
    /// It may not connect until an operator resumes it.
    Suspended,
    /// It may not connect: its row in the store cannot be read. No row has this status.
    Damaged,
}

impl DeviceKind {
    /// The name on the command line, in the store and in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::Gateway => "gateway",
        }
    }
}

impl DeviceStatus {
    /// The name on the command line, in the store and in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Damaged => "damaged",
        }
    }
}

/// A text that is not a kind or status of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DeviceWordError {
    /// Neither `device` nor `gateway`.
    #[error("a directory entry is of kind `device` or `gateway`")]
    Kind,
    /// Neither `active` nor `suspended`.
    #[error("a directory entry is `active` or `suspended`")]
    Status,
}

impl FromStr for DeviceKind {
    type Err = DeviceWordError;

    fn from_str(word: &str) -> Result<Self, DeviceWordError> {
        [Self::Device, Self::Gateway]
            .into_iter()
            .find(|kind| kind.as_str() == word)
            .ok_or(DeviceWordError::Kind)
    }
}

impl FromStr for DeviceStatus {
    type Err = DeviceWordError;

    fn from_str(word: &str) -> Result<Self, DeviceWordError> {
        let known = [Self::Active, Self::Suspended];
        known.into_iter().find(|status| status.as_str() == word).ok_or(DeviceWordError::Status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_parse_to_their_values() {
        assert_eq!("gateway".parse(), Ok(DeviceKind::Gateway));
        assert_eq!(DeviceKind::Device.as_str().parse(), Ok(DeviceKind::Device));
        assert_eq!("Gateway".parse::<DeviceKind>(), Err(DeviceWordError::Kind));
        assert_eq!("suspended".parse(), Ok(DeviceStatus::Suspended));
        assert_eq!(DeviceStatus::Active.as_str().parse(), Ok(DeviceStatus::Active));
        assert_eq!("".parse::<DeviceStatus>(), Err(DeviceWordError::Status));
    }
}
