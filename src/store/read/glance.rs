//! Queries of the pages for the operator: small, and by an index.

use jiff::Timestamp;

use crate::store::error::StoreError;
use crate::store::read::audit::audit_row;
use crate::store::read::reader::Reader;
use crate::store::records::audit::AuditRow;
use crate::store::records::message::first_id;
use crate::store::statement::Statement;

impl Reader {
    /// Reasons of the messages that were rejected since a time, with their numbers, of at most `limit`
    /// messages.
    pub(in crate::store) async fn rejections_since(
        &self,
        since: Timestamp,
        limit: u32,
    ) -> Result<Vec<(String, u64)>, StoreError> {
        let statement = Statement::new(SELECT_REJECTIONS).bind(first_id(since).as_slice()).bind(limit);
        let rows = self.fetch(statement).await?;
        rows.iter().map(|row| Ok((row.get("rejection")?, row.count("messages", "messages")?))).collect()
    }

    /// The last rows of these events, `limit` of each, newest first. No event of accepted messages.
    pub(in crate::store) async fn latest_events(
        &self,
        events: &[&'static str],
        limit: u32,
    ) -> Result<Vec<AuditRow>, StoreError> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        self.fetch(select_latest_events(events, limit)).await?.iter().map(audit_row).collect()
    }
}

/// The statement that selects the last rows of these events.
pub(in crate::store) fn select_latest_events(events: &[&'static str], limit: u32) -> Statement {
    let mut statement = Statement::new("SELECT * FROM (");
    for (at, event) in events.iter().enumerate() {
        statement.push(if at > 0 { " UNION ALL SELECT * FROM (" } else { "SELECT * FROM (" });
        statement.push("SELECT sequence, node, number, hash, at, event, details FROM audit WHERE event = '");
        // SQLite uses a partial index only if the query has its condition as it is written there.
        statement.push(event).push("' AND event <> 'message-accepted' ORDER BY sequence DESC LIMIT ");
        statement.push_bind(limit).push(") AS rows_of_event");
    }
    statement.push(") AS latest ORDER BY sequence DESC");
    statement
}

const SELECT_REJECTIONS: &str = "
SELECT rejection, CAST(count(*) AS BIGINT) AS messages FROM (
    SELECT rejection FROM message WHERE rejection IS NOT NULL AND id >= $1 ORDER BY id DESC LIMIT $2
) AS recent GROUP BY rejection ORDER BY 2 DESC, 1";
