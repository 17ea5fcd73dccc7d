//! The writing side: the one connection of this node that writes, and its return when it is lost.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use sqlx::postgres::{PgConnection, Postgres};
use sqlx::{AssertSqlSafe, Connection as _};
use tokio_util::task::AbortOnDropHandle;

use super::failure::{is_broken, is_conflict};
use super::{Location, failure};
use crate::audit::Link;
use crate::model::{Fingerprint, MessageId, NodeName};
use crate::store::StoreError;
use crate::store::batch::{self, ChainedEvent, Connection, Undone, json};
use crate::store::message::CONTROL_ID_REUSED;
use crate::store::read::{audit_end, message_id};
use crate::store::statement::{Row, Statement};
use crate::store::writer::{Backend, Entry, Incoming, Written};

/// The one connection that writes.
pub(in crate::store) struct Writer {
    location: Location,
    /// Whose audit chain is written.
    node: NodeName,
    state: State,
}

enum State {
    Connected(PgConnection),
    /// Somebody tries to get a connection, again and again.
    Lost(Reconnecting),
}

struct Reconnecting {
    task: AbortOnDropHandle<PgConnection>,
    /// Why there is none.
    reason: Arc<Mutex<StoreError>>,
    /// How long the next batch waits for it: a server that restarts is back soon, and then nobody notices; once it has not
    /// come back, senders are told at once.
    patience: Duration,
}

impl Writer {
    pub(super) const fn new(location: Location, node: NodeName, connection: PgConnection) -> Self {
        Self { location, node, state: State::Connected(connection) }
    }

    /// Writes a batch; again, when it is certain that nothing of it was kept and it may go through now.
    async fn attempt(&mut self, entries: &[Entry]) -> Result<Vec<Result<Written, StoreError>>, StoreError> {
        let mut attempts = 1;
        loop {
            let connection = connected(&mut self.state, &self.location).await?;
            let Undone { error, committing } = match batch::write(connection, &self.node, entries).await {
                Ok(outcomes) => return Ok(outcomes),
                Err(undone) => undone,
            };
            let conflict = is_conflict(&error);
            // A connection that broke while the server was told to commit: nobody knows. The sender is told no; its
            // resend is compared with what there is.
            let again = attempts < ATTEMPTS && (conflict || (is_broken(&error) && !committing));
            attempts += 1;
            self.lose(error.clone()).await;
            if !again {
                return Err(error);
            }
        }
    }

    /// Gives the connection up, whatever state it is in, and begins to look for another.
    async fn lose(&mut self, reason: StoreError) {
        let lost = State::Lost(Reconnecting::start(&self.location, reason));
        if let State::Connected(connection) = std::mem::replace(&mut self.state, lost) {
            // A server that does not answer must not be waited for.
            let _ = tokio::time::timeout(GOODBYE, connection.close_hard()).await;
        }
    }
}

/// The connection, also one that has come back.
async fn connected<'s>(
    state: &'s mut State,
    location: &Location,
) -> Result<&'s mut PgConnection, StoreError> {
    if let State::Lost(lost) = state {
        match tokio::time::timeout(lost.patience, &mut lost.task).await {
            Ok(Ok(connection)) => *state = State::Connected(connection),
            Ok(Err(_)) => {
                // It does not panic, and nobody else ends it.
                let reason = lost.reason();
                *lost = Reconnecting::start(location, reason.clone());
                return Err(reason);
            }
            Err(_) => {
                lost.patience = Duration::ZERO;
                return Err(lost.reason());
            }
        }
    }
    match state {
        State::Connected(connection) => Ok(connection),
        State::Lost(lost) => Err(lost.reason()),
    }
}

impl Backend for Writer {
    async fn commit(&mut self, entries: &[Entry]) -> Result<Vec<Result<Written, StoreError>>, StoreError> {
        match tokio::time::timeout(COMMIT_TIMEOUT, self.attempt(entries)).await {
            Ok(outcome) => outcome,
            Err(_) => {
                let error = StoreError::Timeout(COMMIT_TIMEOUT);
                self.lose(error.clone()).await;
                Err(error)
            }
        }
    }

    async fn close(self) {
        if let State::Connected(connection) = self.state {
            let _ = tokio::time::timeout(GOODBYE, connection.close()).await;
        }
    }
}

impl Reconnecting {
    fn start(location: &Location, reason: StoreError) -> Self {
        let reason = Arc::new(Mutex::new(reason));
        let (location, latest) = (location.clone(), Arc::clone(&reason));
        let task = tokio::spawn(async move {
            let mut pause = FIRST_PAUSE;
            loop {
                match location.connect_to_write().await {
                    Ok(connection) => return connection,
                    Err(error) => *latest.lock().unwrap_or_else(PoisonError::into_inner) = error,
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        });
        Self { task: AbortOnDropHandle::new(task), reason, patience: PATIENCE }
    }

    fn reason(&self) -> StoreError {
        self.reason.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Connection for PgConnection {
    async fn begin(&mut self, node: &NodeName) -> Result<Link, StoreError> {
        // Two statements travel together only without parameters. A node's name has no quotes.
        let sql = format!("BEGIN; SELECT number, hash FROM audit_end WHERE node = '{node}' FOR UPDATE");
        let rows = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(self).await.map_err(failure)?;
        audit_end(&rows.into_iter().map(Row::Postgres).collect::<Vec<_>>())
    }

    async fn run(&mut self, sql: &'static str) -> Result<(), StoreError> {
        sqlx::raw_sql(sql).execute(self).await.map_err(failure)?;
        Ok(())
    }

    async fn execute(&mut self, statement: Statement) -> Result<u64, StoreError> {
        let done = statement.query::<Postgres>().execute(self).await.map_err(failure)?;
        Ok(done.rows_affected())
    }

    async fn insert_messages(&mut self, messages: &[Incoming<'_>]) -> Result<Vec<Written>, StoreError> {
        let rows = ordered(messages);
        let inserted = insert(self, &rows).await?;
        let mut before = HashMap::new();
        if inserted.len() < rows.len() {
            let others: Vec<_> = rows.iter().filter(|row| !inserted.contains(&row.id())).collect();
            before = resends(self, &others).await?;
        }
        let mut outcomes = vec![None; messages.len()];
        for row in &rows {
            let outcome = if inserted.contains(&row.id()) {
                Written::Anew
            } else {
                let key =
                    (row.message.record.device.as_str().to_owned(), row.correlation, *row.message.digest);
                before.get(&key).cloned().ok_or(StoreError::unreadable("message"))?
            };
            if let Some(place) = outcomes.get_mut(row.place) {
                *place = Some(outcome);
            }
        }
        outcomes.into_iter().collect::<Option<_>>().ok_or(StoreError::unreadable("message"))
    }

    async fn append_audit(
        &mut self,
        node: &NodeName,
        rows: &[ChainedEvent],
        end: &Link,
    ) -> Result<(), StoreError> {
        let numbers: Vec<i64> = rows.iter().map(|row| stored_number(row.link.number)).collect();
        let times: Vec<i64> = rows.iter().map(|row| row.at.as_microsecond()).collect();
        let events: Vec<&str> = rows.iter().map(|row| row.event).collect();
        let details: Vec<&str> = rows.iter().map(|row| row.details.as_str()).collect();
        let hashes: Vec<&[u8]> = rows.iter().map(|row| row.link.hash.as_bytes().as_slice()).collect();
        sqlx::query(APPEND_AUDIT)
            .bind(node.as_str())
            .bind(numbers)
            .bind(times)
            .bind(events)
            .bind(details)
            .bind(hashes)
            .bind(stored_number(end.number))
            .bind(end.hash.as_bytes().as_slice())
            .execute(self)
            .await
            .map_err(failure)?;
        Ok(())
    }
}

/// A message on its way into its table.
struct NewRow<'a> {
    /// Where it stood in the batch.
    place: usize,
    message: &'a Incoming<'a>,
    /// SHA-256 over MSH-3 and MSH-10.
    correlation: [u8; 32],
    /// An earlier one of the batch has the same control id for other bytes.
    reused: bool,
}

/// What makes a resend.
type Key = (String, [u8; 32], Fingerprint);

impl NewRow<'_> {
    const fn id(&self) -> MessageId {
        self.message.record.id
    }
}

/// The rows in the order of their keys: two nodes that insert the same ones then wait for each other, and do not
/// deadlock.
fn ordered<'a>(messages: &'a [Incoming<'a>]) -> Vec<NewRow<'a>> {
    let mut used: HashMap<(&str, [u8; 32]), Vec<&Fingerprint>> = HashMap::new();
    let mut rows = Vec::with_capacity(messages.len());
    for (place, message) in messages.iter().enumerate() {
        let record = message.record;
        let correlation = correlation(&record.sending_application, &record.control_id);
        let key = (record.device.as_str(), correlation);
        let reused =
            used.get(&key).is_some_and(|digests| digests.iter().any(|other| *other != message.digest));
        if record.verdict.rejection().is_none() {
            used.entry(key).or_default().push(message.digest);
        }
        rows.push(NewRow { place, message, correlation, reused });
    }
    rows.sort_by_key(|row| {
        (row.message.record.device.clone(), row.correlation, *row.message.digest, row.place)
    });
    rows
}

fn correlation(sending_application: &str, control_id: &str) -> [u8; 32] {
    let mut hash = Sha256::new();
    for text in [sending_application, control_id] {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text);
    }
    hash.finalize().into()
}

/// Inserts those that are no resends; their identifiers.
async fn insert(
    connection: &mut PgConnection,
    rows: &[NewRow<'_>],
) -> Result<HashSet<MessageId>, StoreError> {
    macro_rules! column {
        ($row:ident => $value:expr) => {
            rows.iter().map(|$row| $value).collect::<Vec<_>>()
        };
    }
    let warnings = |row: &NewRow<'_>, more: bool| {
        let mut warnings = row.message.record.warnings.clone();
        warnings.extend(more.then(|| CONTROL_ID_REUSED.to_owned()));
        json(&warnings)
    };
    let inserted = sqlx::query(INSERT_MESSAGES)
        .bind(column!(row => row.message.record.id.as_bytes().as_slice()))
        .bind(column!(row => row.message.record.received_at.as_microsecond()))
        .bind(column!(row => row.message.record.event_time.map(|time| time.as_microsecond())))
        .bind(column!(row => row.message.record.device.as_str()))
        .bind(column!(row => row.message.record.session.to_string()))
        .bind(column!(row => row.message.record.fingerprint.to_string()))
        .bind(column!(row => row.message.record.peer.to_string()))
        .bind(column!(row => row.message.record.transaction.as_deref()))
        .bind(column!(row => row.message.record.message_type.as_str()))
        .bind(column!(row => row.message.record.control_id.as_str()))
        .bind(column!(row => row.message.record.sending_application.as_str()))
        .bind(column!(row => row.correlation.as_slice()))
        .bind(column!(row => row.message.digest.as_bytes().as_slice()))
        .bind(column!(row => row.message.record.verdict.rejection()))
        .bind(column!(row => warnings(row, row.reused)))
        .bind(column!(row => warnings(row, true)))
        .bind(column!(row => json(&row.message.record.identities)))
        .bind(column!(row => row.message.record.acknowledgement.as_ref()))
        .bind(column!(row => row.message.content.bytes.as_ref()))
        .bind(column!(row => row.message.content.size.map(i64::from)))
        .fetch_all(connection)
        .await
        .map_err(failure)?;
    inserted.into_iter().map(|row| message_id(&Row::Postgres(row))).collect()
}

/// What was stored of these before, on whichever node.
async fn resends(
    connection: &mut PgConnection,
    rows: &[&NewRow<'_>],
) -> Result<HashMap<Key, Written>, StoreError> {
    let found = sqlx::query(SELECT_RESENDS)
        .bind(rows.iter().map(|row| row.message.record.device.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.correlation.as_slice()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.message.digest.as_bytes().as_slice()).collect::<Vec<_>>())
        .fetch_all(connection)
        .await
        .map_err(failure)?;
    let by_key = found.into_iter().map(Row::Postgres).map(|row| {
        let place = usize::try_from(row.count("place", "message")?).unwrap_or(usize::MAX);
        let asked = place
            .checked_sub(1)
            .and_then(|place| rows.get(place))
            .ok_or(StoreError::unreadable("message"))?;
        let key = (asked.message.record.device.as_str().to_owned(), asked.correlation, *asked.message.digest);
        let acknowledgement = row.get::<Vec<u8>>("acknowledgement")?.into();
        Ok((key, Written::Before { of: message_id(&row)?, acknowledgement }))
    });
    by_key.collect()
}

/// A number as the database has it; no store lives to see the end of them.
fn stored_number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// How often a batch is tried.
const ATTEMPTS: u32 = 4;
/// How long senders wait, with all attempts; the server gives up on each statement before.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the first batch after a loss waits for the server.
const PATIENCE: Duration = Duration::from_secs(2);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// How long an end in good order may take.
const GOODBYE: Duration = Duration::from_secs(1);

/// Returns the identifiers of what was new.
const INSERT_MESSAGES: &str = "
INSERT INTO message (
    id, received_at, event_time, device, session, fingerprint, peer, pcd_transaction, message_type, control_id,
    sending_application, correlation, digest, rejection, warnings, identities, acknowledgement, raw,
    raw_size
)
SELECT new.id, new.received_at, new.event_time, new.device, new.session, new.fingerprint, new.peer, new.pcd_transaction,
    new.message_type, new.control_id, new.sending_application, new.correlation, new.digest, new.rejection,
    CASE WHEN EXISTS (
        SELECT 1 FROM message AS old
        WHERE old.device = new.device AND old.correlation = new.correlation AND old.digest <> new.digest
            AND old.rejection IS NULL
    ) THEN new.warnings_if_reused ELSE new.warnings END,
    new.identities, new.acknowledgement, new.raw, new.raw_size
FROM unnest(
    $1::bytea[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
    $10::text[], $11::text[], $12::bytea[], $13::bytea[], $14::text[], $15::text[], $16::text[], $17::text[],
    $18::bytea[], $19::bytea[], $20::bigint[]
) WITH ORDINALITY AS new (
    id, received_at, event_time, device, session, fingerprint, peer, pcd_transaction, message_type, control_id,
    sending_application, correlation, digest, rejection, warnings, warnings_if_reused, identities, acknowledgement, raw,
    raw_size, place
)
ORDER BY place
ON CONFLICT (device, correlation, digest) WHERE rejection IS NULL DO NOTHING
RETURNING id";

const SELECT_RESENDS: &str = "
SELECT asked.place, message.id, message.acknowledgement
FROM unnest($1::text[], $2::bytea[], $3::bytea[]) WITH ORDINALITY AS asked (device, correlation, digest, place)
JOIN message ON message.device = asked.device AND message.correlation = asked.correlation
    AND message.digest = asked.digest AND message.rejection IS NULL";

/// In one statement, because each is a way to the server and back.
const APPEND_AUDIT: &str = "
WITH appended AS (
    INSERT INTO audit (node, number, at, event, details, hash)
    SELECT $1, * FROM unnest($2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::bytea[])
        AS new (number, at, event, details, hash)
    ORDER BY number
)
INSERT INTO audit_end (node, number, hash) VALUES ($1, $7, $8)
ON CONFLICT (node) DO UPDATE SET number = excluded.number, hash = excluded.hash";
