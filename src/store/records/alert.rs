//! The first message of an alert, and the digests by which alerts are found.

use sha2::{Digest as _, Sha256};

use crate::model::MessageId;
use crate::pcd::{AlertKey, Filler};

/// The message that reported an alert first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertOrigin {
    /// The identifier of the message. Retention may have deleted the message since.
    pub message: MessageId,
    /// Its MSH-10.
    pub control_id: String,
}

pub(in crate::store) fn report_digest(key: &AlertKey) -> [u8; 32] {
    let Filler { number, namespace, assigner } = &key.filler;
    digest(&[number, namespace, assigner, &key.event, &key.phase, &key.time])
}

/// The digest of stores of earlier versions, which did not distinguish events and namespaces.
pub(in crate::store) fn former_report_digest(key: &AlertKey) -> [u8; 32] {
    let Filler { number, assigner, .. } = &key.filler;
    digest(&[number, assigner, &key.phase, &key.time])
}

pub(in crate::store) fn filler_digest(Filler { number, namespace, assigner }: &Filler) -> [u8; 32] {
    digest(&[number, namespace, assigner])
}

/// See [`former_report_digest`].
pub(in crate::store) fn former_filler_digest(Filler { number, assigner, .. }: &Filler) -> [u8; 32] {
    digest(&[number, assigner])
}

/// The key of the row of an alert that reports with other numbers continue.
pub(in crate::store) fn continued_digest(filler: &Filler) -> [u8; 32] {
    let Filler { number, namespace, assigner } = filler;
    digest(&[b"continued", number, namespace, assigner])
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
