//! The writer: the one connection that writes.
//!
//! It does not use sqlx, which sends each statement to a thread and each row back. Here one thread runs a
//! whole batch ([`crate::store::write::queue::Queue::start_on_its_own_thread`]), statement by statement, and
//! waits for the disk.

use jiff::Timestamp;
use rusqlite::types::{ToSql, ToSqlOutput};
use rusqlite::{CachedStatement, Connection as Sqlite, OptionalExtension as _, Row, params};
use tokio_util::sync::CancellationToken;

use super::checkpoint::Checkpointer;
use super::database_file::DatabaseFile;
use super::failure::write_error;
use super::integrity;
use super::location::Location;
use super::rereader::Rereader;
use crate::audit::{ChainHead, ChainRow, Event, RowHash};
use crate::model::{MessageId, NodeName, SearchKey};
use crate::store::error::StoreError;
use crate::store::own_chain::OwnChain;
use crate::store::records::message::CONTROL_ID_REUSED;
use crate::store::statement::{Statement, Value, json};
use crate::store::write::batch::{self, Committed};
use crate::store::write::chain::ChainedEvent;
use crate::store::write::connection::Connection;
use crate::store::write::entry::Entry;
use crate::store::write::incoming::{IncomingMessage, Insertion, StoredCopy};
use crate::store::write::queue::Backend;
use crate::store::write::reread::ReadBack;

/// Commits batches through the one connection that writes.
pub(in crate::store) struct Writer {
    location: Location,
    /// The file that the connections write to.
    file: DatabaseFile,
    /// The audit chain that is written.
    chain: OwnChain,
    /// `None` after a failure, which may have left the connection in any state.
    connection: Option<Sqlite>,
    /// The schema in the file when this connection read it last, and after which commit of another one.
    examined: Option<(i64, Vec<integrity::Object>)>,
    checkpointer: Checkpointer,
}

impl Writer {
    pub(super) fn open(location: Location, chain: OwnChain) -> Result<Self, StoreError> {
        let connection = location.connect_to_write()?;
        let file = DatabaseFile::open(&location)?;
        let checkpointer = Checkpointer::start(location.connect_to_write()?);
        let mut writer = Self { location, file, chain, connection: None, examined: None, checkpointer };
        writer.examine(&connection)?;
        writer.location.risks().require_openable()?;
        writer.connection = Some(connection);
        Ok(writer)
    }

    fn require_own_schema(&mut self, connection: &Sqlite) -> Result<(), StoreError> {
        self.examine(connection)?;
        self.location.risks().require_accepted()
    }

    /// Examines the schema if another connection has committed since it was examined last. The number of the
    /// schema says nothing: who writes the file sets it.
    fn examine(&mut self, connection: &Sqlite) -> Result<(), StoreError> {
        let version = integrity::version(connection)?;
        if self.examined.as_ref().is_some_and(|(examined, _)| *examined == version) {
            return Ok(());
        }
        let schema = integrity::schema(connection)?;
        if self.examined.as_ref().is_none_or(|(_, examined)| *examined != schema) {
            integrity::forget_schema(connection)?;
        }
        self.location.risks().observe(integrity::risks(&schema));
        self.examined = Some((version, schema));
        Ok(())
    }

    /// Cancelled when the checkpoint thread has ended.
    pub(in crate::store) fn checkpointer_ended(&self) -> CancellationToken {
        self.checkpointer.ended()
    }
}

impl Backend for Writer {
    type Checker = ReadBack<Rereader>;

    fn checker(&self) -> Self::Checker {
        let risks = self.location.risks().clone();
        ReadBack::new(Rereader::new(self.location.clone()), self.chain.node().clone(), risks)
    }

    async fn commit(&mut self, entries: &[Entry]) -> Result<Committed, StoreError> {
        self.file.check()?;
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => {
                // The numbers of another connection say nothing about those of this one.
                self.examined = None;
                self.location.connect_to_write()?
            }
        };
        if let Err(error) = self.require_own_schema(&connection) {
            self.examined = None;
            return Err(error);
        }
        let committed = batch::write(&mut connection, &self.chain, &[], entries).await;
        let committed = committed.map_err(|failed| failed.error)?;
        // A commit to a file that was replaced meanwhile is not durable for any later process.
        self.file.check_committed()?;
        // Nor is one to a table that was changed meanwhile.
        self.require_own_schema(&connection)?;
        self.chain.committed(committed.end, &committed.rows);
        // After an error the connection is dropped: some errors roll the transaction back and others do not,
        // and a new connection has a known state.
        self.connection = Some(connection);
        self.checkpointer.committed();
        Ok(committed)
    }

    async fn close(self) {
        // Closes the connections.
        drop(self);
    }
}

/// These methods wait for the disk only.
impl Connection for Sqlite {
    async fn begin(&mut self, node: &NodeName) -> Result<ChainHead, StoreError> {
        // Take the write lock now: a transaction that reads first cannot get it later if another process has
        // written meanwhile.
        self.run("BEGIN IMMEDIATE").await?;
        let end = prepared(self, SELECT_LAST_ROW)?
            .query_row([node.as_str()], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, [u8; 32]>(1)?)))
            .optional()
            .map_err(write_error)?;
        let Some((number, hash)) = end else { return Ok(ChainHead::START) };
        let number = u64::try_from(number).map_err(|_| StoreError::unreadable("audit.number"))?;
        Ok(ChainHead { number, hash: RowHash::from(hash) })
    }

    async fn run(&mut self, sql: &'static str) -> Result<(), StoreError> {
        prepared(self, sql)?.execute([]).map(drop).map_err(write_error)
    }

    const HAS_ONE_NODE: bool = true;

    const LOCK_KEY: &'static str = "";
    const LOCK_ROWS: &'static str = "";

    async fn identifiers(&mut self, statement: Statement) -> Result<Vec<MessageId>, StoreError> {
        let mut prepared = bound(self, statement)?;
        let (mut rows, mut found) = (prepared.raw_query(), Vec::new());
        while let Some(row) = rows.next().map_err(write_error)? {
            found.push(MessageId::from_bytes(row.get(0).map_err(write_error)?));
        }
        found.sort_unstable();
        Ok(found)
    }

    async fn execute(&mut self, statement: Statement) -> Result<u64, StoreError> {
        let mut prepared = bound(self, statement)?;
        prepared.raw_execute().map(|rows| rows as u64).map_err(write_error)
    }

    async fn count(&mut self, statement: Statement) -> Result<u64, StoreError> {
        let mut prepared = bound(self, statement)?;
        let (mut rows, mut count) = (prepared.raw_query(), 0);
        while rows.next().map_err(write_error)?.is_some() {
            count += 1;
        }
        Ok(count)
    }

    async fn trail_rows(&mut self, statement: Statement) -> Result<Vec<ChainRow>, StoreError> {
        let mut prepared = bound(self, statement)?;
        let (mut rows, mut found) = (prepared.raw_query(), Vec::new());
        while let Some(row) = rows.next().map_err(write_error)? {
            found.push(trail_row(row).map_err(write_error)?);
        }
        Ok(found)
    }

    async fn insert_messages(
        &mut self,
        messages: &[IncomingMessage<'_>],
    ) -> Result<Vec<Insertion>, StoreError> {
        messages.iter().map(|message| insert(self, message)).collect()
    }

    async fn insert_keys(&mut self, rows: &[(SearchKey, MessageId)]) -> Result<(), StoreError> {
        let mut insert = prepared(self, INSERT_KEY)?;
        for (key, message) in rows {
            insert.execute(params![key.number(), message.as_bytes()]).map_err(write_error)?;
        }
        Ok(())
    }

    async fn append_audit(
        &mut self,
        node: &NodeName,
        rows: &[ChainedEvent],
        end: &ChainHead,
    ) -> Result<(), StoreError> {
        let mut insert = prepared(self, INSERT_AUDIT)?;
        for ChainedEvent { head, at, event, details } in rows {
            let number = stored_number(head.number);
            let row =
                params![node.as_str(), number, at.as_microsecond(), event, details, head.hash.as_bytes()];
            require_one(insert.execute(row).map_err(write_error)?, "audit")?;
        }
        if rows.iter().all(|row| row.event != Event::AUDIT_SIGNED) {
            return Ok(());
        }
        let end = params![node.as_str(), stored_number(end.number), end.hash.as_bytes()];
        prepared(self, RECORD_END)?.execute(end).map(drop).map_err(write_error)
    }

    async fn has_audit_row(&mut self, node: &NodeName, link: &ChainHead) -> Result<bool, StoreError> {
        let row = params![node.as_str(), stored_number(link.number), link.hash.as_bytes()];
        prepared(self, SELECT_LINK)?.exists(row).map_err(write_error)
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        match self {
            Self::Number(number) => number.to_sql(),
            Self::Text(text) => text.to_sql(),
            Self::Bytes(bytes) => bytes.to_sql(),
        }
    }
}

/// The statement from the cache of prepared statements.
fn prepared<'c>(connection: &'c Sqlite, sql: &str) -> Result<CachedStatement<'c>, StoreError> {
    connection.prepare_cached(sql).map_err(write_error)
}

/// The statement with its parameters.
fn bound(connection: &Sqlite, statement: Statement) -> Result<CachedStatement<'_>, StoreError> {
    let (sql, values) = statement.into_parts();
    let mut prepared = prepared(connection, &sql)?;
    // SQLite numbers parameters by their first use.
    for place in 1..=prepared.parameter_count() {
        let number = prepared.parameter_name(place).and_then(|name| name.get(1..)?.parse::<usize>().ok());
        let value = number.and_then(|number| values.get(number.checked_sub(1)?));
        prepared.raw_bind_parameter(place, value).map_err(write_error)?;
    }
    Ok(prepared)
}

/// Inserts a message that is not a resend. The transaction holds the write lock, so the check for a resend
/// stays valid until the insert.
fn insert(connection: &Sqlite, message: &IncomingMessage<'_>) -> Result<Insertion, StoreError> {
    let IncomingMessage { record, content, digest, .. } = message;
    let known = known(connection, message)?;
    if let Some(copy) = known.same.filter(|_| record.verdict.rejection().is_none()) {
        return Ok(Insertion::Copy(copy));
    }
    let warnings = if known.reused {
        let reused = CONTROL_ID_REUSED.to_owned();
        json(&record.warnings.iter().cloned().chain([reused]).collect::<Vec<_>>())
    } else {
        json(&record.warnings)
    };
    let row = params![
        record.id.as_bytes(),
        record.received_at.as_microsecond(),
        record.event_time.map(Timestamp::as_microsecond),
        record.device.as_str(),
        record.session.to_string(),
        record.fingerprint.to_string(),
        record.peer.to_string(),
        record.transaction,
        record.message_type,
        record.control_id,
        record.sending_application,
        digest.as_bytes(),
        record.verdict.rejection(),
        warnings,
        json(&record.identities),
        content.size,
        content.acknowledgement.as_ref(),
        content.bytes.as_ref(),
    ];
    require_one(prepared(connection, INSERT_MESSAGE)?.execute(row).map_err(write_error)?, "message")?;
    Ok(Insertion::Inserted)
}

/// A trigger can drop a row without an error.
const fn require_one(inserted: usize, table: &'static str) -> Result<(), StoreError> {
    if inserted == 1 { Ok(()) } else { Err(StoreError::Dropped(table)) }
}

/// Accepted messages with the control id of a message.
#[derive(Default)]
struct Known {
    /// A message with the same bytes.
    same: Option<StoredCopy>,
    /// A message with other bytes.
    reused: bool,
}

fn known(
    connection: &Sqlite,
    IncomingMessage { record, digest, .. }: &IncomingMessage<'_>,
) -> Result<Known, StoreError> {
    let control_id = params![record.device.as_str(), record.sending_application, record.control_id];
    // Fast path: usually the control id is new.
    if !prepared(connection, SELECT_USED)?.exists(control_id).map_err(write_error)? {
        return Ok(Known::default());
    }
    let (device, digest) = (record.device.as_str(), digest.as_bytes());
    let key = params![device, record.sending_application, record.control_id, digest];
    let same = prepared(connection, SELECT_SAME)?
        .query_row(key, |row| {
            let content = (row.get(1)?, row.get(2)?, row.get(3)?);
            Ok((MessageId::from_bytes(row.get(0)?), content, row.get(4)?))
        })
        .optional()
        .map_err(write_error)?;
    let same = same.map(|(id, content, recorded_at)| StoredCopy::new(id, content, recorded_at));
    let reused = prepared(connection, SELECT_OTHER)?.exists(key).map_err(write_error)?;
    Ok(Known { same, reused })
}

fn trail_row(row: &Row<'_>) -> rusqlite::Result<ChainRow> {
    Ok(ChainRow {
        sequence: row.get("sequence")?,
        number: row.get("number")?,
        at: row.get("at")?,
        event: row.get("event")?,
        details: row.get("details")?,
        hash: row.get("hash")?,
    })
}

/// The number as a signed column. Saturates: no store reaches the end of these numbers.
fn stored_number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

const SELECT_LAST_ROW: &str = "SELECT number, hash FROM audit WHERE node = ? ORDER BY number DESC LIMIT 1";

const SELECT_LINK: &str = "SELECT 1 FROM audit WHERE node = ? AND number = ? AND hash = ?";

const SELECT_USED: &str = "
SELECT 1 FROM message
WHERE device = ? AND sending_application = ? AND control_id = ? AND rejection IS NULL LIMIT 1";

const SELECT_SAME: &str = "
SELECT id, coalesce(substr(raw, 1, 65536), x''), raw_size, acknowledgement,
    coalesce((SELECT at FROM reconsidered WHERE reconsidered.message = message.id), received_at) FROM message
WHERE device = ? AND sending_application = ? AND control_id = ? AND digest = ? AND rejection IS NULL";

const SELECT_OTHER: &str = "
SELECT 1 FROM message
WHERE device = ? AND sending_application = ? AND control_id = ? AND digest <> ? AND rejection IS NULL LIMIT 1";

const INSERT_MESSAGE: &str = "
INSERT INTO message (
    id, received_at, event_time, device, session, fingerprint, peer, pcd_transaction, message_type, control_id,
    sending_application, digest, rejection, warnings, identities, raw_size, acknowledgement, raw
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

const INSERT_KEY: &str = "INSERT OR IGNORE INTO message_key (hash, message) VALUES (?, ?)";

const INSERT_AUDIT: &str =
    "INSERT INTO audit (node, number, at, event, details, hash) VALUES (?, ?, ?, ?, ?, ?)";

const RECORD_END: &str = "
INSERT INTO audit_end (node, number, hash) VALUES (?, ?, ?)
ON CONFLICT (node) DO UPDATE SET number = excluded.number, hash = excluded.hash";
