//! Messages from devices: storing and reading.

use jiff::Timestamp;

use crate::model::{DeviceId, Fingerprint, MessageId, beside_tasks};
use crate::store::content::Content;
use crate::store::error::StoreError;
use crate::store::fault_log::Unwritten;
use crate::store::handle::Store;
use crate::store::records::message::{
    MessageFilter, MessageRecord, MessageSummary, RecordOutcome, RejectedMessages, SearchEnd, StoredMessage,
};
use crate::store::records::scan::Scanned;
use crate::store::write::entry::Write;
use crate::store::write::incoming::WriteOutcome;

impl Store {
    /// Stores a message and its audit row. Both are durable on return.
    ///
    /// The same bytes with the same control id (MSH-10) and sending application (MSH-3) from the same sender
    /// are a resend and are not stored again, unless the copy is old: then they are stored in its place. A
    /// rejected message is always stored.
    ///
    /// # Errors
    /// When the message was not stored: the sender must keep it.
    pub async fn record(&self, record: impl Into<Box<MessageRecord>>) -> Result<RecordOutcome, StoreError> {
        let mut record = record.into();
        let id = record.id;
        record.replace_nul_characters();
        let raw = std::mem::take(&mut record.raw);
        let acknowledgement = std::mem::take(&mut record.acknowledgement);
        // Compress before queueing: a queued message then takes less memory.
        let prepare = || (Fingerprint::sha256(&raw), Content::compress(&raw, &acknowledgement));
        let (digest, content) = if raw.len() > LARGE_MESSAGE { beside_tasks(prepare) } else { prepare() };
        let arrival = self.progress().arrive(record.device.clone(), self.clock().instant());
        let written = self.write(Write::Message { record, content, digest }).await;
        arrival.finish(&written, self.clock().instant());
        match written? {
            WriteOutcome::Applied | WriteOutcome::Rows(_) | WriteOutcome::Grant(_) => {
                Ok(RecordOutcome::Stored(id))
            }
            WriteOutcome::Replaced(copy) => {
                tracing::error!(
                    message = %id, %copy,
                    "a copy of a message was in the store that no row of the audit trail names: another program has \
                     put it there; the message is stored in its place (docs/explanation/store.md, \"Resends\")"
                );
                Ok(RecordOutcome::Stored(id))
            }
            WriteOutcome::Renewed(copy) => {
                tracing::debug!(message = %id, %copy, "a message came again after long, and is stored again");
                Ok(RecordOutcome::Stored(id))
            }
            WriteOutcome::Resend { original, acknowledgement, .. } => {
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

    /// The same, in some milliseconds: where no index has all conditions of the filter, only the newest
    /// messages are searched. The second value says where the search stopped before the page was full.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn search_messages(
        &self,
        filter: &MessageFilter,
    ) -> Result<(Vec<MessageSummary>, Option<SearchEnd>), StoreError> {
        self.reader().search_messages(filter).await
    }

    /// The newest messages of a filter whose bytes satisfy `matches`. Reads at most some thousand messages,
    /// and for about a second; the result says where it stopped. The caller records who searches, and why.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn scan_messages(
        &self,
        filter: &MessageFilter,
        matches: &(dyn Fn(&[u8]) -> bool + Sync),
    ) -> Result<Scanned, StoreError> {
        self.reader().scan_messages(filter, matches, self.clock()).await
    }

    /// The time of the oldest message that a search by patient or order can find: older ones came before
    /// their numbers were indexed. `None`: none is indexed.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn searched_since(&self) -> Result<Option<Timestamp>, StoreError> {
        self.reader().oldest_key().await
    }

    /// The same as [`Store::messages`], of about `max_bytes` at most; and whether the page ends early for
    /// that reason.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn message_page(
        &self,
        filter: &MessageFilter,
        max_bytes: usize,
    ) -> Result<(Vec<MessageSummary>, bool), StoreError> {
        self.reader().message_page(filter, max_bytes).await
    }

    /// The rejected messages of a device since a time, of which at most `limit` are counted; `None` without
    /// any.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn rejected_since(
        &self,
        device: &DeviceId,
        since: Timestamp,
        limit: u32,
    ) -> Result<Option<RejectedMessages>, StoreError> {
        self.reader().rejected_since(device, since, limit).await
    }

    /// A message with its bytes.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn message(&self, id: MessageId) -> Result<Option<StoredMessage>, StoreError> {
        self.reader().message(id).await
    }
}

/// The digest of a larger message, and its compression, take milliseconds.
const LARGE_MESSAGE: usize = 64 * 1024;
