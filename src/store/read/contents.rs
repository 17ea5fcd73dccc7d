//! Queries that compare the stored messages with their digests and with the audit trail.

use std::collections::HashSet;

use jiff::Timestamp;
use serde_json::Value;

use crate::audit::{Event, RemovedMessages};
use crate::model::{Fingerprint, MessageId};
use crate::store::content::Content;
use crate::store::error::StoreError;
use crate::store::read::reader::Reader;
use crate::store::row::{Row, message_id};
use crate::store::statement::Statement;

/// The size of a stored message.
pub(in crate::store) struct MessageSize {
    pub(in crate::store) id: MessageId,
    /// Stored bytes.
    pub(in crate::store) bytes: u64,
}

/// A row of the trail about a message that was stored.
pub(in crate::store) struct StoredRow {
    pub(in crate::store) sequence: u64,
    /// `None` when the row does not name it in a way that can be read.
    pub(in crate::store) message: Option<MessageId>,
}

/// A row of the trail about a retention pass.
pub(in crate::store) struct PrunedRow {
    pub(in crate::store) sequence: u64,
    /// What was removed; `None` in a row of an earlier version.
    pub(in crate::store) removed: Option<RemovedMessages>,
    /// All were received before this time.
    pub(in crate::store) before: Timestamp,
}

impl Reader {
    /// The messages after `after`, in the order of their identifiers.
    pub(in crate::store) async fn message_sizes(
        &self,
        after: Option<MessageId>,
        limit: u32,
    ) -> Result<Vec<MessageSize>, StoreError> {
        let mut statement =
            Statement::new("SELECT id, CAST(octet_length(raw) AS BIGINT) AS bytes FROM message");
        if let Some(after) = after {
            statement.push(" WHERE id > ").push_bind(after.as_bytes().as_slice());
        }
        statement.push(" ORDER BY id LIMIT ").push_bind(limit);
        let size =
            |row: &Row| Ok(MessageSize { id: message_id(row)?, bytes: row.count("bytes", "message.raw")? });
        self.fetch(statement).await?.iter().map(size).collect()
    }

    /// The messages from `first` to `last` whose bytes do not have the stored digest.
    pub(in crate::store) async fn altered_messages(
        &self,
        first: MessageId,
        last: MessageId,
    ) -> Result<Vec<MessageId>, StoreError> {
        let statement = Statement::new(SELECT_CONTENTS);
        let statement = statement.bind(first.as_bytes().as_slice()).bind(last.as_bytes().as_slice());
        let mut altered = Vec::new();
        for row in self.fetch(statement).await? {
            if !has_its_digest(&row)? {
                altered.push(message_id(&row)?);
            }
        }
        Ok(altered)
    }

    /// Those of `ids` that are the identifier of a stored message.
    pub(in crate::store) async fn stored_among(
        &self,
        ids: &[MessageId],
    ) -> Result<HashSet<MessageId>, StoreError> {
        if ids.is_empty() {
            return Ok(HashSet::new());
        }
        let mut statement = Statement::new("SELECT id FROM message WHERE id IN (");
        for (place, id) in ids.iter().enumerate() {
            statement.push(if place == 0 { "" } else { ", " }).push_bind(id.as_bytes().as_slice());
        }
        statement.push(")");
        self.fetch(statement).await?.iter().map(message_id).collect()
    }

    /// The rows about stored messages after `sequence`, in order.
    pub(in crate::store) async fn stored_rows(
        &self,
        sequence: u64,
        limit: u32,
    ) -> Result<Vec<StoredRow>, StoreError> {
        let rows = self.fetch(Statement::new(SELECT_STORED).bind(sequence).bind(limit)).await?;
        let stored = |row: &Row| {
            let details = details(row).unwrap_or_default();
            let message = details.get("message").and_then(Value::as_str).and_then(|id| id.parse().ok());
            Ok(StoredRow { sequence: row.count("sequence", "audit.sequence")?, message })
        };
        rows.iter().map(stored).collect()
    }

    /// The rows about retention passes after `sequence`, in order.
    pub(in crate::store) async fn pruned_rows(
        &self,
        sequence: u64,
        limit: u32,
    ) -> Result<Vec<PrunedRow>, StoreError> {
        let rows = self.fetch(select_event(Event::MESSAGES_PRUNED, sequence, limit)).await?;
        let pruned = |row: &Row| {
            let details = details(row)?;
            Ok(PrunedRow {
                sequence: row.count("sequence", "audit.sequence")?,
                removed: RemovedMessages::parse(&details),
                before: before(&details)?,
            })
        };
        rows.iter().map(pruned).collect()
    }

    /// The latest time before which retention removed rows of the trail, of any node.
    pub(in crate::store) async fn trail_pruned_before(&self) -> Result<Option<Timestamp>, StoreError> {
        let (mut latest, mut read) = (None, 0);
        loop {
            let rows = self.fetch(select_event(Event::AUDIT_PRUNED, read, PAGE_ROWS)).await?;
            let Some(last) = rows.last() else { return Ok(latest) };
            read = last.count("sequence", "audit.sequence")?;
            for row in &rows {
                latest = latest.max(Some(before(&details(row)?)?));
            }
        }
    }
}

/// Whether the bytes of the message have the digest that was stored with them; not when they cannot be
/// decompressed.
fn has_its_digest(row: &Row) -> Result<bool, StoreError> {
    let Ok(raw) = Content::decompress(row.get("raw")?, row.get("raw_size")?) else { return Ok(false) };
    Ok(Fingerprint::sha256(&raw).as_bytes().as_slice() == row.get::<Vec<u8>>("digest")?)
}

fn details(row: &Row) -> Result<Value, StoreError> {
    serde_json::from_str(&row.get::<String>("details")?).map_err(|_| StoreError::unreadable("audit.details"))
}

fn before(details: &Value) -> Result<Timestamp, StoreError> {
    let before = details.get("before").and_then(Value::as_str).and_then(|time| time.parse().ok());
    before.ok_or(StoreError::unreadable("audit.details"))
}

fn select_event(event: &'static str, after: u64, limit: u32) -> Statement {
    let mut statement = Statement::new("SELECT sequence, details FROM audit WHERE event = '");
    statement.push(event).push("' AND sequence > ").push_bind(after);
    statement.push(" ORDER BY sequence LIMIT ").push_bind(limit);
    statement
}

const PAGE_ROWS: u32 = 1_000;

const SELECT_CONTENTS: &str =
    "SELECT id, digest, raw_size, raw FROM message WHERE id >= $1 AND id <= $2 ORDER BY id";

const SELECT_STORED: &str = "
SELECT sequence, details FROM audit
WHERE event IN ('message-accepted', 'message-rejected', 'message-reconsidered') AND sequence > $1
ORDER BY sequence LIMIT $2";
