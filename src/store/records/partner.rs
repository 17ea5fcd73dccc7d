//! Subscriptions and notifications of partners, as they are stored.

use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};

use crate::clients::{ClientId, KnownCertificate, NotifiableEvent, Oid, SubscriptionName};
use crate::model::{DeviceId, Fingerprint, MessageId, NodeName};
use crate::store::records::projection::ProjectionLeader;

/// How a notification stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotificationState {
    /// It waits for the partner, or for its acknowledgement.
    Waiting,
    /// The partner has acknowledged it.
    Acknowledged,
    /// It was given up: it is delivered again on request alone.
    Dead,
}

/// A notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartnerNotification {
    /// Its identifier, in the order of time.
    pub id: MessageId,
    /// Of which subscription.
    pub subscription: SubscriptionName,
    /// Of which organisation.
    pub organisation: Oid,
    /// The kind of the event.
    pub event: String,
    /// The device that it is about.
    pub device: Option<DeviceId>,
    /// The message that it is about.
    pub message: Option<MessageId>,
    /// The transaction of the message, or a code.
    pub reason: String,
    /// When it happened.
    pub at: Timestamp,
    /// How it stands.
    pub state: NotificationState,
    /// Deliveries that the partner has answered.
    pub deliveries: u64,
    /// Failed attempts since the last of them.
    pub attempts: u64,
    /// When it may be delivered again.
    pub visible_at: Timestamp,
    /// The hash of its present receipt handle.
    pub receipt: Fingerprint,
    /// Why it is not acknowledged; empty before the first attempt.
    pub error: String,
}

/// A row of an audit chain that a partner may be notified of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRow {
    /// Its number in the chain.
    pub number: u64,
    /// When it was written.
    pub at: Timestamp,
    /// What it says.
    pub event: TrailEvent,
}

/// What a row of an audit chain says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrailEvent {
    /// A message was accepted.
    Accepted(MessageId),
    /// A device has become silent; true: devices behind this one.
    Silent(Option<DeviceId>, bool),
    /// The certificate of a device was refused, with this code.
    Refused(Option<DeviceId>, String),
    /// Partners are not notified of it.
    Other,
}

/// How far an audit chain was looked through for a subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionPosition {
    /// The subscription.
    pub subscription: SubscriptionName,
    /// The node of the chain.
    pub node: NodeName,
    /// The number of the last row.
    pub number: u64,
}

/// What a part of an audit chain has for one subscription.
#[derive(Debug, Clone)]
pub struct SubscriptionBatch {
    /// The subscription.
    pub subscription: SubscriptionName,
    /// Whose it is.
    pub organisation: Oid,
    /// The position before.
    pub from: u64,
    /// The events, with the identifiers and the first receipts of their notifications.
    pub notices: Vec<(MessageId, Fingerprint, NotifiableEvent)>,
}

/// The notifications of a part of an audit chain, and the position that they move.
#[derive(Debug, Clone)]
pub struct NotificationBatch {
    /// The leader that writes.
    pub leader: ProjectionLeader,
    /// The node of the chain.
    pub node: NodeName,
    /// The position after.
    pub to: u64,
    /// By subscription.
    pub parts: Vec<SubscriptionBatch>,
}

/// Who asks for notifications.
#[derive(Debug, Clone, Copy)]
pub struct Due<'q> {
    /// Whose they are.
    pub organisation: &'q Oid,
    /// The subscriptions.
    pub subscriptions: &'q [SubscriptionName],
    /// The devices that the client may read; `None`: all.
    pub devices: Option<&'q [DeviceId]>,
    /// Deliveries after which a notification is delivered no more.
    pub max_deliveries: u32,
    /// Those alone of which no attempt has failed since the last delivery.
    pub is_new: bool,
    /// The maximum number.
    pub limit: u32,
}

/// A delivery that begins: from now on the notification has another receipt.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The notification.
    pub id: MessageId,
    /// Its receipt until now: another node may have delivered it since.
    pub known: Fingerprint,
    /// Its receipt from now on.
    pub receipt: Fingerprint,
}

/// A step of the upkeep of notifications. Each changes at most [`NotificationStep::MAX_ROWS`] rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotificationStep {
    /// Gives up what was delivered this often and not acknowledged.
    NotAcknowledged {
        /// Deliveries.
        max_deliveries: u32,
    },
    /// Gives up what is from before this time, if its message was removed or it has none.
    Expired {
        /// The time.
        before: Timestamp,
    },
    /// Forgets what was acknowledged, or given up, before this time.
    Forgotten {
        /// Either of them.
        state: NotificationState,
        /// The time.
        before: Timestamp,
    },
    /// Delivers now what would wait longer than anything waits.
    Distant {
        /// The longest time between two deliveries.
        longest_wait: SignedDuration,
    },
    /// Deletes what belonged to a subscription that was removed.
    Removed,
}

/// Which notifications are listed.
#[derive(Debug, Clone, Default)]
pub struct NotificationFilter {
    /// Of this subscription alone.
    pub subscription: Option<SubscriptionName>,
    /// In this state alone.
    pub state: Option<NotificationState>,
    /// Before this one.
    pub before: Option<MessageId>,
    /// The maximum number.
    pub limit: u32,
}

/// Credentials with which a partner reads files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartnerCredential {
    /// The id of the access key.
    pub access_key: String,
    /// SHA-256 of the session token.
    pub token: Fingerprint,
    /// The client that got them.
    pub client: ClientId,
    /// The certificate with which it did.
    pub certificate: Fingerprint,
    /// Their end.
    pub expires: Timestamp,
}

/// By what a client has proved who it is that asks for credentials. They are issued if that counts still.
#[derive(Debug, Clone)]
pub struct PartnerProof {
    /// SHA-256 of the secret.
    pub secret: Fingerprint,
    /// What the certificate is known by.
    pub known: Option<KnownCertificate>,
}

/// How a subscription stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionStanding {
    /// The subscription.
    pub subscription: SubscriptionName,
    /// Notifications that wait; counted up to [`SubscriptionStanding::COUNTED`].
    pub waiting: u64,
    /// Notifications that were given up; counted as far.
    pub dead: u64,
    /// When the oldest that waits was made.
    pub oldest: Option<Timestamp>,
    /// Why the last attempt to deliver that failed; empty: none did.
    pub error: String,
}

impl NotificationStep {
    /// Notifications that are changed in one transaction: it takes some milliseconds, in which senders wait.
    pub const MAX_ROWS: u32 = 200;
}

impl SubscriptionStanding {
    /// How far the notifications of a subscription are counted.
    pub const COUNTED: u32 = 10_000;
}

impl NotificationState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Waiting, Self::Acknowledged, Self::Dead];

    /// The name in the store and in commands.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Acknowledged => "acknowledged",
            Self::Dead => "dead",
        }
    }
}

/// The text is not a state of a notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected waiting, acknowledged or dead")]
pub struct NotificationStateError;

impl FromStr for NotificationState {
    type Err = NotificationStateError;

    fn from_str(text: &str) -> Result<Self, NotificationStateError> {
        Self::ALL.into_iter().find(|own| own.name() == text).ok_or(NotificationStateError)
    }
}
