//! A message as a batch writes it, and the outcome of an entry.

use jiff::Timestamp;

use crate::model::{Fingerprint, MessageId};
use crate::store::content::Content;
use crate::store::records::grant::GrantOutcome;
use crate::store::records::message::MessageRecord;

/// The message of an entry.
#[derive(Debug, Clone, Copy)]
pub(in crate::store) struct IncomingMessage<'a> {
    pub(in crate::store) at: Timestamp,
    pub(in crate::store) record: &'a MessageRecord,
    /// The bytes and the acknowledgement to store; those of the record are empty.
    pub(in crate::store) content: &'a Content,
    pub(in crate::store) digest: &'a Fingerprint,
}

/// The outcome of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) enum WriteOutcome {
    /// The entry was written.
    Applied,
    /// This number of rows was changed or deleted.
    Rows(u64),
    /// A change of access tokens.
    Grant(GrantOutcome),
    /// The message was written in the place of this copy, which the audit trail did not name.
    Replaced(MessageId),
    /// The message was written in the place of this copy, which the platform had stored long before.
    Renewed(MessageId),
    /// The message is a resend of `original`, which got this acknowledgement. `is_recorded`: the audit trail
    /// has got a row about it.
    Resend { original: MessageId, acknowledgement: bytes::Bytes, is_recorded: bool },
}

/// What inserting a message found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) enum Insertion {
    /// It was inserted.
    Inserted,
    /// A copy of it is stored already.
    Copy(StoredCopy),
}

/// A stored message with the device, the control id and the digest of another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) struct StoredCopy {
    pub(in crate::store) id: MessageId,
    pub(in crate::store) acknowledgement: bytes::Bytes,
    /// When the row of the trail about it should have been written, in microseconds since 1970; as the
    /// database says it.
    pub(in crate::store) recorded_at: i64,
}

impl StoredCopy {
    /// The copy in a row with these columns `raw` (its first 64 KiB), `raw_size` and `acknowledgement`. A
    /// damaged one has no acknowledgement; reading it back finds the damage, so that it is not acknowledged.
    pub(in crate::store) fn new(
        id: MessageId,
        (raw, raw_size, acknowledgement): (Vec<u8>, Option<i64>, Vec<u8>),
        recorded_at: i64,
    ) -> Self {
        let acknowledgement = Content::acknowledgement(&raw, raw_size, acknowledgement).unwrap_or_default();
        Self { id, acknowledgement, recorded_at }
    }
}
