//! The writing side: the one connection of this node that writes, and its return when it is lost.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::postgres::{PgConnection, Postgres};
use sqlx::{AssertSqlSafe, Connection as _};
use tokio_util::task::AbortOnDropHandle;

use super::failure::{is_broken, is_conflict};
use super::rows::{NewRow, bind_events, bind_rows, insert_messages, ordered, stored_number};
use super::{Location, failure, one_way};
use crate::audit::ChainHead;
use crate::model::{Fingerprint, MessageId, NodeName};
use crate::store::StoreError;
use crate::store::batch::{self, ChainedEvent, Connection, Done, Undone};
use crate::store::read::{audit_end, message_id};
use crate::store::statement::{Row, Statement};
use crate::store::writer::{Backend, Entry, Incoming, Written};

/// The one connection that writes.
pub(in crate::store) struct Writer {
    location: Location,
    /// Whose audit chain is written.
    node: NodeName,
    state: State,
    /// Where that chain ended after the last batch; none when that is not certain.
    end: Option<ChainHead>,
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
        Self { location, node, state: State::Connected(connection), end: None }
    }

    /// Writes a batch; again, when nothing of it was kept and it may go through now.
    async fn attempt(&mut self, entries: &[Entry]) -> Result<Vec<Result<Written, StoreError>>, StoreError> {
        let mut attempts = 1;
        let mut doubtful = Vec::new();
        loop {
            let connection = connected(&mut self.state, &self.location).await?;
            let written = write(connection, &self.node, self.end.take(), &doubtful, entries).await;
            let Undone { error, doubtful: unknown } = match written {
                Ok(Done { outcomes, end }) => {
                    self.end = Some(end);
                    return Ok(outcomes);
                }
                Err(undone) => undone,
            };
            let broken = is_broken(&error);
            let again = attempts < ATTEMPTS && (broken || is_conflict(&error));
            attempts += 1;
            // A server that says what is wrong has undone it. Where the connection broke, the next attempt finds out.
            doubtful.extend(unknown.filter(|_| broken));
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

/// Writes a batch: in one way to the server, when it is a usual one and nobody else has written to the chain of the node
/// since `end`; otherwise in several.
async fn write(
    connection: &mut PgConnection,
    node: &NodeName,
    end: Option<ChainHead>,
    doubtful: &[Done],
    entries: &[Entry],
) -> Result<Done, Undone> {
    if let Some(end) = end
        && let Some(done) = one_way::write(connection, node, &end, entries).await?
    {
        return Ok(done);
    }
    batch::write(connection, node, doubtful, entries).await
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
    async fn begin(&mut self, node: &NodeName) -> Result<ChainHead, StoreError> {
        // Two statements travel together only without parameters. A node's name has no quotes.
        let select = format!("SELECT number, hash FROM audit_end WHERE node = '{node}' FOR UPDATE");
        let ask = async |connection: &mut PgConnection, sql: String| {
            sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(connection).await.map_err(failure)
        };
        let mut rows = ask(self, format!("BEGIN; {select}")).await?;
        if rows.is_empty() {
            // Before its first row there is none in which the chain could be held; and it may have got it meanwhile.
            ask(
                self,
                format!("SELECT FROM pg_advisory_xact_lock(hashtext('audit_end'), hashtext('{node}'))"),
            )
            .await?;
            rows = ask(self, select).await?;
        }
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
        end: &ChainHead,
    ) -> Result<(), StoreError> {
        let append = bind_events(sqlx::query(APPEND_AUDIT), rows).bind(node.as_str());
        let append = append.bind(stored_number(end.number)).bind(end.hash.as_bytes().as_slice());
        append.execute(self).await.map_err(failure)?;
        Ok(())
    }

    async fn holds(&mut self, node: &NodeName, link: &ChainHead) -> Result<bool, StoreError> {
        let look = sqlx::query(SELECT_LINK).bind(node.as_str()).bind(stored_number(link.number));
        let found = look.bind(link.hash.as_bytes().as_slice()).fetch_optional(self).await.map_err(failure)?;
        Ok(found.is_some())
    }
}

/// What makes a resend.
type Key = (String, [u8; 32], Fingerprint);

/// Inserts those that are no resends; their identifiers.
async fn insert(
    connection: &mut PgConnection,
    rows: &[NewRow<'_>],
) -> Result<HashSet<MessageId>, StoreError> {
    let inserted =
        bind_rows(sqlx::query(INSERT_MESSAGES), rows).fetch_all(connection).await.map_err(failure)?;
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
const INSERT_MESSAGES: &str = concat!(
    insert_messages!(),
    " ORDER BY place ON CONFLICT (device, correlation, digest) WHERE rejection IS NULL DO NOTHING RETURNING id"
);

const SELECT_RESENDS: &str = "
SELECT asked.place, message.id, message.acknowledgement
FROM unnest($1::text[], $2::bytea[], $3::bytea[]) WITH ORDINALITY AS asked (device, correlation, digest, place)
JOIN message ON message.device = asked.device AND message.correlation = asked.correlation
    AND message.digest = asked.digest AND message.rejection IS NULL";

/// In one statement, because each is a way to the server and back.
const APPEND_AUDIT: &str = "
WITH appended AS (
    INSERT INTO audit (node, number, at, event, details, hash)
    SELECT $6, * FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::bytea[])
        AS new (number, at, event, details, hash)
    ORDER BY number
)
INSERT INTO audit_end (node, number, hash) VALUES ($6, $7, $8)
ON CONFLICT (node) DO UPDATE SET number = excluded.number, hash = excluded.hash";

const SELECT_LINK: &str = "SELECT FROM audit WHERE node = $1 AND number = $2 AND hash = $3";
