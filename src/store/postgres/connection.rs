//! The connection that writes, statement by statement.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use sqlx::postgres::{PgConnection, PgRow, Postgres};
use sqlx::{AssertSqlSafe, Row as _};

use super::durability::{risks_from, set_level, unaccepted_risks};
use super::failure::{classify, is_lock_timeout};
use super::rows::{
    NewRow, bind_events, bind_keys, bind_rows, insert_messages, is_holder, sorted_by_key, stored_number,
};
use crate::audit::{ChainHead, ChainRow, Event};
use crate::model::{Fingerprint, MessageId, NodeName, SearchKey};
use crate::store::error::StoreError;
use crate::store::row::{Row, audit_end, message_id, time_from_server};
use crate::store::statement::Statement;
use crate::store::write::chain::ChainedEvent;
use crate::store::write::connection::Connection;
use crate::store::write::incoming::{IncomingMessage, Insertion, StoredCopy};

impl Connection for PgConnection {
    async fn begin(&mut self, node: &NodeName) -> Result<ChainHead, StoreError> {
        let mut rows = lock(self, node, &format!("BEGIN; {PREPARE}")).await?;
        if rows.is_empty() {
            return Err(StoreError::unreadable("the settings of the server"));
        }
        let risks = risks_from(rows.remove(0).get("risks")?);
        if !risks.is_empty() {
            self.run("ROLLBACK").await?;
            return Err(StoreError::Risky(risks.into()));
        }
        if holder_of(&rows)?.is_none() {
            // The first transaction of the chain makes the row that all others lock. Another process may be
            // making it now.
            let insert = format!(
                "INSERT INTO audit_end (node, number, hash) VALUES ('{node}', 0, pg_catalog.decode(pg_catalog.repeat('00', 32), 'hex'))
                 ON CONFLICT (node) DO NOTHING"
            );
            rows = lock(self, node, &insert).await?;
        }
        if holder_of(&rows)? == Some(false) {
            self.run("ROLLBACK").await?;
            return Err(StoreError::InstanceLost(None));
        }
        rows.retain(|row| matches!(row.get::<Option<bool>>("is_holder"), Ok(None)));
        audit_end(&rows)
    }

    async fn exclude_other_nodes(&mut self) -> Result<(), StoreError> {
        match sqlx::raw_sql(EXCLUDE_OTHER_NODES).execute(self).await {
            Ok(_) => Ok(()),
            Err(error) if is_lock_timeout(&error) => Err(StoreError::Contended),
            Err(error) => Err(classify(error)),
        }
    }

    async fn now(&mut self, at: Timestamp) -> Result<Timestamp, StoreError> {
        let row =
            sqlx::query(SELECT_NOW).bind(at.as_microsecond()).fetch_one(self).await.map_err(classify)?;
        time_from_server(&row, "now")
    }

    async fn run(&mut self, sql: &'static str) -> Result<(), StoreError> {
        // A trigger of this transaction may have changed the level: the commit gets its own.
        let sql = if sql == "COMMIT" { COMMIT } else { sql };
        sqlx::raw_sql(sql).execute(self).await.map_err(classify)?;
        Ok(())
    }

    const HAS_ONE_NODE: bool = false;

    const LOCK_KEY: &'static str = " FOR KEY SHARE";
    const LOCK_ROWS: &'static str = " FOR SHARE";

    async fn identifiers(&mut self, statement: Statement) -> Result<Vec<MessageId>, StoreError> {
        let rows = statement.query::<Postgres>().fetch_all(self).await.map_err(classify)?;
        let mut found: Vec<_> =
            rows.into_iter().map(|row| message_id(&Row::Postgres(row))).collect::<Result<_, _>>()?;
        found.sort_unstable();
        Ok(found)
    }

    async fn execute(&mut self, statement: Statement) -> Result<u64, StoreError> {
        let done = statement.query::<Postgres>().execute(self).await.map_err(classify)?;
        Ok(done.rows_affected())
    }

    async fn run_deferred(&mut self) -> Result<(), StoreError> {
        self.run("SET CONSTRAINTS ALL IMMEDIATE").await
    }

    async fn count(&mut self, statement: Statement) -> Result<u64, StoreError> {
        let rows = statement.query::<Postgres>().fetch_all(self).await.map_err(classify)?;
        Ok(rows.len() as u64)
    }

    async fn trail_rows(&mut self, statement: Statement) -> Result<Vec<ChainRow>, StoreError> {
        let rows = statement.query::<Postgres>().fetch_all(self).await.map_err(classify)?;
        let row = |row: &PgRow| {
            Ok(ChainRow {
                sequence: row.try_get("sequence")?,
                number: row.try_get("number")?,
                at: row.try_get("at")?,
                event: row.try_get("event")?,
                details: row.try_get("details")?,
                hash: row.try_get("hash")?,
            })
        };
        rows.iter().map(row).collect::<Result<_, _>>().map_err(classify)
    }

    /// Looked up, because a statement that the server denies is an error in its log.
    async fn may_remove_messages(&mut self) -> Result<bool, StoreError> {
        Ok(self.count(Statement::new(SELECT_REMOVING)).await? > 0)
    }

    async fn insert_messages(
        &mut self,
        messages: &[IncomingMessage<'_>],
    ) -> Result<Vec<Insertion>, StoreError> {
        let rows = sorted_by_key(messages);
        let inserted = insert(self, &rows).await?;
        let mut before = HashMap::new();
        if inserted.len() < rows.len() {
            let others: Vec<_> = rows.iter().filter(|row| !inserted.contains(&row.id())).collect();
            before = resends(self, &others).await?;
        }
        let mut outcomes = vec![None; messages.len()];
        for row in &rows {
            let outcome = if inserted.contains(&row.id()) {
                Insertion::Inserted
            } else {
                let key =
                    (row.message.record.device.as_str().to_owned(), row.correlation, *row.message.digest);
                let is_accepted = row.message.record.verdict.rejection().is_none();
                // Neither stored now nor before: a trigger or a rule has dropped it.
                let copy = before.get(&key).filter(|_| is_accepted).cloned();
                Insertion::Copy(copy.ok_or(StoreError::Dropped("message"))?)
            };
            if let Some(place) = outcomes.get_mut(row.place) {
                *place = Some(outcome);
            }
        }
        outcomes.into_iter().collect::<Option<_>>().ok_or(StoreError::unreadable("message"))
    }

    async fn insert_keys(&mut self, rows: &[(SearchKey, MessageId)]) -> Result<(), StoreError> {
        let insert = bind_keys(sqlx::query(INSERT_KEYS), rows);
        insert.execute(self).await.map(drop).map_err(classify)
    }

    async fn append_audit(
        &mut self,
        node: &NodeName,
        rows: &[ChainedEvent],
        end: &ChainHead,
    ) -> Result<(), StoreError> {
        let append = bind_events(sqlx::query(APPEND_AUDIT), rows).bind(node.as_str());
        let appended = append.execute(&mut *self).await.map_err(classify)?.rows_affected();
        if usize::try_from(appended).ok() != Some(rows.len()) {
            return Err(StoreError::Dropped("audit"));
        }
        if rows.iter().any(|row| row.event == Event::AUDIT_SIGNED) {
            let record = sqlx::query(RECORD_END).bind(node.as_str()).bind(stored_number(end.number));
            record.bind(end.hash.as_bytes().as_slice()).execute(self).await.map_err(classify)?;
        }
        Ok(())
    }

    async fn has_audit_row(&mut self, node: &NodeName, link: &ChainHead) -> Result<bool, StoreError> {
        let look = sqlx::query(SELECT_LINK).bind(node.as_str()).bind(stored_number(link.number));
        let found =
            look.bind(link.hash.as_bytes().as_slice()).fetch_optional(self).await.map_err(classify)?;
        Ok(found.is_some())
    }
}

/// Locks the chain of `node`, after the statement `first`, and reads its last row. One round trip, which sqlx
/// makes of several statements only without parameters; a node name has no quotes.
///
/// Two statements, because a statement that waits for the lock reads with its snapshot from before the wait.
async fn lock(connection: &mut PgConnection, node: &NodeName, first: &str) -> Result<Vec<Row>, StoreError> {
    let is_holder = is_holder!();
    let sql = format!(
        "{first};
         SELECT NULL::bigint AS number, NULL::bytea AS hash, {is_holder} AS is_holder
         FROM audit_end WHERE node = '{node}' FOR UPDATE;
         SELECT number, hash, NULL::boolean AS is_holder
         FROM audit WHERE node = '{node}' ORDER BY number DESC LIMIT 1"
    );
    let rows = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(connection).await.map_err(classify)?;
    Ok(rows.into_iter().map(Row::Postgres).collect())
}

/// Whether this process may write as the node; `None` without a row to lock.
fn holder_of(rows: &[Row]) -> Result<Option<bool>, StoreError> {
    rows.first().map_or(Ok(None), |row| row.get("is_holder"))
}

/// Device, correlation and digest: equal for a message and its resend.
type Key = (String, [u8; 32], Fingerprint);

/// Inserts the messages that are not resends. Returns their identifiers.
async fn insert(
    connection: &mut PgConnection,
    rows: &[NewRow<'_>],
) -> Result<HashSet<MessageId>, StoreError> {
    let inserted =
        bind_rows(sqlx::query(INSERT_MESSAGES), rows).fetch_all(connection).await.map_err(classify)?;
    inserted.into_iter().map(|row| message_id(&Row::Postgres(row))).collect()
}

/// The messages that resends repeat: they were stored before, by any node.
async fn resends(
    connection: &mut PgConnection,
    rows: &[&NewRow<'_>],
) -> Result<HashMap<Key, StoredCopy>, StoreError> {
    let found = sqlx::query(SELECT_RESENDS)
        .bind(rows.iter().map(|row| row.message.record.device.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.correlation.as_slice()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.message.digest.as_bytes().as_slice()).collect::<Vec<_>>())
        .fetch_all(connection)
        .await
        .map_err(classify)?;
    let by_key = found.into_iter().map(Row::Postgres).map(|row| {
        let place = usize::try_from(row.count("place", "message")?).unwrap_or(usize::MAX);
        let asked = place
            .checked_sub(1)
            .and_then(|place| rows.get(place))
            .ok_or(StoreError::unreadable("message"))?;
        let key = (asked.message.record.device.as_str().to_owned(), asked.correlation, *asked.message.digest);
        let content = (row.get("raw")?, row.get("raw_size")?, row.get("acknowledgement")?);
        Ok((key, StoredCopy::new(message_id(&row)?, content, row.get("recorded_at")?)))
    });
    by_key.collect()
}

/// The lock is that of this database and schema. The row of the node in `audit_end` is locked before it, in
/// every process, and no row that is contended. Another node may have stopped while it has the lock: the
/// messages of this one do not wait until the server notices. Afterwards the timeout is that of the session.
const EXCLUDE_OTHER_NODES: &str = "SET LOCAL lock_timeout = '200ms';
SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtext('pcd-platform ' || pg_catalog.current_schema()));
SET LOCAL lock_timeout = '4s'";

const INSERT_KEYS: &str = "
INSERT INTO message_key (hash, message)
SELECT new.hash, new.message FROM unnest($1::bigint[], $2::bytea[]) AS new (hash, message)
ON CONFLICT DO NOTHING";

/// A test has its own time: that of its entries.
const SELECT_NOW: &str = "
SELECT CASE WHEN pg_catalog.current_setting('pcd.clock', true) = 'caller' THEN $1
    ELSE (extract(epoch FROM pg_catalog.clock_timestamp()) * 1000000)::bigint END AS now";

/// The search path that the session began with, which code of an earlier transaction may have changed; the
/// level of the transaction, and the risks for which it must not be committed.
const PREPARE: &str =
    concat!("RESET search_path; SELECT ", set_level!(), ", ", unaccepted_risks!(), " AS risks");

const COMMIT: &str = concat!("SELECT ", set_level!(), "; COMMIT");

/// Returns the identifiers of the inserted messages.
const INSERT_MESSAGES: &str = concat!(
    insert_messages!(),
    " ORDER BY place ON CONFLICT (device, correlation, digest) WHERE rejection IS NULL DO NOTHING RETURNING id"
);

const SELECT_RESENDS: &str = "
SELECT asked.place, message.id, pg_catalog.substr(message.raw, 1, 65536) AS raw, message.raw_size, message.acknowledgement,
    coalesce((SELECT reconsidered.at FROM reconsidered WHERE reconsidered.message = message.id), message.received_at)
        AS recorded_at
FROM unnest($1::text[], $2::bytea[], $3::bytea[]) WITH ORDINALITY AS asked (device, correlation, digest, place)
JOIN message ON message.device = asked.device AND message.correlation = asked.correlation
    AND message.digest = asked.digest AND message.rejection IS NULL";

const SELECT_REMOVING: &str = "SELECT 1 WHERE pg_catalog.has_table_privilege('message', 'DELETE')";

const APPEND_AUDIT: &str = "
INSERT INTO audit (node, number, at, event, details, hash)
SELECT $6, * FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::bytea[])
    AS new (number, at, event, details, hash)
ORDER BY number";

/// With each signature only: an updated row leaves versions that each batch would read.
const RECORD_END: &str = "UPDATE audit_end SET number = $2, hash = $3 WHERE node = $1";

const SELECT_LINK: &str = "SELECT FROM audit WHERE node = $1 AND number = $2 AND hash = $3";
