//! What pages for the operator ask of the store at once.

use jiff::Timestamp;

use crate::store::error::StoreError;
use crate::store::handle::Store;
use crate::store::records::audit::AuditRow;

impl Store {
    /// The reasons of the messages that were rejected since a time, with their numbers, the most frequent
    /// first. At most `limit` messages are counted, the newest ones.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn rejections_since(
        &self,
        since: Timestamp,
        limit: u32,
    ) -> Result<Vec<(String, u64)>, StoreError> {
        self.reader().rejections_since(since, limit).await
    }

    /// The last rows of these events, `limit` of each, newest first, by an index. Events are literals of the
    /// program, and not those of accepted messages, which the index leaves out.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn latest_events(
        &self,
        events: &[&'static str],
        limit: u32,
    ) -> Result<Vec<AuditRow>, StoreError> {
        self.reader().latest_events(events, limit).await
    }
}
