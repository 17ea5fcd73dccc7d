//! Outbox entries: messages for devices, as they are queued, listed and sent.

use std::fmt;

use bytes::Bytes;
use jiff::Timestamp;

use crate::audit::Settlement;
use crate::model::{DeviceId, MessageId};

/// A message for a device, to be queued.
#[derive(Clone)]
pub struct QueuedMessage {
    /// The identifier of the entry.
    pub id: MessageId,
    /// The recipient: the Common Name of its certificate.
    pub device: DeviceId,
    /// MSH-9.
    pub message_type: String,
    /// MSH-10; the device's acknowledgement refers to it.
    pub control_id: String,
    /// The time from which it is no longer sent.
    pub expires_at: Timestamp,
    /// The user who queues it.
    pub actor: String,
    /// The message, without the MLLP frame.
    pub raw: Bytes,
}

/// The state of a message for a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxEntry {
    /// The identifier of the entry.
    pub id: MessageId,
    /// When it was queued.
    pub queued_at: Timestamp,
    /// The time from which it is no longer sent.
    pub expires_at: Timestamp,
    /// The recipient.
    pub device: DeviceId,
    /// MSH-9.
    pub message_type: String,
    /// MSH-10.
    pub control_id: String,
    /// The user who queued it.
    pub actor: String,
    /// The number of delivery attempts. The device may have received the message that many times.
    pub attempts: u64,
    /// When the last attempt began.
    pub sent_at: Option<Timestamp>,
    /// MSA-1 of the device's last acknowledgement; empty if it was not a code of HL7 table 0008.
    pub acknowledgement: Option<String>,
    /// The message that carried that acknowledgement.
    pub answer: Option<MessageId>,
    /// The outcome and its time; `None` while the message waits.
    pub settled: Option<(Settlement, Timestamp)>,
}

/// A waiting message, as the dispatcher of a node sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingMessage {
    /// The identifier of the entry.
    pub id: MessageId,
    /// The recipient.
    pub device: DeviceId,
    /// The time from which it is no longer sent.
    pub expires_at: Timestamp,
    /// The end of another node's claim; `None` if no other node holds one.
    pub elsewhere_until: Option<Timestamp>,
    /// The device has accepted it and has not yet reported the result. It must not be sent again.
    pub accepted: bool,
}

/// Selects entries of the outbox, the newest first.
#[derive(Debug, Clone, Default)]
pub struct OutboxFilter {
    /// Only messages for this device.
    pub device: Option<DeviceId>,
    /// Only messages without an outcome.
    pub waiting: bool,
    /// Only messages queued before this one, the last of the previous page.
    pub before: Option<MessageId>,
    /// The maximum number of entries.
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
