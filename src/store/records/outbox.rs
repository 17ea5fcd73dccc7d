//! Outbox entries: messages for devices, as they are queued, listed and sent.

use std::fmt;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};

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
    /// Whether the platform of this gateway sent it, and gets what the device answers.
    pub is_relayed: bool,
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
    /// The device has accepted the message, and owes or owed its result.
    pub result: Option<AwaitedResult>,
    /// The outcome and its time; `None` while the message waits. Exact at the time of reading: a message is
    /// expired from its time on, also before a process has written that down.
    pub settled: Option<(Settlement, Timestamp)>,
    /// It was withdrawn with its device: the device was removed from the directory.
    pub device_removed: bool,
}

/// What was queued before of the bytes of a message for the same device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueuedBefore {
    /// The latest entry.
    pub latest: Option<OutboxEntry>,
    /// The latest one that was sent.
    pub sent: Option<OutboxEntry>,
}

/// An order of the platform of this gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayedOrder {
    /// The identifier of the entry.
    pub id: MessageId,
    /// The entry; `None`: it was removed.
    pub entry: Option<OutboxEntry>,
    /// The last answer of the device that has arrived at the platform.
    pub arrived: Option<MessageId>,
}

/// An order that did not reach its goal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedOrder {
    /// The identifier of the entry.
    pub id: MessageId,
    /// The recipient.
    pub device: DeviceId,
    /// What became of it: expired, refused or unconfirmed.
    pub outcome: Settlement,
    /// When.
    pub at: Timestamp,
    /// The number of delivery attempts. The device may have received the message that many times.
    pub attempts: u64,
}

/// The application acknowledgement of a message that its device has accepted (CA).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AwaitedResult {
    /// How long it is awaited.
    pub until: Timestamp,
    /// The outcome if none comes until then.
    pub otherwise: Settlement,
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
    /// The number of delivery attempts.
    pub attempts: u64,
    /// When the last attempt began.
    pub sent_at: Option<Timestamp>,
    /// The end of the claim of the process that sends it, if there is one.
    pub claimed_until: Option<Timestamp>,
    /// The device has accepted it and has not yet reported the result. It must not be sent again.
    pub result: Option<AwaitedResult>,
    /// Whether the platform of this gateway sent it. It is sent only while that platform waits for it.
    pub is_relayed: bool,
}

impl WaitingMessage {
    /// When it is settled without an answer of the device, and how.
    #[must_use]
    pub fn lapse(&self) -> (Timestamp, Settlement) {
        lapse(self.expires_at, self.result)
    }

    /// Whether another attempt has to wait. Every attempt is a row of the audit trail, and a device that
    /// disconnects instead of answering must not fill it. The claim decides, by the clock of the store; this
    /// saves the attempt to claim.
    #[must_use]
    pub fn is_too_soon(&self, now: Timestamp) -> bool {
        let since = self.sent_at.map(|sent_at| now.duration_since(sent_at));
        // A clock that was set back says nothing.
        since.is_some_and(|since| !since.is_negative() && since < pause_after(self.attempts))
    }
}

/// The least time from the beginning of an attempt to that of the next one, after so many attempts.
fn pause_after(attempts: u64) -> SignedDuration {
    let Some(doublings) = attempts.checked_sub(1) else { return SignedDuration::ZERO };
    (FIRST_PAUSE * (1 << doublings.min(MAX_DOUBLINGS))).min(LONGEST_PAUSE)
}

impl OutboxEntry {
    /// Whether an operator has withdrawn it.
    #[must_use]
    pub fn is_withdrawn(&self) -> bool {
        matches!(self.settled, Some((Settlement::Withdrawn, _)))
    }

    /// When it is settled without a further answer of the device, and how.
    #[must_use]
    pub fn lapse(&self) -> (Timestamp, Settlement) {
        lapse(self.expires_at, self.result)
    }
}

fn lapse(expires_at: Timestamp, result: Option<AwaitedResult>) -> (Timestamp, Settlement) {
    result.map_or((expires_at, Settlement::Expired), |result| (result.until, result.otherwise))
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

/// Doubles with each attempt. The statement that claims an order has the same pauses.
const FIRST_PAUSE: SignedDuration = SignedDuration::from_millis(250);
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_secs(60);
const MAX_DOUBLINGS: u64 = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_between_attempts_doubles_up_to_a_minute() {
        let pauses = [0, 1, 2, 3, 8, 9, 100, u64::MAX].map(|attempts| pause_after(attempts).as_millis());
        assert_eq!(pauses, [0, 250, 500, 1000, 32_000, 60_000, 60_000, 60_000]);
    }
}
