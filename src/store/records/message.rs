//! Received messages: to be stored, listed and read.

use std::fmt;
use std::net::SocketAddr;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};

use crate::audit::Event;
use crate::model::{DeviceId, Fingerprint, MessageId, SearchKey, SessionId};
use crate::pcd::{AlertReport, DeviceIdentity};
use crate::store::records::forward::{ForwardClass, ForwardFilter};

/// A received message, to be stored.
#[derive(Clone)]
pub struct MessageRecord {
    /// The identifier of the message.
    pub id: MessageId,
    /// The session that received it.
    pub session: SessionId,
    /// The sender: the Common Name of its certificate.
    pub device: DeviceId,
    /// The SHA-256 fingerprint of that certificate.
    pub fingerprint: Fingerprint,
    /// The address of the sender.
    pub peer: SocketAddr,
    /// When its last byte was read.
    pub received_at: Timestamp,
    /// The time of the event (MSH-7 or OBR-7), if the message has one.
    pub event_time: Option<Timestamp>,
    /// The IHE PCD transaction (`PCD-01`), if it is one.
    pub transaction: Option<String>,
    /// MSH-9.
    pub message_type: String,
    /// MSH-10.
    pub control_id: String,
    /// MSH-3.
    pub sending_application: String,
    /// Whether it was accepted.
    pub verdict: Verdict,
    /// The codes of tolerated deviations from the profile.
    pub warnings: Vec<String>,
    /// The device identities in the message.
    pub identities: Vec<String>,
    /// The identities among them that the certificate may not speak for.
    pub not_allowed: Vec<String>,
    /// The alerts that it reports, if it is an alert report (PCD-04).
    pub alerts: Vec<AlertReport>,
    /// The keys under which a search by patient or order finds it, and retention a large one.
    pub keys: Vec<SearchKey>,
    /// The message, without the MLLP frame.
    pub raw: Bytes,
    /// The acknowledgement; may be empty.
    pub acknowledgement: Bytes,
    /// The lines of the batch that it came in (FHS, BHS, BTS, FTS), each with a carriage return; empty
    /// without.
    pub envelope: Bytes,
    /// In a gateway: what an accepted message is forwarded as.
    pub forward: Option<ForwardClass>,
    /// For a message that was rejected before and is accepted now on behalf of an operator.
    pub reconsideration: Option<Box<Reconsideration>>,
}

/// That a rejected message is accepted later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reconsideration {
    /// The message as it was rejected; it stays as it is.
    pub original: MessageId,
    /// The code of the reason for which it was rejected.
    pub rejection: String,
    /// The operator.
    pub actor: String,
}

/// A rejected message that was accepted later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reconsidered {
    /// The message as it was rejected.
    pub original: MessageId,
    /// The message as it was accepted.
    pub message: MessageId,
    /// When it was accepted.
    pub at: Timestamp,
    /// The operator.
    pub actor: String,
}

/// Whether a message was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The platform is responsible for the message.
    Accepted,
    /// The message was rejected; it is stored for the record.
    Rejected {
        /// The refusal code.
        code: String,
    },
}

/// What deleting a message costs.
#[derive(Debug, Clone, Copy)]
pub(in crate::store) struct MessageWeight {
    pub(in crate::store) id: MessageId,
    /// Stored bytes of the message.
    pub(in crate::store) bytes: u64,
    /// Bytes of the list of its identities, each of which has a row in an index.
    pub(in crate::store) identity_bytes: u64,
}

impl MessageWeight {
    /// A small message has the work 1.
    pub(in crate::store) const fn work(self) -> u64 {
        1 + self.bytes / 16_384 + self.identity_bytes / 640
    }
}

/// The outcome of storing a message. It is durable.
#[derive(Clone, PartialEq, Eq)]
pub enum RecordOutcome {
    /// The message is stored under this identifier.
    Stored(MessageId),
    /// The same bytes with the same control id were accepted before; nothing was stored.
    Resend {
        /// The message that was stored then.
        original: MessageId,
        /// The acknowledgement of that message.
        acknowledgement: Bytes,
    },
}

impl RecordOutcome {
    /// The message that the store has.
    #[must_use]
    pub const fn message(&self) -> MessageId {
        match self {
            Self::Stored(message) | Self::Resend { original: message, .. } => *message,
        }
    }
}

/// A message as listings show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageSummary {
    /// The identifier of the message.
    pub id: MessageId,
    /// When its last byte was read.
    pub received_at: Timestamp,
    /// The time of the event, if the message has one.
    pub event_time: Option<Timestamp>,
    /// The sender: the Common Name of its certificate.
    pub device: DeviceId,
    /// The IHE PCD transaction, if it is one.
    pub transaction: Option<String>,
    /// MSH-9.
    pub message_type: String,
    /// MSH-10.
    pub control_id: String,
    /// MSH-3.
    pub sending_application: String,
    /// Whether it was accepted.
    pub verdict: Verdict,
    /// The codes of tolerated deviations from the profile.
    pub warnings: Vec<String>,
    /// The length of the message in bytes, uncompressed.
    pub size: u64,
}

/// A stored message with its bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredMessage {
    /// The message as listings show it.
    pub summary: MessageSummary,
    /// The session that received it.
    pub session: String,
    /// The SHA-256 fingerprint of the sender's certificate, in hexadecimal.
    pub fingerprint: String,
    /// The address of the sender.
    pub peer: SocketAddr,
    /// The device identities in the message.
    pub identities: Vec<String>,
    /// The message, byte for byte as it was received, if it is intact.
    pub raw: Bytes,
    /// Whether its bytes have the SHA-256 that was stored with them. Otherwise they were changed in the
    /// database, or damaged.
    pub is_intact: bool,
    /// The acknowledgement that was sent; of a message that was reconsidered, what a resend is answered with.
    pub acknowledgement: Bytes,
    /// The lines of the batch that it came in (FHS, BHS, BTS, FTS), each with a carriage return; empty
    /// without.
    pub envelope: Bytes,
    /// If it was rejected and accepted later, as either of the two messages.
    pub reconsidered: Option<Reconsidered>,
}

/// The rejected messages of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RejectedMessages {
    /// When the first one was received.
    pub first: Timestamp,
    /// Their number.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Selects messages, newest first.
#[derive(Debug, Clone, Default)]
pub struct MessageFilter {
    /// Only messages from this sender.
    pub device: Option<DeviceId>,
    /// Only messages with this device identity.
    pub identity: Option<DeviceIdentity>,
    /// Only messages that a patient or an order is found by.
    pub key: Option<SearchKey>,
    /// Only this IHE PCD transaction (`PCD-01`), or this MSH-9 as received (`ORU^R01^ORU_R01`).
    pub kind: Option<String>,
    /// Only messages received at this time or later.
    pub since: Option<Timestamp>,
    /// Only rejected messages.
    pub rejected: bool,
    /// Only messages that were rejected for the reason with this code.
    pub reason: Option<String>,
    /// Only messages with this MSH-10.
    pub control_id: Option<String>,
    /// Only messages with this warning.
    pub warning: Option<String>,
    /// Only messages that are so on their way to the platform of a gateway.
    pub forward: Option<ForwardFilter>,
    /// Only messages received before this one, the last of the previous page.
    pub before: Option<MessageId>,
    /// The maximum number of messages.
    pub limit: u32,
}

/// Where a search stopped although its page is not full: no index has all of its conditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SearchEnd {
    /// The index that would have them.
    pub missing_index: &'static str,
    /// The last message that was read; the search goes on before it.
    pub floor: MessageId,
}

impl MessageFilter {
    /// The index that a search with this filter lacks. Without it, a search without a match reads every
    /// message that the other conditions select.
    #[must_use]
    pub const fn missing_index(&self) -> Option<&'static str> {
        if self.key.is_some() {
            let is_more = self.device.is_some()
                || self.identity.is_some()
                || self.kind.is_some()
                || self.control_id.is_some()
                || self.warning.is_some()
                || self.forward.is_some()
                || self.is_for_rejected();
            return if is_more {
                Some("message_key (hash, message) with the other conditions")
            } else {
                None
            };
        }
        if let Some(forward) = self.forward {
            return self.missing_beside_forward(forward);
        }
        match self.base() {
            SearchBase::ControlId => {
                let is_more = self.device.is_some()
                    || self.kind.is_some()
                    || self.reason.is_some()
                    || self.warning.is_some();
                return if is_more {
                    Some("message (control id, id) with the other conditions")
                } else {
                    None
                };
            }
            SearchBase::Reason => {
                let is_more = self.kind.is_some() || self.warning.is_some();
                return if is_more { Some("message (rejection, type, id)") } else { None };
            }
            SearchBase::Others if self.warning.is_some() => return Some("message (warning, id)"),
            SearchBase::Others if self.control_id.is_some() => return Some("message (control id, id)"),
            SearchBase::Others if self.reason.is_some() => return Some("message (device, rejection, id)"),
            SearchBase::Others => {}
        }
        match (self.identity.is_some(), self.kind.is_some(), self.device.is_some(), self.is_for_rejected()) {
            (false, false, ..) => None,
            (false, true, false, false) => Some("message (type, id)"),
            (false, true, true, false) => Some("message (device, type, id)"),
            (false, true, false, true) => Some("message (type, id) of rejected messages"),
            (false, true, true, true) => Some("message (device, type, id) of rejected messages"),
            (true, false, false, false) => Some("message_identity (whole identity, message)"),
            (true, false, true, false) => Some("message_identity (identity, device, message)"),
            (true, true, ..) => Some("message_identity (identity, type, message)"),
            (true, false, _, true) => Some("message_identity (identity, message) of rejected messages"),
        }
    }

    /// The same of a search by what became of messages on their way to the platform.
    const fn missing_beside_forward(&self, forward: ForwardFilter) -> Option<&'static str> {
        let is_more = self.identity.is_some()
            || self.kind.is_some()
            || self.control_id.is_some()
            || self.warning.is_some()
            || self.is_for_rejected();
        let has_index = match forward {
            ForwardFilter::Refused => true,
            ForwardFilter::Waiting => self.device.is_none(),
            ForwardFilter::RefusedSince(_) => false,
        };
        if is_more || !has_index { Some("forward (message) with the other conditions") } else { None }
    }
}

/// The index that a search reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum SearchBase {
    /// Rejected messages by their control id.
    ControlId,
    /// Rejected messages by their reason.
    Reason,
    /// By identity, or by device or not, rejected or all.
    Others,
}

impl MessageFilter {
    /// Whether it selects rejected messages only.
    #[must_use]
    pub const fn is_for_rejected(&self) -> bool {
        self.rejected || self.reason.is_some()
    }

    pub(in crate::store) const fn base(&self) -> SearchBase {
        if self.identity.is_some() || self.key.is_some() || self.forward.is_some() {
            SearchBase::Others
        } else if self.control_id.is_some() && self.is_for_rejected() {
            SearchBase::ControlId
        } else if self.reason.is_some() && self.device.is_none() {
            SearchBase::Reason
        } else {
            SearchBase::Others
        }
    }
}

impl MessageSummary {
    /// The memory that the listing of the message takes, in bytes: an estimate.
    pub(in crate::store) fn shown_bytes(&self) -> usize {
        let texts = [&self.message_type, &self.control_id, &self.sending_application];
        let texts = texts.into_iter().chain(&self.transaction).chain(&self.warnings);
        texts.map(String::len).sum::<usize>() + LISTED_ROW_BYTES
    }
}

impl Verdict {
    /// The refusal code, if the message was rejected.
    #[must_use]
    pub fn rejection(&self) -> Option<&str> {
        match self {
            Self::Accepted => None,
            Self::Rejected { code } => Some(code),
        }
    }
}

impl MessageRecord {
    /// Replaces U+0000 by U+2400 in the text columns: PostgreSQL does not store U+0000 in a text, and a
    /// device may send it in any field. The bytes of the message stay as received.
    pub(in crate::store) fn replace_nul_characters(&mut self) {
        let texts = [&mut self.message_type, &mut self.control_id, &mut self.sending_application];
        for text in texts.into_iter().chain(&mut self.transaction).chain(&mut self.not_allowed) {
            if text.contains('\0') {
                *text = text.replace('\0', "\u{2400}");
            }
        }
    }

    /// Whether it has rows in no table but that of messages, once its identities are known to be allowed.
    pub(in crate::store) fn is_plain(&self) -> bool {
        self.alerts.is_empty()
            && self.not_allowed.is_empty()
            && self.envelope.is_empty()
            && self.forward.is_none()
            && self.reconsideration.is_none()
    }

    /// The audit row of the message, written in the same transaction. `digest` is that of its bytes.
    pub(in crate::store) fn event(&self, digest: Fingerprint) -> Event {
        let (message, session, device) = (self.id, self.session, self.device.clone());
        if let Some(reconsideration) = &self.reconsideration {
            let Reconsideration { original, rejection, actor } = (**reconsideration).clone();
            let received_at = self.received_at;
            return Event::MessageReconsidered {
                message,
                original,
                received_at,
                device,
                digest,
                rejection,
                actor,
            };
        }
        match &self.verdict {
            Verdict::Accepted => {
                let large = self.keys.contains(&SearchKey::LARGE);
                Event::MessageAccepted { message, session, device, digest, large }
            }
            Verdict::Rejected { code } => {
                Event::MessageRejected { message, session, device, digest, code: code.clone() }
            }
        }
    }
}

/// Identifiers and lengths only: the bytes contain patient data.
impl fmt::Debug for MessageRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageRecord")
            .field("id", &self.id)
            .field("session", &self.session)
            .field("device", &self.device)
            .field("message_type", &self.message_type)
            .field("verdict", &self.verdict)
            .field("size", &self.raw.len())
            .finish_non_exhaustive()
    }
}

/// Identifiers and lengths only: the bytes contain patient data.
impl fmt::Debug for StoredMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredMessage").field("summary", &self.summary).finish_non_exhaustive()
    }
}

/// Identifiers and lengths only.
impl fmt::Debug for RecordOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stored(id) => f.debug_tuple("Stored").field(id).finish(),
            Self::Resend { original, acknowledgement } => f
                .debug_struct("Resend")
                .field("original", original)
                .field("size", &acknowledgement.len())
                .finish(),
        }
    }
}

/// Bytes of a listed row besides its texts.
pub(in crate::store) const LISTED_ROW_BYTES: usize = 200;

/// The lowest identifier of a message received at `since`: the first 48 bits of a UUID version 7 are
/// milliseconds (RFC 9562 5.7).
pub(in crate::store) fn first_id(since: Timestamp) -> [u8; 16] {
    let milliseconds = u64::try_from(since.as_millisecond()).unwrap_or(0);
    (u128::from(milliseconds) << 80).to_be_bytes()
}

/// The warning of a rejected message of which only the beginning is stored.
pub const CUT: &str = "cut";

/// The warning of a message that was rejected first, and accepted later on behalf of an operator.
pub const RECONSIDERED: &str = "reconsidered";

/// The warning that the store adds to a message whose control id the device has already used for other bytes.
pub const CONTROL_ID_REUSED: &str = "control-id-reused";

/// A message that comes again is acknowledged as its stored copy while that is at most this old. A copy that
/// is older is replaced, so that what is acknowledged now stays for its whole time.
pub(in crate::store) const MAX_COPY_AGE: SignedDuration = SignedDuration::from_hours(24);
