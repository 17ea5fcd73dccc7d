//! The first message of an alert, and the digests by which alerts are found.

use sha2::{Digest as _, Sha256};

use crate::model::{DeviceId, MessageId};
use crate::pcd::{AlertKey, Filler};

/// The message that reported an alert first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertOrigin {
    /// The identifier of the message. Retention may have deleted the message since.
    pub message: MessageId,
    /// Its MSH-10.
    pub control_id: String,
}

/// A report of an alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LatestAlert {
    /// The device.
    pub device: DeviceId,
    /// The last message with the report. Retention may have deleted it since.
    pub message: MessageId,
    /// The first message of the alert: reports with the same one belong together.
    pub first: MessageId,
}

pub(in crate::store) fn report_digest(key: &AlertKey) -> [u8; 32] {
    let Filler { number, namespace, assigner } = &key.filler;
    let all: [&[u8]; 7] = [number, namespace, assigner, &key.event, &key.phase, &key.time, &key.equipment];
    // Without equipment the key is that of earlier versions.
    let parts = if key.equipment.is_empty() { all.get(..6) } else { None };
    digest(parts.unwrap_or(&all))
}

/// The digest of stores of earlier versions, which did not distinguish the equipment.
pub(in crate::store) fn digest_without_equipment(key: &AlertKey) -> [u8; 32] {
    report_digest(&AlertKey { equipment: Vec::new(), ..key.clone() })
}

/// The digest of stores of still earlier versions, which did not distinguish events and namespaces either.
pub(in crate::store) fn former_report_digest(key: &AlertKey) -> [u8; 32] {
    let Filler { number, assigner, .. } = &key.filler;
    digest(&[number, assigner, &key.phase, &key.time])
}

/// The number of an alert of a device behind the sender: a gateway may number the alerts of each from 1.
/// Without a device it is that of earlier versions.
pub(in crate::store) fn filler_digest(filler: &Filler, device: &[u8]) -> [u8; 32] {
    let Filler { number, namespace, assigner } = filler;
    let all: [&[u8]; 4] = [number, namespace, assigner, device];
    let parts = if device.is_empty() { all.get(..3) } else { None };
    digest(parts.unwrap_or(&all))
}

/// The key, and the number, of the row of the latest alert with a number, of whichever device: reports that
/// name no device continue it.
pub(in crate::store) fn latest_digest(Filler { number, namespace, assigner }: &Filler) -> [u8; 32] {
    digest(&[b"latest", number, namespace, assigner])
}

/// See [`former_report_digest`].
pub(in crate::store) fn former_filler_digest(Filler { number, assigner, .. }: &Filler) -> [u8; 32] {
    digest(&[number, assigner])
}

/// The key of the row of an alert that reports with other numbers continue.
pub(in crate::store) fn continued_digest(filler: &Filler, device: &[u8]) -> [u8; 32] {
    let Filler { number, namespace, assigner } = filler;
    let all: [&[u8]; 5] = [b"continued", number, namespace, assigner, device];
    let parts = if device.is_empty() { all.get(..4) } else { None };
    digest(parts.unwrap_or(&all))
}

/// The SHA-256 of the parts, each with its length: a key of fixed size for an index.
fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}
