//! A batch in one transaction: in which order things are written, what the audit trail says of them, and what becomes
//! of an entry that cannot be stored. The same whatever the database.

use std::slice;

use jiff::Timestamp;
use serde_json::Value as Json;

use super::StoreError;
use super::alert;
use super::directory;
use super::outbox;
use super::retention;
use super::statement::Statement;
use super::writer::{Entry, Incoming, Write, Written};
use crate::audit::{ChainHead, Event};
use crate::model::NodeName;

/// A connection that writes.
pub(super) trait Connection: Send {
    /// Opens a transaction that may write, and keeps other processes of `node` from its audit chain until it ends; where
    /// that chain ends. All in one, because each statement is a way to the database and back.
    fn begin(&mut self, node: &NodeName) -> impl Future<Output = Result<ChainHead, StoreError>> + Send;

    /// Runs a statement without parameters.
    fn run(&mut self, sql: &'static str) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Runs a statement; the number of rows that it has changed.
    fn execute(&mut self, statement: Statement) -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// Stores those that are no resends; what became of each.
    fn insert_messages(
        &mut self,
        messages: &[Incoming<'_>],
    ) -> impl Future<Output = Result<Vec<Written>, StoreError>> + Send;

    /// Appends rows to the audit chain of `node`, in their order; `end` is the last of them.
    fn append_audit(
        &mut self,
        node: &NodeName,
        rows: &[ChainedEvent],
        end: &ChainHead,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Whether the audit chain of `node` has this row. Asked after a commit of which nobody knows; a database in the same
    /// process leaves nobody in doubt.
    fn holds(
        &mut self,
        _node: &NodeName,
        _link: &ChainHead,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send {
        std::future::ready(Ok(false))
    }
}

/// A row of the audit trail with its place in the chain.
#[derive(Debug)]
pub(super) struct ChainedEvent {
    pub(super) link: ChainHead,
    pub(super) at: Timestamp,
    pub(super) event: &'static str,
    pub(super) details: String,
}

/// A batch as it is when it is committed.
#[derive(Debug, Clone)]
pub(super) struct Done {
    /// What became of each entry.
    pub(super) outcomes: Vec<Result<Written, StoreError>>,
    /// Where the audit chain ends with it.
    pub(super) end: ChainHead,
}

/// Why nothing was kept of a batch, as far as anybody knows.
#[derive(Debug)]
pub(super) struct Undone {
    pub(super) error: StoreError,
    /// The database had been told to commit: it may have done so all the same. None when that makes no difference: what
    /// leaves no row in the chain can be done twice.
    pub(super) doubtful: Option<Done>,
}

/// Where a batch stands when its transaction has been opened.
enum Begun {
    /// Behind this row of the chain.
    Behind(ChainHead),
    /// There is nothing to do: it was committed before.
    Before(Done),
}

/// Writes `entries` in one transaction; see [`super::writer::Backend::commit`]. `doubtful` is how they would have ended in
/// attempts of which nobody knows.
pub(super) async fn write(
    connection: &mut impl Connection,
    node: &NodeName,
    doubtful: &[Done],
    entries: &[Entry],
) -> Result<Done, Undone> {
    match all_at_once(connection, node, doubtful, entries).await {
        Err(Undone { error, .. }) if error.concerns_one_request() => {
            one_by_one(connection, node, doubtful, entries).await
        }
        outcome => outcome,
    }
}

/// The usual case: nothing is wrong with any entry.
async fn all_at_once(
    connection: &mut impl Connection,
    node: &NodeName,
    doubtful: &[Done],
    entries: &[Entry],
) -> Result<Done, Undone> {
    let begun = match begin(connection, node, doubtful).await? {
        Begun::Behind(link) => link,
        Begun::Before(done) => return Ok(done),
    };
    let mut end = begun;
    match apply(connection, node, &mut end, entries).await {
        Ok(written) => {
            commit(connection, &begun, Done { outcomes: written.into_iter().map(Ok).collect(), end }).await
        }
        Err(error) => {
            if error.concerns_one_request() {
                connection.run("ROLLBACK").await?;
            }
            Err(error.into())
        }
    }
}

/// Something is wrong with at least one entry: each gets a savepoint, so that it fails alone.
async fn one_by_one(
    connection: &mut impl Connection,
    node: &NodeName,
    doubtful: &[Done],
    entries: &[Entry],
) -> Result<Done, Undone> {
    let begun = match begin(connection, node, doubtful).await? {
        Begun::Behind(link) => link,
        Begun::Before(done) => return Ok(done),
    };
    let mut end = begun;
    let mut outcomes = Vec::with_capacity(entries.len());
    for entry in entries {
        connection.run("SAVEPOINT entry").await?;
        let mut next = end;
        match apply(connection, node, &mut next, slice::from_ref(entry)).await {
            Ok(written) => {
                end = next;
                outcomes.extend(written.into_iter().map(Ok));
            }
            Err(error) if error.concerns_one_request() => {
                connection.run("ROLLBACK TO SAVEPOINT entry").await?;
                outcomes.push(Err(error));
            }
            Err(error) => return Err(error.into()),
        }
        connection.run("RELEASE SAVEPOINT entry").await?;
    }
    commit(connection, &begun, Done { outcomes, end }).await
}

/// Opens a transaction, unless one of `doubtful` was committed.
///
/// That one may be under way still: a server finishes what it was told by somebody who is gone, at any time. But whoever
/// writes to the chain holds its end until it is committed ([`Connection::begin`]), so here that has happened, or will not
/// happen as long as this transaction is open: whoever comes later finds that the chain goes on with other rows. Therefore it
/// is asked in the same transaction that does it again, and in each that does.
async fn begin(
    connection: &mut impl Connection,
    node: &NodeName,
    doubtful: &[Done],
) -> Result<Begun, StoreError> {
    let link = connection.begin(node).await?;
    for done in doubtful {
        // A row's hash stands for all of the chain before it, so no other batch ends with the same.
        if connection.holds(node, &done.end).await? {
            connection.run("ROLLBACK").await?;
            return Ok(Begun::Before(Done { outcomes: done.outcomes.clone(), end: link }));
        }
    }
    Ok(Begun::Behind(link))
}

async fn commit(connection: &mut impl Connection, begun: &ChainHead, done: Done) -> Result<Done, Undone> {
    match connection.run("COMMIT").await {
        Ok(()) => Ok(done),
        Err(error) => Err(Undone { error, doubtful: (done.end != *begun).then_some(done) }),
    }
}

/// Writes `entries` in their order, and then what the audit trail says of them, behind `end`.
async fn apply(
    connection: &mut impl Connection,
    node: &NodeName,
    end: &mut ChainHead,
    entries: &[Entry],
) -> Result<Vec<Written>, StoreError> {
    let mut outcomes = Vec::with_capacity(entries.len());
    let mut trail = Vec::with_capacity(entries.len());
    for run in entries.chunk_by(|one, next| one.incoming().is_some() && next.incoming().is_some()) {
        let messages: Vec<Incoming<'_>> = run.iter().filter_map(Entry::incoming).collect();
        if !messages.is_empty() {
            let written = connection.insert_messages(&messages).await?;
            let new = messages.iter().zip(&written).filter(|(_, written)| **written == Written::Anew);
            for (message, _) in new {
                trail.push((message.at, message.record.event()));
                remember_identities(connection, message).await?;
                alert::remember(connection, message).await?;
            }
            outcomes.extend(written);
        }
        for Entry { at, write } in run {
            match write {
                Write::Message { .. } => continue,
                Write::Audit(event) => trail.push((*at, event.clone())),
                Write::Directory { change, actor } => {
                    directory::apply(connection, change).await?;
                    trail.extend(change.events(actor).into_iter().map(|event| (*at, event)));
                }
                Write::Outbox(change) => {
                    let rows = outbox::apply(connection, node, *at, change).await?;
                    // What was not possible has not happened.
                    trail.extend(change.event().filter(|_| rows > 0).map(|event| (*at, event)));
                    outcomes.push(Written::Rows(rows));
                    continue;
                }
                Write::PruneMessages { before, limit } => {
                    let messages = retention::remove_messages(connection, *before, *limit).await?
                        + outbox::forget(connection, *before, *limit).await?;
                    alert::forget(connection, *before, *limit).await?;
                    if messages > 0 {
                        trail.push((*at, Event::MessagesPruned { messages, before: *before }));
                    }
                    outcomes.push(Written::Rows(messages));
                    continue;
                }
                Write::PruneAudit { beginning, before } => {
                    let rows = retention::remove_audit(connection, node, beginning).await?;
                    trail.push((*at, Event::AuditPruned { link: beginning.link, before: *before }));
                    outcomes.push(Written::Rows(rows));
                    continue;
                }
                Write::Probe => {
                    connection.execute(Statement::new(UPSERT_PROBE).bind(*at)).await?;
                    alert::probe(connection).await?;
                }
            }
            outcomes.push(Written::Anew);
        }
    }
    append(connection, node, end, &trail).await?;
    Ok(outcomes)
}

/// What an operator may want to allow. Bounded, because a device can make up as many identities as it likes; those that
/// came last stay.
async fn remember_identities(
    connection: &mut impl Connection,
    Incoming { record, .. }: &Incoming<'_>,
) -> Result<(), StoreError> {
    let device = record.device.as_str();
    let short = record.not_allowed.iter().filter(|identity| identity.len() <= LONGEST_SEEN_IDENTITY);
    for identity in short.take(MAX_SEEN_IDENTITIES) {
        let seen = Statement::new(UPSERT_SEEN).bind(device).bind(identity.as_str());
        connection.execute(seen.bind(record.received_at)).await?;
    }
    if !record.not_allowed.is_empty() {
        let bounded = Statement::new(DELETE_SEEN_LONG_AGO).bind(device).bind(MAX_SEEN_IDENTITIES as u64);
        connection.execute(bounded).await?;
    }
    Ok(())
}

/// Writes to the audit trail, in the order of the chain.
async fn append(
    connection: &mut impl Connection,
    node: &NodeName,
    end: &mut ChainHead,
    trail: &[(Timestamp, Event)],
) -> Result<(), StoreError> {
    if trail.is_empty() {
        return Ok(());
    }
    let rows = chained(node, end, trail);
    connection.append_audit(node, &rows, end).await
}

/// The rows that say so behind `end`, which moves on to the last of them.
pub(super) fn chained(
    node: &NodeName,
    end: &mut ChainHead,
    trail: &[(Timestamp, Event)],
) -> Vec<ChainedEvent> {
    let rows = trail.iter().map(|(at, event)| {
        let details = event.details();
        *end = end.next(node, *at, event.name(), &details);
        ChainedEvent { link: *end, at: *at, event: event.name(), details }
    });
    rows.collect()
}

/// A list as it is kept.
pub(super) fn json(list: &[String]) -> String {
    if list.is_empty() { "[]".to_owned() } else { Json::from(list).to_string() }
}

impl From<StoreError> for Undone {
    fn from(error: StoreError) -> Self {
        Self { error, doubtful: None }
    }
}

/// How many identities are remembered of one device.
pub(super) const MAX_SEEN_IDENTITIES: usize = 256;

/// Bytes of the longest identity that is remembered: an index of PostgreSQL has no room for any length, and nobody
/// would allow such a one.
const LONGEST_SEEN_IDENTITY: usize = 512;

const UPSERT_PROBE: &str =
    "INSERT INTO probe (one, at) VALUES (1, $1) ON CONFLICT (one) DO UPDATE SET at = excluded.at";

const UPSERT_SEEN: &str = "
INSERT INTO seen_identity (device, identity, messages, first_at, last_at) VALUES ($1, $2, 1, $3, $3)
ON CONFLICT (device, identity) DO UPDATE SET
    messages = seen_identity.messages + 1,
    first_at = CASE WHEN excluded.first_at < seen_identity.first_at THEN excluded.first_at ELSE seen_identity.first_at END,
    last_at = CASE WHEN excluded.last_at > seen_identity.last_at THEN excluded.last_at ELSE seen_identity.last_at END";

const DELETE_SEEN_LONG_AGO: &str = "
DELETE FROM seen_identity WHERE device = $1 AND identity NOT IN (
    SELECT identity FROM seen_identity WHERE device = $1 ORDER BY last_at DESC, identity LIMIT $2
)";
