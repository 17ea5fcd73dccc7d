//! The reading side: a few connections that cannot write.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use bytes::Bytes;
use jiff::Timestamp;
use sqlx::sqlite::{Sqlite, SqliteExecutor, SqlitePool, SqlitePoolOptions, SqliteRow};
use sqlx::{QueryBuilder, Row as _};

use super::{BUSY_TIMEOUT, Location, failure};
use crate::audit::{ChainRow, Link, RowHash};
use crate::authz::Device;
use crate::model::{DeviceId, MessageId, NodeName};
use crate::pcd::IdentityPattern;
use crate::store::StoreError;
use crate::store::directory::{device_kind, device_status};
use crate::store::message::{MessageSummary, StoredMessage, Verdict};
use crate::store::query::{AuditFilter, AuditRow, MessageFilter, Page, SeenIdentity};

/// Connections that read; a long listing does not hold up a short one, nor the writer.
pub(in crate::store) struct Reader {
    pool: SqlitePool,
    path: PathBuf,
}

impl Reader {
    pub(super) fn new(location: &Location) -> Self {
        let options = location.options().pragma("query_only", "ON");
        let pool = SqlitePoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(BUSY_TIMEOUT)
            .connect_lazy_with(options);
        Self { pool, path: location.path.clone() }
    }

    pub(in crate::store) fn path(&self) -> &Path {
        &self.path
    }

    pub(in crate::store) async fn close(&self) {
        self.pool.close().await;
    }

    pub(in crate::store) async fn devices(&self) -> Result<Vec<Device>, StoreError> {
        let rows =
            sqlx::query("SELECT id, kind, status, speaks_for, acknowledge, note FROM device ORDER BY id")
                .fetch_all(&self.pool)
                .await
                .map_err(failure)?;
        rows.iter().map(device).collect()
    }

    pub(in crate::store) async fn device(&self, id: &DeviceId) -> Result<Option<Device>, StoreError> {
        let row =
            sqlx::query("SELECT id, kind, status, speaks_for, acknowledge, note FROM device WHERE id = ?")
                .bind(id.as_str())
                .fetch_optional(&self.pool)
                .await
                .map_err(failure)?;
        row.as_ref().map(device).transpose()
    }

    pub(in crate::store) async fn seen_identities(
        &self,
        device: &DeviceId,
    ) -> Result<Vec<SeenIdentity>, StoreError> {
        let rows = sqlx::query(
            "SELECT identity, messages, first_at, last_at FROM seen_identity WHERE device = ? ORDER BY identity",
        )
        .bind(device.as_str())
        .fetch_all(&self.pool)
        .await
        .map_err(failure)?;
        rows.iter().map(seen_identity).collect()
    }

    pub(in crate::store) async fn device_revision(&self) -> Result<u64, StoreError> {
        let value: i64 = sqlx::query_scalar("SELECT value FROM device_revision")
            .fetch_one(&self.pool)
            .await
            .map_err(failure)?;
        u64::try_from(value).map_err(|_| StoreError::unreadable("device_revision.value"))
    }

    pub(in crate::store) async fn messages(
        &self,
        filter: &MessageFilter,
    ) -> Result<Vec<MessageSummary>, StoreError> {
        let mut query = QueryBuilder::<Sqlite>::new(SELECT_SUMMARY);
        query.push(" FROM message WHERE TRUE");
        if let Some(device) = &filter.device {
            query.push(" AND device = ").push_bind(device.as_str());
        }
        if let Some(kind) = &filter.kind {
            query.push(" AND ").push_bind(kind.as_str());
            query.push(" COLLATE NOCASE IN (pcd_transaction, message_type)");
        }
        if let Some(since) = filter.since {
            // The identifiers are in the order of arrival, so that the index can stop there.
            query.push(" AND received_at >= ").push_bind(since.as_microsecond());
            query.push(" AND id >= ").push_bind(first_id(since));
        }
        if filter.rejected {
            query.push(" AND rejection IS NOT NULL");
        }
        if let Some(before) = filter.before {
            query.push(" AND id < ").push_bind(before.as_bytes().to_vec());
        }
        query.push(" ORDER BY id DESC LIMIT ").push_bind(i64::from(filter.limit));
        let rows = query.build().fetch_all(&self.pool).await.map_err(failure)?;
        rows.iter().map(summary).collect()
    }

    pub(in crate::store) async fn message(&self, id: MessageId) -> Result<Option<StoredMessage>, StoreError> {
        let mut query = QueryBuilder::<Sqlite>::new(SELECT_SUMMARY);
        query.push(", session, fingerprint, peer, identities, acknowledgement, raw FROM message WHERE id = ");
        query.push_bind(id.as_bytes().to_vec());
        let row = query.build().fetch_optional(&self.pool).await.map_err(failure)?;
        row.as_ref().map(stored_message).transpose()
    }

    pub(in crate::store) async fn audit_rows(
        &self,
        filter: &AuditFilter,
    ) -> Result<Vec<AuditRow>, StoreError> {
        let mut query = QueryBuilder::<Sqlite>::new(
            "SELECT sequence, node, number, hash, at, event, details FROM audit WHERE TRUE",
        );
        if let Some(event) = &filter.event {
            query.push(" AND event = ").push_bind(event.as_str());
        }
        if let Some(since) = filter.since {
            query.push(" AND at >= ").push_bind(since.as_microsecond());
        }
        let direction = match filter.page {
            Page::Latest => "DESC",
            Page::Before(sequence) => {
                query.push(" AND sequence < ").push_bind(i64::try_from(sequence).unwrap_or(i64::MAX));
                "DESC"
            }
            Page::After(sequence) => {
                query.push(" AND sequence > ").push_bind(i64::try_from(sequence).unwrap_or(i64::MAX));
                "ASC"
            }
        };
        query.push(" ORDER BY sequence ").push(direction);
        query.push(" LIMIT ").push_bind(i64::from(filter.limit));
        let rows = query.build().fetch_all(&self.pool).await.map_err(failure)?;
        rows.iter().map(audit_row).collect()
    }

    /// The nodes that have a chain, or had one.
    pub(in crate::store) async fn audit_nodes(&self) -> Result<Vec<NodeName>, StoreError> {
        let names: Vec<String> =
            sqlx::query_scalar(SELECT_AUDIT_NODES).fetch_all(&self.pool).await.map_err(failure)?;
        names.iter().map(|name| name.parse().map_err(|_| StoreError::unreadable("audit.node"))).collect()
    }

    /// Where the chain of a node ends, as it was noted when its last row was written.
    pub(in crate::store) async fn audit_end(&self, node: &NodeName) -> Result<Link, StoreError> {
        audit_end(&self.pool, node).await
    }

    /// The rows of a chain behind the row of number `after`, in their order.
    pub(in crate::store) async fn audit_chain(
        &self,
        node: &NodeName,
        after: Option<i64>,
        limit: u32,
    ) -> Result<Vec<ChainRow>, StoreError> {
        let rows = sqlx::query(SELECT_AUDIT_CHAIN)
            .bind(node.as_str())
            .bind(after.unwrap_or(i64::MIN))
            .bind(i64::from(limit))
            .fetch_all(&self.pool)
            .await
            .map_err(failure)?;
        rows.iter().map(chain_row).collect()
    }
}

pub(super) async fn audit_end(
    executor: impl SqliteExecutor<'_>,
    node: &NodeName,
) -> Result<Link, StoreError> {
    let row = sqlx::query("SELECT number, hash FROM audit_end WHERE node = ?")
        .bind(node.as_str())
        .fetch_optional(executor)
        .await
        .map_err(failure)?;
    let Some(row) = row else { return Ok(Link::START) };
    let number: i64 = row.try_get("number").map_err(failure)?;
    let hash: Vec<u8> = row.try_get("hash").map_err(failure)?;
    Ok(Link {
        number: u64::try_from(number).map_err(|_| StoreError::unreadable("audit_end.number"))?,
        hash: RowHash::from_bytes(&hash).ok_or(StoreError::unreadable("audit_end.hash"))?,
    })
}

/// A number as the database has it; no store lives to see the end of them.
pub(super) fn stored_number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn chain_row(row: &SqliteRow) -> Result<ChainRow, StoreError> {
    Ok(ChainRow {
        sequence: row.try_get(0).map_err(failure)?,
        number: row.try_get(1).map_err(failure)?,
        at: row.try_get(2).map_err(failure)?,
        event: row.try_get(3).map_err(failure)?,
        details: row.try_get(4).map_err(failure)?,
        hash: row.try_get(5).map_err(failure)?,
    })
}

/// The column `id` of a message.
pub(super) fn message_id(row: &SqliteRow) -> Result<MessageId, StoreError> {
    let bytes: Vec<u8> = row.try_get("id").map_err(failure)?;
    let bytes = bytes.try_into().map_err(|_| StoreError::unreadable("message.id"))?;
    Ok(MessageId::from_bytes(bytes))
}

fn device(row: &SqliteRow) -> Result<Device, StoreError> {
    let kind: String = row.try_get("kind").map_err(failure)?;
    let status: String = row.try_get("status").map_err(failure)?;
    let speaks_for: Vec<String> = list(row, "speaks_for", "device.speaks_for")?;
    Ok(Device {
        id: parsed(row, "id", "device.id")?,
        kind: device_kind(&kind).ok_or(StoreError::unreadable("device.kind"))?,
        status: device_status(&status).ok_or(StoreError::unreadable("device.status"))?,
        speaks_for: speaks_for
            .iter()
            .map(|pattern| {
                IdentityPattern::from_stored(pattern).map_err(|_| StoreError::unreadable("device.speaks_for"))
            })
            .collect::<Result<_, _>>()?,
        acknowledge: parsed(row, "acknowledge", "device.acknowledge")?,
        note: row.try_get("note").map_err(failure)?,
    })
}

fn seen_identity(row: &SqliteRow) -> Result<SeenIdentity, StoreError> {
    let messages: i64 = row.try_get("messages").map_err(failure)?;
    Ok(SeenIdentity {
        identity: row.try_get("identity").map_err(failure)?,
        messages: u64::try_from(messages).map_err(|_| StoreError::unreadable("seen_identity.messages"))?,
        first: timestamp(row.try_get("first_at").map_err(failure)?, "seen_identity.first_at")?,
        last: timestamp(row.try_get("last_at").map_err(failure)?, "seen_identity.last_at")?,
    })
}

fn summary(row: &SqliteRow) -> Result<MessageSummary, StoreError> {
    let rejection: Option<String> = row.try_get("rejection").map_err(failure)?;
    let event_time: Option<i64> = row.try_get("event_time").map_err(failure)?;
    let size: i64 = row.try_get("size").map_err(failure)?;
    Ok(MessageSummary {
        id: message_id(row)?,
        received_at: timestamp(row.try_get("received_at").map_err(failure)?, "message.received_at")?,
        event_time: event_time.map(|time| timestamp(time, "message.event_time")).transpose()?,
        device: parsed(row, "device", "message.device")?,
        transaction: row.try_get("pcd_transaction").map_err(failure)?,
        message_type: row.try_get("message_type").map_err(failure)?,
        control_id: row.try_get("control_id").map_err(failure)?,
        sending_application: row.try_get("sending_application").map_err(failure)?,
        verdict: rejection.map_or(Verdict::Accepted, |code| Verdict::Rejected { code }),
        warnings: list(row, "warnings", "message.warnings")?,
        size: u64::try_from(size).map_err(|_| StoreError::unreadable("message.raw"))?,
    })
}

fn stored_message(row: &SqliteRow) -> Result<StoredMessage, StoreError> {
    Ok(StoredMessage {
        summary: summary(row)?,
        session: row.try_get("session").map_err(failure)?,
        fingerprint: row.try_get("fingerprint").map_err(failure)?,
        peer: parsed(row, "peer", "message.peer")?,
        identities: list(row, "identities", "message.identities")?,
        raw: Bytes::from(row.try_get::<Vec<u8>, _>("raw").map_err(failure)?),
        acknowledgement: Bytes::from(row.try_get::<Vec<u8>, _>("acknowledgement").map_err(failure)?),
    })
}

fn audit_row(row: &SqliteRow) -> Result<AuditRow, StoreError> {
    let sequence: i64 = row.try_get("sequence").map_err(failure)?;
    let number: i64 = row.try_get("number").map_err(failure)?;
    let hash: Vec<u8> = row.try_get("hash").map_err(failure)?;
    Ok(AuditRow {
        sequence: u64::try_from(sequence).map_err(|_| StoreError::unreadable("audit.sequence"))?,
        node: parsed(row, "node", "audit.node")?,
        number: u64::try_from(number).map_err(|_| StoreError::unreadable("audit.number"))?,
        hash: RowHash::from_bytes(&hash).ok_or(StoreError::unreadable("audit.hash"))?,
        at: timestamp(row.try_get("at").map_err(failure)?, "audit.at")?,
        event: row.try_get("event").map_err(failure)?,
        details: row.try_get("details").map_err(failure)?,
    })
}

fn timestamp(microseconds: i64, place: &'static str) -> Result<Timestamp, StoreError> {
    Timestamp::from_microsecond(microseconds).map_err(|_| StoreError::unreadable(place))
}

fn parsed<T: FromStr>(row: &SqliteRow, column: &str, place: &'static str) -> Result<T, StoreError> {
    let text: String = row.try_get(column).map_err(failure)?;
    text.parse().map_err(|_| StoreError::unreadable(place))
}

fn list(row: &SqliteRow, column: &str, place: &'static str) -> Result<Vec<String>, StoreError> {
    let text: String = row.try_get(column).map_err(failure)?;
    serde_json::from_str(&text).map_err(|_| StoreError::unreadable(place))
}

/// The lowest identifier that a message of that time can have: the first 48 bits of a UUID of version 7 are
/// milliseconds (RFC 9562 5.7).
fn first_id(since: Timestamp) -> Vec<u8> {
    let milliseconds = u64::try_from(since.as_millisecond()).unwrap_or(0);
    (u128::from(milliseconds) << 80).to_be_bytes().to_vec()
}

/// How many listings can run at once.
const READERS: u32 = 4;

const SELECT_AUDIT_NODES: &str =
    "SELECT node FROM audit_end UNION SELECT DISTINCT node FROM audit ORDER BY node";

const SELECT_AUDIT_CHAIN: &str = "
SELECT sequence, number, at, event, details, hash FROM audit
WHERE node = ? AND number > ? ORDER BY number, sequence LIMIT ?";

/// Ends where further columns may follow.
const SELECT_SUMMARY: &str = "
SELECT id, received_at, event_time, device, pcd_transaction, message_type, control_id, sending_application, rejection,
    warnings, length(raw) AS size";
