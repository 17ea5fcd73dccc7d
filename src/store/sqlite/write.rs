//! The writing side: the one connection that writes.

use std::collections::HashMap;

use jiff::Timestamp;
use sqlx::sqlite::{Sqlite, SqliteConnection};
use sqlx::{AssertSqlSafe, Connection as _};

use super::{Location, failure};
use crate::audit::Link;
use crate::model::NodeName;
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
            let behind = if last { UPSERT_AUDIT_END } else { "" };
            let sql = of_rows(INSERT_AUDIT, "(?, ?, ?, ?, ?, ?)", group.len(), behind);
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

/// Every statement is a trip to the connection's thread and back, and every row that it returns another one; so rows
/// travel in groups. Few sizes, so that their statements stay prepared.
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

/// A statement about so many rows: what stands before them, one of them, and what stands behind.
fn of_rows(before: &str, row: &str, rows: usize, behind: &str) -> String {
    let mut sql = String::with_capacity(before.len() + (row.len() + 1) * rows + behind.len());
    sql.push_str(before);
    for n in 0..rows {
        sql.push_str(if n == 0 { "" } else { "," });
        sql.push_str(row);
    }
    sql.push_str(behind);
    sql
}

/// A message on its way into its table.
struct NewRow<'a> {
    message: &'a Incoming<'a>,
    /// Its control id was used for other bytes.
    reused: bool,
}

/// What makes a message another message: the certificate, MSH-3 and MSH-10.
type Key<'a> = (&'a str, &'a str, &'a str);

fn key<'a>(message: &'a Incoming<'_>) -> Key<'a> {
    let record = message.record;
    (record.device.as_str(), &record.sending_application, &record.control_id)
}

/// Stores those that are no resends. Nobody else writes meanwhile, so what was asked first is true until the end.
async fn insert(
    connection: &mut SqliteConnection,
    messages: &[Incoming<'_>],
) -> Result<Vec<Written>, StoreError> {
    let known = known(connection, messages).await?;
    // Those before it in the same group count as well.
    let mut here: HashMap<Key<'_>, Vec<&Incoming<'_>>> = HashMap::new();
    let (mut rows, mut outcomes) = (Vec::new(), Vec::with_capacity(messages.len()));
    for (message, known) in messages.iter().zip(known) {
        let earlier = here.entry(key(message)).or_default();
        let accepted = message.record.verdict.rejection().is_none();
        let resend = match known.same {
            Some(same) => Some(same),
            None => earlier.iter().find(|other| other.digest == message.digest).map(|other| {
                Written::Before { of: other.record.id, acknowledgement: other.record.acknowledgement.clone() }
            }),
        };
        if let Some(resend) = resend.filter(|_| accepted) {
            outcomes.push(resend);
            continue;
        }
        let reused = known.reused || earlier.iter().any(|other| other.digest != message.digest);
        if accepted {
            earlier.push(message);
        }
        rows.push(NewRow { message, reused });
        outcomes.push(Written::Anew);
    }
    for group in groups(&rows) {
        insert_rows(connection, group).await?;
    }
    Ok(outcomes)
}

/// What the store knows of the control id of a message.
#[derive(Clone, Default)]
struct Known {
    /// The same bytes were accepted under it.
    same: Option<Written>,
    /// Other bytes were.
    reused: bool,
}

/// What is known of each.
async fn known(
    connection: &mut SqliteConnection,
    messages: &[Incoming<'_>],
) -> Result<Vec<Known>, StoreError> {
    let mut known = vec![Known::default(); messages.len()];
    let sql = of_rows(
        "WITH asked (place, device, sending_application, control_id, digest) AS (VALUES ",
        "(?, ?, ?, ?, ?)",
        messages.len(),
        SELECT_KNOWN,
    );
    let mut query = sqlx::query(AssertSqlSafe(sql));
    for (place, message) in messages.iter().enumerate() {
        let (device, sending_application, control_id) = key(message);
        query = query
            .bind(i64::try_from(place).unwrap_or(i64::MAX))
            .bind(device)
            .bind(sending_application)
            .bind(control_id)
            .bind(message.digest.as_bytes().as_slice());
    }
    // Usually none.
    for row in query.fetch_all(connection).await.map_err(failure)?.into_iter().map(Row::Sqlite) {
        let place = usize::try_from(row.count("place", "message")?).unwrap_or(usize::MAX);
        let known = known.get_mut(place).ok_or(StoreError::unreadable("message"))?;
        known.reused = row.get::<i64>("reused")? != 0;
        if let Some(acknowledgement) = row.get::<Option<Vec<u8>>>("acknowledgement")? {
            known.same =
                Some(Written::Before { of: message_id(&row)?, acknowledgement: acknowledgement.into() });
        }
    }
    Ok(known)
}

async fn insert_rows(connection: &mut SqliteConnection, rows: &[NewRow<'_>]) -> Result<(), StoreError> {
    let sql =
        of_rows(INSERT_MESSAGE, "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows.len(), "");
    let mut query = sqlx::query(AssertSqlSafe(sql));
    for NewRow { message: Incoming { record, content, digest, .. }, reused } in rows {
        let mut warnings = record.warnings.clone();
        warnings.extend(reused.then(|| CONTROL_ID_REUSED.to_owned()));
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
            .bind(json(&warnings))
            .bind(json(&record.identities))
            .bind(content.size)
            .bind(record.acknowledgement.as_ref())
            .bind(content.bytes.as_ref());
    }
    query.execute(connection).await.map_err(failure)?;
    Ok(())
}

/// A number as the database has it; no store lives to see the end of them.
fn stored_number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// How many rows travel at once.
const GROUP_SIZES: [usize; 4] = [64, 16, 4, 1];

/// Says only what is known. `asked` is on the left, so that each is looked up in the index.
const SELECT_KNOWN: &str = ")
SELECT asked.place, same.id, same.acknowledgement, EXISTS (
    SELECT 1 FROM message AS other
    WHERE other.device = asked.device AND other.sending_application = asked.sending_application
        AND other.control_id = asked.control_id AND other.digest <> asked.digest AND other.rejection IS NULL
) AS reused
FROM asked LEFT JOIN message AS same
    ON same.device = asked.device AND same.sending_application = asked.sending_application
        AND same.control_id = asked.control_id AND same.digest = asked.digest AND same.rejection IS NULL
WHERE reused OR same.id IS NOT NULL";

/// Takes the write lock now: a transaction that reads first could not get it later if another process wrote meanwhile.
const BEGIN: &str = "BEGIN IMMEDIATE; SELECT number, hash FROM audit_end WHERE node = ?";

const INSERT_MESSAGE: &str = "
INSERT INTO message (
    id, received_at, event_time, device, session, fingerprint, peer, pcd_transaction, message_type, control_id,
    sending_application, digest, rejection, warnings, identities, raw_size, acknowledgement, raw
) VALUES ";

const INSERT_AUDIT: &str = "INSERT INTO audit (node, number, at, event, details, hash) VALUES ";

const UPSERT_AUDIT_END: &str = "; INSERT INTO audit_end (node, number, hash) VALUES (?, ?, ?)
ON CONFLICT (node) DO UPDATE SET number = excluded.number, hash = excluded.hash;";
