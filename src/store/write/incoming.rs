//! A message as a batch writes it, and what became of an entry.

use jiff::Timestamp;

use crate::model::{Fingerprint, MessageId};
use crate::store::content::Content;
use crate::store::records::message::MessageRecord;

/// An entry that is a message.
#[derive(Debug, Clone, Copy)]
pub(in crate::store) struct IncomingMessage<'a> {
    pub(in crate::store) at: Timestamp,
    pub(in crate::store) record: &'a MessageRecord,
    /// In place of the record's own bytes.
    pub(in crate::store) content: &'a Content,
    pub(in crate::store) digest: &'a Fingerprint,
}

/// What became of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) enum WriteOutcome {
    Applied,
    /// So many rows were changed or removed.
    Rows(u64),
    /// The message was there before, with this acknowledgement.
    Resend {
        original: MessageId,
        acknowledgement: bytes::Bytes,
    },
}
