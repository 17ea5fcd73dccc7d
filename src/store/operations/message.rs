//! Messages from devices: storing and reading.

use crate::model::{Fingerprint, MessageId};
use crate::store::content::Content;
use crate::store::error::StoreError;
use crate::store::fault_log::Unwritten;
use crate::store::handle::Store;
use crate::store::records::message::{
    MessageFilter, MessageRecord, MessageSummary, RecordOutcome, StoredMessage,
};
use crate::store::write::entry::Write;
use crate::store::write::incoming::WriteOutcome;

impl Store {
    /// Stores a message and its audit row. Both are durable on return.
    ///
    /// The same bytes with the same control id (MSH-10) and sending application (MSH-3) from the same sender
    /// are a resend and are not stored again. A rejected message is always stored.
    ///
    /// # Errors
    /// When the message was not stored: the sender must keep it.
    pub async fn record(&self, record: impl Into<Box<MessageRecord>>) -> Result<RecordOutcome, StoreError> {
        let mut record = record.into();
        let id = record.id;
        record.replace_nul_characters();
        let digest = Fingerprint::sha256(&record.raw);
        // Compress before queueing: a queued message then takes less memory.
        let content = Content::compress(&std::mem::take(&mut record.raw));
        match self.write(Write::Message { record, content, digest }).await? {
            WriteOutcome::Applied | WriteOutcome::Rows(_) => Ok(RecordOutcome::Stored(id)),
            WriteOutcome::Resend { original, acknowledgement } => {
                Ok(RecordOutcome::Resend { original, acknowledgement })
            }
        }
    }

    /// The same, and logs an error if that fails: one line in ten seconds.
    ///
    /// # Errors
    /// As [`Store::record`].
    pub async fn record_or_log(
        &self,
        record: impl Into<Box<MessageRecord>>,
    ) -> Result<RecordOutcome, StoreError> {
        let recorded = self.record(record).await;
        if let Err(error) = &recorded {
            self.log_unwritten(Unwritten::Message, error);
        }
        recorded
    }

    /// A page of messages, newest first.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn messages(&self, filter: &MessageFilter) -> Result<Vec<MessageSummary>, StoreError> {
        self.reader().messages(filter).await
    }

    /// A message with its bytes.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn message(&self, id: MessageId) -> Result<Option<StoredMessage>, StoreError> {
        self.reader().message(id).await
    }
}
