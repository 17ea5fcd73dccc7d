//! Messages for devices, as they are queued, listed and claimed.

use std::fmt;

use bytes::Bytes;
use jiff::Timestamp;

use crate::audit::Settlement;
use crate::model::{DeviceId, MessageId};

/// A message for a device, as it is queued.
#[derive(Clone)]
pub struct QueuedMessage {
    /// Its name in the store.
    pub id: MessageId,
    /// Whom it is for: the Common Name of the certificate.
    pub device: DeviceId,
    /// MSH-9.
    pub message_type: String,
    /// MSH-10: the device's answer names it so.
    pub control_id: String,
    /// From then on it is not sent any more.
    pub expires_at: Timestamp,
    /// Who queues it.
    pub actor: String,
    /// The message, without its frame.
    pub raw: Bytes,
}

/// What is known of a message for a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxEntry {
    /// Its name in the store.
    pub id: MessageId,
    /// When it was queued.
    pub queued_at: Timestamp,
    /// From then on it is not sent any more.
    pub expires_at: Timestamp,
    /// Whom it is for.
    pub device: DeviceId,
    /// MSH-9.
    pub message_type: String,
    /// MSH-10.
    pub control_id: String,
    /// Who queued it.
    pub actor: String,
    /// How often a node has begun to send it: the device may have it so many times.
    pub attempts: u64,
    /// When one did last.
    pub sent_at: Option<Timestamp>,
    /// MSA-1 of the device's last answer; empty when it had none of table 0008.
    pub acknowledgement: Option<String>,
    /// The message that brought that answer.
    pub answer: Option<MessageId>,
    /// What became of it, and when that was known; none while it waits.
    pub settled: Option<(Settlement, Timestamp)>,
}

/// A message that waits, as those see it who may send it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingMessage {
    /// Its name in the store.
    pub id: MessageId,
    /// Whom it is for.
    pub device: DeviceId,
    /// From then on it is not sent any more.
    pub expires_at: Timestamp,
    /// Until when it is another node's alone.
    pub elsewhere_until: Option<Timestamp>,
    /// The device has taken it, and is still to say what came of it: never send it again.
    pub accepted: bool,
}

/// Which of the messages for devices to list, the newest first.
#[derive(Debug, Clone, Default)]
pub struct OutboxFilter {
    /// Only those for this device.
    pub device: Option<DeviceId>,
    /// Only those of which nothing is known yet.
    pub waiting: bool,
    /// Only what was queued before this one: the last one of the page before.
    pub before: Option<MessageId>,
    /// At most so many.
    pub limit: u32,
}

impl fmt::Debug for QueuedMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueuedMessage")
            .field("id", &self.id)
            .field("device", &self.device)
            .finish_non_exhaustive()
    }
}
