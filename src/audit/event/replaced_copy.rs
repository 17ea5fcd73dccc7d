//! A message that took the place of a copy.

use crate::model::{DeviceId, Fingerprint, MessageId};

/// A message was stored in the place of a copy: one that no row of the trail named, or an old one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplacedCopy {
    /// The message id of the message.
    pub message: MessageId,
    /// That of the copy.
    pub copy: MessageId,
    /// The certificate's Common Name.
    pub device: DeviceId,
    /// SHA-256 of the bytes.
    pub digest: Fingerprint,
}
