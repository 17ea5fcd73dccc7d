//! The writing side: the one connection that writes.

use std::collections::HashSet;

use jiff::Timestamp;
use sqlx::sqlite::{Sqlite, SqliteConnection};
use sqlx::{AssertSqlSafe, Connection as _};

use super::{Location, failure};
use crate::audit::Link;
use crate::model::{MessageId, NodeName};
use crate::store::StoreError;
use crate::store::batch::{self, ChainedEvent, Connection, json};
use crate::store::message::CONTROL_ID_REUSED;
use crate::store::read::{audit_end, message_id};
use crate::store::statement::{Row, Statement};
use crate::store::writer::{Backend, Entry, Incoming, Written};

/// The one connection that writes.
pub(in crate::store) struct Writer {
    location: Location,
    /// Whose audit chain is written.
    node: NodeName,
    /// None after a failure that may have left the connection in any state.
    connection: Option<SqliteConnection>,
}

impl Writer {
    pub(super) const fn new(location: Location, node: NodeName, connection: SqliteConnection) -> Self {
        Self { location, node, connection: Some(connection) }
    }
}

impl Backend for Writer {
    async fn commit(&mut self, entries: &[Entry]) -> Result<Vec<Result<Written, StoreError>>, StoreError> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.location.connect().await?,
        };
        match batch::write(&mut connection, &self.node, entries).await {
            Ok(outcomes) => {
                self.connection = Some(connection);
                Ok(outcomes)
            }
            Err(undone) => {
                // SQLite ends a transaction by itself on some errors and not on others; a new connection knows where it
                // is.
                let _ = connection.close_hard().await;
                Err(undone.error)
            }
        }
    }

    async fn close(self) {
        if let Some(connection) = self.connection {
            let _ = connection.close().await;
        }
    }
}

impl Connection for SqliteConnection {
    async fn begin(&mut self, node: &NodeName) -> Result<Link, StoreError> {
        let rows = sqlx::query(BEGIN).bind(node.as_str()).fetch_all(self).await.map_err(failure)?;
        audit_end(&rows.into_iter().map(Row::Sqlite).collect::<Vec<_>>())
    }

    async fn run(&mut self, sql: &'static str) -> Result<(), StoreError> {
        sqlx::query(sql).execute(self).await.map_err(failure)?;
        Ok(())
    }

    async fn execute(&mut self, statement: Statement) -> Result<u64, StoreError> {
        let done = statement.query::<Sqlite>().execute(self).await.map_err(failure)?;
        Ok(done.rows_affected())
    }

    async fn insert_messages(&mut self, messages: &[Incoming<'_>]) -> Result<Vec<Written>, StoreError> {
        let mut outcomes = Vec::with_capacity(messages.len());
        for group in groups(messages) {
            outcomes.extend(insert(self, group).await?);
        }
        Ok(outcomes)
    }

    async fn append_audit(
        &mut self,
        node: &NodeName,
        rows: &[ChainedEvent],
        end: &Link,
    ) -> Result<(), StoreError> {
        let groups = groups(rows);
        for (n, group) in groups.iter().enumerate() {
            let last = n + 1 == groups.len();
            let sql = INSERT_AUDIT.repeat(group.len()) + if last { UPSERT_AUDIT_END } else { "" };
            let mut query = sqlx::query(AssertSqlSafe(sql));
            for row in *group {
                query = query
                    .bind(node.as_str())
                    .bind(stored_number(row.link.number))
                    .bind(row.at.as_microsecond())
                    .bind(row.event)
                    .bind(&row.details)
                    .bind(row.link.hash.as_bytes().as_slice());
            }
            if last {
                query = query
                    .bind(node.as_str())
                    .bind(stored_number(end.number))
                    .bind(end.hash.as_bytes().as_slice());
            }
            query.execute(&mut *self).await.map_err(failure)?;
        }
        Ok(())
    }
}

/// Every statement is a trip to the connection's thread and back, so rows travel in groups: measured in turns with single
/// rows, 64 senders got through 1.4 to 3.3 times as much. Few sizes, so that their statements stay prepared.
fn groups<T>(mut items: &[T]) -> Vec<&[T]> {
    let mut groups = Vec::new();
    for size in GROUP_SIZES {
        while let Some((group, rest)) = items.split_at_checked(size) {
            groups.push(group);
            items = rest;
        }
    }
    groups
}

async fn insert(
    connection: &mut SqliteConnection,
    messages: &[Incoming<'_>],
) -> Result<Vec<Written>, StoreError> {
    let mut query = sqlx::query(AssertSqlSafe(INSERT_MESSAGE.repeat(messages.len())));
    for Incoming { record, digest, .. } in messages {
        let mut warnings = record.warnings.clone();
        let as_given = json(&warnings);
        warnings.push(CONTROL_ID_REUSED.to_owned());
        query = query
            .bind(record.id.as_bytes().as_slice())
            .bind(record.received_at.as_microsecond())
            .bind(record.event_time.map(Timestamp::as_microsecond))
            .bind(record.device.as_str())
            .bind(record.session.to_string())
            .bind(record.fingerprint.to_string())
            .bind(record.peer.to_string())
            .bind(record.transaction.as_deref())
            .bind(&record.message_type)
            .bind(&record.control_id)
            .bind(&record.sending_application)
            .bind(digest.as_bytes().as_slice())
            .bind(record.verdict.rejection())
            .bind(record.device.as_str())
            .bind(&record.sending_application)
            .bind(&record.control_id)
            .bind(digest.as_bytes().as_slice())
            .bind(json(&warnings))
            .bind(as_given)
            .bind(json(&record.identities))
            .bind(record.acknowledgement.as_ref())
            .bind(record.raw.as_ref());
    }
    let inserted = query.fetch_all(&mut *connection).await.map_err(failure)?;
    let inserted: HashSet<MessageId> =
        inserted.into_iter().map(|row| message_id(&Row::Sqlite(row))).collect::<Result<_, _>>()?;
    let mut outcomes = Vec::with_capacity(messages.len());
    for message in messages {
        let new = inserted.contains(&message.record.id);
        outcomes.push(if new { Written::Anew } else { resend(connection, message).await? });
    }
    Ok(outcomes)
}

async fn resend(
    connection: &mut SqliteConnection,
    Incoming { record, digest, .. }: &Incoming<'_>,
) -> Result<Written, StoreError> {
    let row = sqlx::query(SELECT_RESEND)
        .bind(record.device.as_str())
        .bind(&record.sending_application)
        .bind(&record.control_id)
        .bind(digest.as_bytes().as_slice())
        .fetch_one(connection)
        .await
        .map(Row::Sqlite)
        .map_err(failure)?;
    Ok(Written::Before {
        of: message_id(&row)?,
        acknowledgement: row.get::<Vec<u8>>("acknowledgement")?.into(),
    })
}

/// A number as the database has it; no store lives to see the end of them.
fn stored_number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// How many rows travel at once.
const GROUP_SIZES: [usize; 3] = [16, 4, 1];

/// Takes the write lock now: a transaction that reads first could not get it later if another process wrote meanwhile.
const BEGIN: &str = "BEGIN IMMEDIATE; SELECT number, hash FROM audit_end WHERE node = ?";

/// Returns the identifier, unless the message is a resend.
const INSERT_MESSAGE: &str = "
INSERT INTO message (
    id, received_at, event_time, device, session, fingerprint, peer, pcd_transaction, message_type, control_id,
    sending_application, digest, rejection, warnings, identities, acknowledgement, raw
) VALUES (
    ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,
    CASE WHEN EXISTS (
        SELECT 1 FROM message
        WHERE device = ? AND sending_application = ? AND control_id = ? AND digest <> ? AND rejection IS NULL
    ) THEN ? ELSE ? END,
    ?, ?, ?
)
ON CONFLICT (device, sending_application, control_id, digest) WHERE rejection IS NULL DO NOTHING
RETURNING id;";

const INSERT_AUDIT: &str =
    "INSERT INTO audit (node, number, at, event, details, hash) VALUES (?, ?, ?, ?, ?, ?);";

const UPSERT_AUDIT_END: &str = "INSERT INTO audit_end (node, number, hash) VALUES (?, ?, ?)
ON CONFLICT (node) DO UPDATE SET number = excluded.number, hash = excluded.hash;";

const SELECT_RESEND: &str = "
SELECT id, acknowledgement FROM message
WHERE device = ? AND sending_application = ? AND control_id = ? AND digest = ? AND rejection IS NULL";
