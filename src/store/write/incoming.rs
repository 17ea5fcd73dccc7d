//! A message as a batch writes it, and the outcome of an entry.

use jiff::Timestamp;

use crate::model::{Fingerprint, MessageId};
use crate::store::content::Content;
use crate::store::records::message::MessageRecord;

/// The message of an entry.
#[derive(Debug, Clone, Copy)]
pub(in crate::store) struct IncomingMessage<'a> {
    pub(in crate::store) at: Timestamp,
    pub(in crate::store) record: &'a MessageRecord,
    /// The bytes to store; those of the record are empty.
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
    /// The message is a resend of `original`, which got this acknowledgement.
    Resend { original: MessageId, acknowledgement: bytes::Bytes },
}
