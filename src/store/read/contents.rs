//! Queries that compare the stored messages with their digests and with the audit trail.

use std::collections::HashSet;

use jiff::Timestamp;
use serde_json::Value;

use crate::audit::{Event, Permit, RemovedMessages, SignatureVerifier, begin_bytes};
use crate::model::{Fingerprint, MessageId, NodeName};
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
    /// When it was written.
    pub(in crate::store) at: Timestamp,
}

/// A row of the trail about a retention pass.
pub(in crate::store) struct PrunedRow {
    pub(in crate::store) sequence: u64,
    /// The node whose chain has the row.
    pub(in crate::store) node: NodeName,
    /// Its number in that chain.
    pub(in crate::store) number: u64,
    /// When it was written.
    pub(in crate::store) at: Timestamp,
    /// What was removed; `None` in a row of an earlier version.
    pub(in crate::store) removed: Option<RemovedMessages>,
    /// All were received before this time; `None`: it cannot be read.
    pub(in crate::store) before: Option<Timestamp>,
    /// The permit, not verified; `None` in a row of an earlier version.
    pub(in crate::store) permit: Option<Permit>,
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
            Ok(StoredRow {
                sequence: row.count("sequence", "audit.sequence")?,
                message,
                at: row.time("at", "audit.at")?,
            })
        };
        rows.iter().map(stored).collect()
    }

    /// The rows about retention passes after `sequence`, in order.
    pub(in crate::store) async fn pruned_rows(
        &self,
        sequence: u64,
        limit: u32,
    ) -> Result<Vec<PrunedRow>, StoreError> {
        let mut statement = select_passes();
        statement.push(" AND sequence > ").push_bind(sequence);
        statement.push(" ORDER BY sequence LIMIT ").push_bind(limit);
        self.fetch(statement).await?.iter().map(pruned_row).collect()
    }

    /// The rows about retention passes before `sequence`, the newest first.
    pub(in crate::store) async fn newest_pruned_rows(
        &self,
        sequence: u64,
        limit: u32,
    ) -> Result<Vec<PrunedRow>, StoreError> {
        let mut statement = select_passes();
        statement.push(" AND sequence < ").push_bind(i64::try_from(sequence).unwrap_or(i64::MAX));
        statement.push(" ORDER BY sequence DESC LIMIT ").push_bind(limit);
        self.fetch(statement).await?.iter().map(pruned_row).collect()
    }

    /// The time of the first row that is left of a chain whose older rows retention removed; the latest of
    /// all chains. Only a beginning that the platform has signed counts: what rows of the trail say about it
    /// does not.
    pub(in crate::store) async fn trail_begins(
        &self,
        signatures: &dyn SignatureVerifier,
    ) -> Result<Option<Timestamp>, StoreError> {
        let mut latest = None;
        for node in self.audit_nodes().await? {
            let Some(beginning) = self.audit_beginning(&node).await? else { continue };
            let message = begin_bytes(&node, &beginning.link);
            if signatures.verify(&message, &beginning.signature, beginning.at).is_err() {
                continue;
            }
            let after = i64::try_from(beginning.link.number).unwrap_or(i64::MAX);
            let first = self.audit_chain(&node, Some(after), 1).await?;
            let at = first.first().and_then(|row| Timestamp::from_microsecond(row.at).ok());
            latest = latest.max(at);
        }
        Ok(latest)
    }
}

fn pruned_row(row: &Row) -> Result<PrunedRow, StoreError> {
    // One that cannot be read is permitted by nothing.
    let details = details(row).unwrap_or_default();
    let before = details.get("before").and_then(Value::as_str);
    Ok(PrunedRow {
        sequence: row.count("sequence", "audit.sequence")?,
        node: row.parsed("node", "audit.node")?,
        number: row.count("number", "audit.number")?,
        at: row.time("at", "audit.at")?,
        removed: RemovedMessages::parse(&details),
        before: before.and_then(|time| time.parse().ok()),
        permit: Permit::parse(&details),
    })
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

/// The name as a literal: SQLite uses a partial index only then.
fn select_passes() -> Statement {
    let mut statement =
        Statement::new("SELECT sequence, node, number, at, details FROM audit WHERE event = '");
    statement.push(Event::MESSAGES_PRUNED).push("'");
    statement
}

const SELECT_CONTENTS: &str =
    "SELECT id, digest, raw_size, raw FROM message WHERE id >= $1 AND id <= $2 ORDER BY id";

const SELECT_STORED: &str = "
SELECT sequence, at, details FROM audit
WHERE event IN ('message-accepted', 'message-rejected', 'message-reconsidered') AND sequence > $1
ORDER BY sequence LIMIT $2";
