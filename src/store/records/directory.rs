//! What the store says of the device directory, beside [`Device`](crate::authz::Device).

use jiff::Timestamp;

use crate::authz::{DeviceKind, DeviceStatus};

/// A device identity that came in messages of a device which may not speak for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenIdentity {
    /// As the directory writes it.
    pub identity: String,
    /// In how many messages.
    pub messages: u64,
    /// When it came first.
    pub first: Timestamp,
    /// When it came last.
    pub last: Timestamp,
}

/// The kind that goes by this word.
pub(crate) fn device_kind(word: &str) -> Option<DeviceKind> {
    [DeviceKind::Device, DeviceKind::Gateway].into_iter().find(|kind| kind.as_str() == word)
}

/// The status that goes by this word.
pub(in crate::store) fn device_status(word: &str) -> Option<DeviceStatus> {
    [DeviceStatus::Active, DeviceStatus::Suspended].into_iter().find(|status| status.as_str() == word)
}
