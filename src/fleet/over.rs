//! Refusals that the directory no longer says.

use crate::authz::{Device, DeviceStatus};
use crate::model::Refusal;
use crate::store::RefusedRow;

/// What to do about a refusal, with the entry that the directory has of the peer now.
#[must_use]
pub fn next_step(row: &RefusedRow, device: Option<&Device>) -> String {
    match device {
        Some(device) if !holds(row.refusal, device) => NOTHING.to_owned(),
        _ => row.refusal.next_step(&row.facts),
    }
}

/// Whether the directory still says so: a device that was resumed, or added, is not refused any more, though
/// it has not tried again.
pub(super) fn holds(refusal: Refusal, device: &Device) -> bool {
    match refusal {
        Refusal::UnknownDevice => false,
        Refusal::SuspendedDevice => device.status == DeviceStatus::Suspended,
        Refusal::DamagedEntry => device.status == DeviceStatus::Damaged,
        Refusal::OtherIssuer => !device.issuers.is_empty(),
        _ => true,
    }
}

/// For a refusal that is over.
const NOTHING: &str = "the directory allows it now: if it has not connected since, wait for its next attempt, or \
                       restart it";
