//! The states of a device.

use std::fmt;

/// How a device stands. Closed on purpose: list, page, API and metric show the same words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DeviceState {
    /// In the directory, active, and refused since it was last connected, or its last session ended because
    /// it lost its authorization: locked out.
    Refused,
    /// It sends, and its messages are rejected.
    Rejected,
    /// It sent regularly and has stopped.
    Silent,
    /// It is expected, and nothing of it was ever stored.
    Missing,
    /// An operator has suspended it.
    Suspended,
    /// It was never connected, and nothing of it is stored.
    NeverSeen,
    /// It is not connected, and nothing is expected of it yet.
    Disconnected,
    /// It left monitoring with its last heartbeat.
    Left,
    /// It is connected, and no message of it was accepted in the last hour.
    Connected,
    /// It is connected, and a message of it was accepted in the last hour.
    Sends,
}

impl DeviceState {
    /// Every state: those that need a person first.
    pub const ALL: [Self; 10] = [
        Self::Refused,
        Self::Rejected,
        Self::Silent,
        Self::Missing,
        Self::Suspended,
        Self::NeverSeen,
        Self::Disconnected,
        Self::Left,
        Self::Connected,
        Self::Sends,
    ];

    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Rejected => "rejected",
            Self::Silent => "silent",
            Self::Missing => "missing",
            Self::Suspended => "suspended",
            Self::NeverSeen => "never-seen",
            Self::Disconnected => "disconnected",
            Self::Left => "left",
            Self::Connected => "connected",
            Self::Sends => "sends",
        }
    }
}

impl fmt::Display for DeviceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.code())
    }
}
