//! How much retention removes soon.

use jiff::Timestamp;

use crate::audit::MessageKind;
use crate::store::error::StoreError;
use crate::store::read::reader::Reader;
use crate::store::records::message::first_id;
use crate::store::statement::Statement;

impl Reader {
    /// How many messages of this kind are before a time, by their identifiers; at most [`MAX_COUNTED`] and
    /// one are counted. Reads indexes only.
    pub(in crate::store) async fn messages_before(
        &self,
        kind: MessageKind,
        before: Timestamp,
    ) -> Result<u64, StoreError> {
        let all = match kind {
            MessageKind::Rejected => return self.counted(REJECTED, before).await,
            MessageKind::Large => return self.counted(LARGE, before).await,
            MessageKind::Accepted | MessageKind::Any => self.counted(ALL, before).await?,
        };
        if kind == MessageKind::Any || all > MAX_COUNTED {
            return Ok(all);
        }
        Ok(all.saturating_sub(self.counted(REJECTED, before).await?))
    }

    async fn counted(&self, ids: &str, before: Timestamp) -> Result<u64, StoreError> {
        let mut statement = Statement::new("SELECT CAST(count(*) AS BIGINT) AS number FROM (");
        statement.push(ids);
        let mut statement = statement.bind(first_id(before).as_slice());
        statement.push(" LIMIT ").push_bind(MAX_COUNTED + 1).push(") AS due");
        let rows = self.fetch(statement).await?;
        rows.first().map_or(Ok(0), |row| row.count("number", "a count"))
    }
}

/// Messages that are counted: some milliseconds.
pub(in crate::store) const MAX_COUNTED: u64 = 10_000;

const ALL: &str = "SELECT id FROM message WHERE id < $1";
const REJECTED: &str = "SELECT id FROM message WHERE id < $1 AND rejection IS NOT NULL";
const LARGE: &str = "SELECT message FROM message_key WHERE hash = 0 AND message < $1";
