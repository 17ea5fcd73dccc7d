//! Notifications as they are stored.

use jiff::Timestamp;

use crate::model::MessageId;

/// A notification that is not delivered yet, or was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredNotification {
    /// Its identifier, which its receiver gets too.
    pub id: MessageId,
    /// The node that reports.
    pub node: String,
    /// The name of the receiver.
    pub receiver: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// It was given up: it is sent again only on request.
    pub is_dead: bool,
    /// Attempts to deliver it.
    pub attempts: u64,
    /// Why the last attempt failed; empty before the first.
    pub error: String,
    /// What is posted, as JSON.
    pub body: String,
}

/// A change of the notifications.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotificationChange {
    /// Stores it, in place of an earlier state of it.
    Keep(Box<StoredNotification>),
    /// It was delivered.
    Delivered(MessageId),
    /// Send it again: this one, or all that were given up.
    Retry(Option<MessageId>),
    /// What a receiver of a node has got, as JSON.
    Reported {
        /// The node that reports.
        node: String,
        /// The name of the receiver.
        receiver: String,
        /// The findings.
        findings: String,
    },
}
