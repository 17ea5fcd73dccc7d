//! The writer: the one connection of this node that writes, its retries and its reconnection.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sqlx::Connection as _;
use sqlx::postgres::PgConnection;
use tokio_util::task::AbortOnDropHandle;

use super::durability;
use super::failure::{is_broken, is_conflict};
use super::location::Location;
use super::rereader::Rereader;
use super::single_statement;
use crate::audit::ChainHead;
use crate::model::{Clock, FoundRisks, SchemaName, StoreRisk, explained};
use crate::store::error::StoreError;
use crate::store::own_chain::OwnChain;
use crate::store::write::batch::{self, CommitError, Committed};
use crate::store::write::entry::Entry;
use crate::store::write::queue::Backend;
use crate::store::write::reread::ReadBack;

/// Commits batches through the one connection that writes.
pub(in crate::store) struct Writer {
    location: Location,
    /// The audit chain that is written.
    chain: OwnChain,
    clock: Clock,
    state: State,
    /// The head of that chain after the last batch; `None` when it is not certain.
    end: Option<ChainHead>,
    /// When the session was examined last.
    examined: Option<Instant>,
    /// When this writer has tried to examine the tables last.
    tried: Option<Instant>,
}

enum State {
    Connected(PgConnection),
    /// A task is reconnecting.
    Lost(Reconnecting),
}

struct Reconnecting {
    task: AbortOnDropHandle<PgConnection>,
    /// Why there is no connection: the latest error.
    reason: Arc<Mutex<StoreError>>,
    /// How long the next batch waits for the connection. A server that restarts is back soon, and senders do
    /// not notice; after that wait, later batches fail at once.
    wait: Duration,
}

impl Writer {
    /// `connection`: or why there is none yet.
    pub(super) fn new(
        location: Location,
        chain: OwnChain,
        clock: Clock,
        connection: Result<PgConnection, StoreError>,
    ) -> Self {
        let lost = |reason| State::Lost(Reconnecting::start(&location, &clock, reason));
        let state = connection.map_or_else(lost, State::Connected);
        Self { location, chain, clock, state, end: None, examined: None, tried: None }
    }

    /// Writes a batch. Retries it when it was rolled back and may succeed now.
    async fn attempt(&mut self, entries: &[Entry]) -> Result<Committed, StoreError> {
        let mut attempts = 1;
        let mut in_doubt = Vec::new();
        loop {
            // A risk that no transaction sees by itself, such as an unlogged table.
            self.require_examination().await?;
            self.location.risks().require_accepted()?;
            self.require_own_session().await?;
            let connection = connected(&mut self.state, &self.location, &self.clock).await?;
            let schema = self.location.schema();
            let written = write(connection, schema, &self.chain, self.end.take(), &in_doubt, entries).await;
            let CommitError { error, in_doubt: unknown } = match written {
                Ok(committed) => {
                    self.end = Some(committed.end);
                    self.chain.committed(committed.end, &committed.rows);
                    return Ok(committed);
                }
                Err(failed) => failed,
            };
            if matches!(error, StoreError::Diverged(_)) {
                // Rolled back; the connection is as good as before.
                return Err(error);
            }
            if matches!(error, StoreError::Contended) {
                // The same; but what may have been committed is not written later as if it were not.
                return Err(if in_doubt.is_empty() { error } else { StoreError::Timeout(COMMIT_TIMEOUT) });
            }
            let broken = is_broken(&error);
            let retry = attempts < MAX_ATTEMPTS && (broken || is_conflict(&error));
            attempts += 1;
            // A server that reports an error has rolled back. If the connection broke, the commit is in
            // doubt, and the next attempt checks it.
            in_doubt.extend(unknown.filter(|_| broken));
            self.lose(error.clone()).await;
            if !retry {
                return Err(error);
            }
        }
    }

    /// Examines the tables when nothing else has done so in time: the renewal of the lease, which fails or
    /// waits, or is not there in a command. An examination that fails is a risk.
    async fn require_examination(&mut self) -> Result<(), StoreError> {
        let risks = self.location.risks();
        let now = self.clock.instant();
        if risks.is_examined() || self.tried.is_some_and(|at| now.duration_since(at) < EXAMINATION_INTERVAL) {
            return Ok(());
        }
        self.tried = Some(now);
        let connection = connected(&mut self.state, &self.location, &self.clock).await?;
        match self.location.examine_risks(connection).await {
            Ok(()) | Err(StoreError::Risky(_)) => Ok(()),
            Err(error) => {
                let is_broken = is_broken(&error);
                if !is_broken {
                    self.location.risks().raise(StoreRisk::Unexamined, explained(&error));
                }
                self.lose(error.clone()).await;
                // Otherwise the risk says it.
                if is_broken { Err(error) } else { Ok(()) }
            }
        }
    }

    /// Closes a connection that code of the database has changed, at most so much later as such code may act
    /// unnoticed ([`SESSION_CHECK_INTERVAL`]).
    async fn require_own_session(&mut self) -> Result<(), StoreError> {
        if self.examined.is_some_and(|at| self.clock.instant().duration_since(at) < SESSION_CHECK_INTERVAL) {
            return Ok(());
        }
        let connection = connected(&mut self.state, &self.location, &self.clock).await?;
        match durability::is_own_session(connection, self.location.schema()).await {
            Ok(true) => self.examined = Some(self.clock.instant()),
            Ok(false) => {
                let mut session = FoundRisks::default();
                session.add(StoreRisk::ForeignCode, "in the session that writes");
                tracing::error!(
                    "code in the database has changed the session that writes; it is closed, and another one \
                     is opened: find out who created that code (docs/reference/store.md, \"Risks of the store\")"
                );
                self.lose(StoreError::Risky(session)).await;
            }
            // The statements that follow meet the same fault, and report it.
            Err(_) => {}
        }
        Ok(())
    }

    /// Closes the connection, whatever its state, and starts to reconnect.
    async fn lose(&mut self, reason: StoreError) {
        let lost = State::Lost(Reconnecting::start(&self.location, &self.clock, reason));
        if let State::Connected(connection) = std::mem::replace(&mut self.state, lost) {
            // Do not wait for a server that does not respond.
            let _ = tokio::time::timeout(CLOSE_TIMEOUT, connection.close_hard()).await;
        }
    }
}

/// Writes a batch: in a single round trip if it is a common one and no other process has written to the chain
/// of the node since `end`; otherwise statement by statement.
async fn write(
    connection: &mut PgConnection,
    schema: &SchemaName,
    chain: &OwnChain,
    end: Option<ChainHead>,
    in_doubt: &[Committed],
    entries: &[Entry],
) -> Result<Committed, CommitError> {
    if let Some(end) = end
        && let Some(done) = single_statement::write(connection, schema, chain, &end, entries).await?
    {
        return Ok(done);
    }
    batch::write(connection, chain, in_doubt, entries).await
}

/// The connection, which may have to be awaited.
async fn connected<'s>(
    state: &'s mut State,
    location: &Location,
    clock: &Clock,
) -> Result<&'s mut PgConnection, StoreError> {
    if let State::Lost(lost) = state {
        match tokio::time::timeout(lost.wait, &mut lost.task).await {
            Ok(Ok(connection)) => *state = State::Connected(connection),
            Ok(Err(_)) => {
                // The task does not panic, and nothing else ends it; start it again if it did.
                let reason = lost.reason();
                *lost = Reconnecting::start(location, clock, reason.clone());
                return Err(reason);
            }
            Err(_) => {
                lost.wait = Duration::ZERO;
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
    type Checker = ReadBack<Rereader>;

    fn checker(&self) -> Self::Checker {
        let risks = self.location.risks().clone();
        ReadBack::new(Rereader::new(self.location.clone()), self.chain.node().clone(), risks)
    }

    async fn commit(&mut self, entries: &[Entry]) -> Result<Committed, StoreError> {
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
            let _ = tokio::time::timeout(CLOSE_TIMEOUT, connection.close()).await;
        }
    }
}

impl Reconnecting {
    fn start(location: &Location, clock: &Clock, reason: StoreError) -> Self {
        let reason = Arc::new(Mutex::new(reason));
        let (location, latest) = (location.clone(), Arc::clone(&reason));
        let (clock, lost_at) = (clock.clone(), clock.instant());
        let task = tokio::spawn(async move {
            let mut was_unreachable = false;
            let mut backoff = MIN_RECONNECT_BACKOFF;
            loop {
                match location.connect_to_write().await {
                    Ok(connection) => {
                        if was_unreachable {
                            let duration = clock.instant().saturating_duration_since(lost_at);
                            tracing::info!(?duration, "store is available again");
                        }
                        return connection;
                    }
                    Err(error) => *latest.lock().unwrap_or_else(PoisonError::into_inner) = error,
                }
                was_unreachable = true;
                tokio::time::sleep(backoff).await;
                backoff = (backoff * 2).min(MAX_RECONNECT_BACKOFF);
            }
        });
        Self { task: AbortOnDropHandle::new(task), reason, wait: RECONNECT_WAIT }
    }

    fn reason(&self) -> StoreError {
        self.reason.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Attempts to write a batch.
const MAX_ATTEMPTS: u32 = 4;
/// The time limit of a batch with all attempts; the server's limit for each statement is shorter.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the first batch after a lost connection waits for the reconnection.
const RECONNECT_WAIT: Duration = Duration::from_secs(2);
const MIN_RECONNECT_BACKOFF: Duration = Duration::from_millis(50);
const MAX_RECONNECT_BACKOFF: Duration = Duration::from_secs(1);
/// How often the session is examined: as often as the tables ([`crate::store::instance`]).
const SESSION_CHECK_INTERVAL: Duration = Duration::from_secs(2);
/// How often the writer tries to examine the tables itself, while that fails.
const EXAMINATION_INTERVAL: Duration = Duration::from_secs(2);
/// How long closing the connection may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
