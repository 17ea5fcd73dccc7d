//! What a search in the content of messages found.

use crate::model::MessageId;
use crate::store::records::message::MessageSummary;

/// The result of a search in the content of messages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scanned {
    /// The messages that were found, newest first.
    pub messages: Vec<MessageSummary>,
    /// How many messages were read.
    pub searched: u64,
    /// The last message that was read, if the search stopped before the oldest one; it goes on before it.
    pub stopped_at: Option<MessageId>,
}

impl Scanned {
    /// Counts a message that was read, and takes it if it was found.
    pub(in crate::store) fn add(&mut self, found: Option<MessageSummary>) {
        self.searched += 1;
        self.messages.extend(found);
    }
}
