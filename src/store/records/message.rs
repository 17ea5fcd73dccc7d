//! A received message on its way into the store, and out of it.

use std::fmt;
use std::net::SocketAddr;

use bytes::Bytes;
use jiff::Timestamp;

use crate::audit::Event;
use crate::model::{DeviceId, Fingerprint, MessageId, SessionId};
use crate::pcd::{AlertReport, DeviceIdentity};

/// One received message, as it is to be kept.
#[derive(Clone)]
pub struct MessageRecord {
    /// Its name in the store.
    pub id: MessageId,
    /// The session it came in.
    pub session: SessionId,
    /// The Common Name of the certificate that brought it.
    pub device: DeviceId,
    /// That certificate.
    pub fingerprint: Fingerprint,
    /// Where it came from.
    pub peer: SocketAddr,
    /// When its last byte was read.
    pub received_at: Timestamp,
    /// The time that it tells of (MSH-7 or OBR-7), when it tells one.
    pub event_time: Option<Timestamp>,
    /// The IHE PCD transaction, when it is one (`PCD-01`).
    pub transaction: Option<String>,
    /// MSH-9.
    pub message_type: String,
    /// MSH-10.
    pub control_id: String,
    /// MSH-3.
    pub sending_application: String,
    /// What became of it.
    pub verdict: Verdict,
    /// The codes of what was tolerated in it.
    pub warnings: Vec<String>,
    /// The device identities that it names.
    pub identities: Vec<String>,
    /// Those among them that its certificate may not speak for.
    pub not_allowed: Vec<String>,
    /// The alerts that it reports, when it is an alert report (PCD-04).
    pub alerts: Vec<AlertReport>,
    /// What came between the frame's first and last byte.
    pub raw: Bytes,
    /// What is answered; may be empty.
    pub acknowledgement: Bytes,
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is the platform's responsibility now.
    Accepted,
    /// It was refused, and kept for the record.
    Rejected {
        /// The code of the reason.
        code: String,
    },
}

/// What the store did with a message. Whatever it is, it is durable.
#[derive(Clone, PartialEq, Eq)]
pub enum RecordOutcome {
    /// It is kept under this name.
    Stored(MessageId),
    /// The same bytes under the same control id were accepted before; nothing was stored.
    Resend {
        /// The message that was kept then.
        original: MessageId,
        /// What was answered then.
        acknowledgement: Bytes,
    },
}

/// What a list says of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageSummary {
    /// Its name in the store.
    pub id: MessageId,
    /// When its last byte was read.
    pub received_at: Timestamp,
    /// The time that it tells of.
    pub event_time: Option<Timestamp>,
    /// The Common Name of the certificate that brought it.
    pub device: DeviceId,
    /// The IHE PCD transaction, when it is one.
    pub transaction: Option<String>,
    /// MSH-9.
    pub message_type: String,
    /// MSH-10.
    pub control_id: String,
    /// MSH-3.
    pub sending_application: String,
    /// What became of it.
    pub verdict: Verdict,
    /// The codes of what was tolerated in it.
    pub warnings: Vec<String>,
    /// The length of its bytes.
    pub size: u64,
}

/// A message as it is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredMessage {
    /// What a list says of it.
    pub summary: MessageSummary,
    /// The session it came in.
    pub session: String,
    /// The SHA-256 of the certificate that brought it, in hexadecimal.
    pub fingerprint: String,
    /// Where it came from.
    pub peer: SocketAddr,
    /// The device identities that it names.
    pub identities: Vec<String>,
    /// What came, byte for byte.
    pub raw: Bytes,
    /// What was answered.
    pub acknowledgement: Bytes,
}

/// Which messages to list, newest first.
#[derive(Debug, Clone, Default)]
pub struct MessageFilter {
    /// Only what this certificate brought.
    pub device: Option<DeviceId>,
    /// Only what names this device.
    pub identity: Option<DeviceIdentity>,
    /// Only this IHE PCD transaction (`PCD-01`), or this MSH-9 as it came (`ORU^R01^ORU_R01`).
    pub kind: Option<String>,
    /// Only what arrived then or later.
    pub since: Option<Timestamp>,
    /// Only what was rejected.
    pub rejected: bool,
    /// Only what arrived before this message: the last one of the page before.
    pub before: Option<MessageId>,
    /// At most so many.
    pub limit: u32,
}

impl Verdict {
    /// The code of the reason, when the message was rejected.
    #[must_use]
    pub fn rejection(&self) -> Option<&str> {
        match self {
            Self::Accepted => None,
            Self::Rejected { code } => Some(code),
        }
    }
}

impl MessageRecord {
    /// Leaves in the record what its columns can hold: PostgreSQL has no U+0000 in a text, and a device may send one in any
    /// field. There it stands as U+2400; the bytes are kept as they came.
    pub(in crate::store) fn fit_columns(&mut self) {
        let texts = [&mut self.message_type, &mut self.control_id, &mut self.sending_application];
        for text in texts.into_iter().chain(&mut self.transaction).chain(&mut self.not_allowed) {
            if text.contains('\0') {
                *text = text.replace('\0', "\u{2400}");
            }
        }
    }

    /// The row of the audit trail, which belongs into the same transaction.
    pub(in crate::store) fn event(&self) -> Event {
        let (message, session, device) = (self.id, self.session, self.device.clone());
        match &self.verdict {
            Verdict::Accepted => Event::MessageAccepted { message, session, device },
            Verdict::Rejected { code } => {
                Event::MessageRejected { message, session, device, code: code.clone() }
            }
        }
    }
}

/// Identifiers and lengths only: the bytes are about patients.
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

/// Identifiers and lengths only: the bytes are about patients.
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

/// The lowest identifier that a message of that time can have: the first 48 bits of a UUID of version 7 are
/// milliseconds (RFC 9562 5.7).
pub(in crate::store) fn first_id(since: Timestamp) -> [u8; 16] {
    let milliseconds = u64::try_from(since.as_millisecond()).unwrap_or(0);
    (u128::from(milliseconds) << 80).to_be_bytes()
}

/// The warning that the store adds when a device uses a control id again for other bytes.
pub const CONTROL_ID_REUSED: &str = "control-id-reused";
