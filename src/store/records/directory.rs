//! Values of the device directory besides [`Device`](crate::authz::Device).

use jiff::Timestamp;

use crate::authz::{DeviceKind, DeviceStatus};

/// A device identity in the messages of a sender that may not speak for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenIdentity {
    /// The identity, in the notation of the directory.
    pub identity: String,
    /// The number of messages with it.
    pub messages: u64,
    /// When it was first received.
    pub first: Timestamp,
    /// When it was last received.
    pub last: Timestamp,
}

/// The device kind with this name.
pub(crate) fn device_kind(word: &str) -> Option<DeviceKind> {
    [DeviceKind::Device, DeviceKind::Gateway].into_iter().find(|kind| kind.as_str() == word)
}

/// The device status with this name.
pub(in crate::store) fn device_status(word: &str) -> Option<DeviceStatus> {
    [DeviceStatus::Active, DeviceStatus::Suspended].into_iter().find(|status| status.as_str() == word)
}
