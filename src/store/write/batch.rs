//! A batch in one transaction: in which order things are written, what the audit trail says of them, and what becomes
//! of an entry that cannot be stored. The same whatever the database.

use std::slice;

use jiff::Timestamp;

use crate::audit::{ChainHead, Event};
use crate::model::NodeName;
use crate::store::error::StoreError;
use crate::store::statement::Statement;
use crate::store::write::chain::chained;
use crate::store::write::connection::Connection;
use crate::store::write::entry::{Entry, Write};
use crate::store::write::incoming::{IncomingMessage, WriteOutcome};
use crate::store::write::{alert, directory, identity, outbox, retention};

/// A batch as it is when it is committed.
#[derive(Debug, Clone)]
pub(in crate::store) struct Committed {
    /// What became of each entry.
    pub(in crate::store) outcomes: Vec<Result<WriteOutcome, StoreError>>,
    /// Where the audit chain ends with it.
    pub(in crate::store) end: ChainHead,
}

/// Why nothing was kept of a batch, as far as anybody knows.
#[derive(Debug)]
pub(in crate::store) struct CommitError {
    pub(in crate::store) error: StoreError,
    /// The database had been told to commit: it may have done so all the same. None when that makes no difference: what
    /// leaves no row in the chain can be done twice.
    pub(in crate::store) in_doubt: Option<Committed>,
}

/// Where a batch stands when its transaction has been opened.
enum BeginOutcome {
    /// Behind this row of the chain.
    Open(ChainHead),
    /// There is nothing to do: it was committed before.
    AlreadyCommitted(Committed),
}

/// Writes `entries` in one transaction; see [`super::writer::Backend::commit`]. `in_doubt` is how they would have ended in
/// attempts of which nobody knows.
pub(in crate::store) async fn write(
    connection: &mut impl Connection,
    node: &NodeName,
    in_doubt: &[Committed],
    entries: &[Entry],
) -> Result<Committed, CommitError> {
    match all_at_once(connection, node, in_doubt, entries).await {
        Err(CommitError { error, .. }) if error.concerns_one_entry() => {
            one_by_one(connection, node, in_doubt, entries).await
        }
        outcome => outcome,
    }
}

/// The usual case: nothing is wrong with any entry.
async fn all_at_once(
    connection: &mut impl Connection,
    node: &NodeName,
    in_doubt: &[Committed],
    entries: &[Entry],
) -> Result<Committed, CommitError> {
    let begun = match begin(connection, node, in_doubt).await? {
        BeginOutcome::Open(link) => link,
        BeginOutcome::AlreadyCommitted(done) => return Ok(done),
    };
    let mut end = begun;
    match apply(connection, node, &mut end, entries).await {
        Ok(written) => {
            commit(connection, &begun, Committed { outcomes: written.into_iter().map(Ok).collect(), end })
                .await
        }
        Err(error) => {
            if error.concerns_one_entry() {
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
    in_doubt: &[Committed],
    entries: &[Entry],
) -> Result<Committed, CommitError> {
    let begun = match begin(connection, node, in_doubt).await? {
        BeginOutcome::Open(link) => link,
        BeginOutcome::AlreadyCommitted(done) => return Ok(done),
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
            Err(error) if error.concerns_one_entry() => {
                connection.run("ROLLBACK TO SAVEPOINT entry").await?;
                outcomes.push(Err(error));
            }
            Err(error) => return Err(error.into()),
        }
        connection.run("RELEASE SAVEPOINT entry").await?;
    }
    commit(connection, &begun, Committed { outcomes, end }).await
}

/// Opens a transaction, unless one of `in_doubt` was committed.
///
/// That one may be under way still: a server finishes what it was told by somebody who is gone, at any time. But whoever
/// writes to the chain holds its end until it is committed ([`Connection::begin`]), so here that has happened, or will not
/// happen as long as this transaction is open: whoever comes later finds that the chain goes on with other rows. Therefore it
/// is asked in the same transaction that does it again, and in each that does.
async fn begin(
    connection: &mut impl Connection,
    node: &NodeName,
    in_doubt: &[Committed],
) -> Result<BeginOutcome, StoreError> {
    let link = connection.begin(node).await?;
    for done in in_doubt {
        // A row's hash stands for all of the chain before it, so no other batch ends with the same.
        if connection.holds(node, &done.end).await? {
            connection.run("ROLLBACK").await?;
            return Ok(BeginOutcome::AlreadyCommitted(Committed {
                outcomes: done.outcomes.clone(),
                end: link,
            }));
        }
    }
    Ok(BeginOutcome::Open(link))
}

async fn commit(
    connection: &mut impl Connection,
    begun: &ChainHead,
    done: Committed,
) -> Result<Committed, CommitError> {
    match connection.run("COMMIT").await {
        Ok(()) => Ok(done),
        Err(error) => Err(CommitError { error, in_doubt: (done.end != *begun).then_some(done) }),
    }
}

/// Writes `entries` in their order, and then what the audit trail says of them, behind `end`.
async fn apply(
    connection: &mut impl Connection,
    node: &NodeName,
    end: &mut ChainHead,
    entries: &[Entry],
) -> Result<Vec<WriteOutcome>, StoreError> {
    let mut outcomes = Vec::with_capacity(entries.len());
    let mut trail = Vec::with_capacity(entries.len());
    for run in entries.chunk_by(|one, next| one.incoming().is_some() && next.incoming().is_some()) {
        let messages: Vec<IncomingMessage<'_>> = run.iter().filter_map(Entry::incoming).collect();
        if !messages.is_empty() {
            let written = connection.insert_messages(&messages).await?;
            let new = messages.iter().zip(&written).filter(|(_, written)| **written == WriteOutcome::Applied);
            for (message, _) in new {
                trail.push((message.at, message.record.event()));
                identity::remember_identities(connection, message).await?;
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
                    outcomes.push(WriteOutcome::Rows(rows));
                    continue;
                }
                Write::PruneMessages { before, limit } => {
                    let messages = retention::remove_messages(connection, *before, *limit).await?
                        + outbox::delete_settled(connection, *before, *limit).await?;
                    alert::forget(connection, *before, *limit).await?;
                    if messages > 0 {
                        trail.push((*at, Event::MessagesPruned { messages, before: *before }));
                    }
                    outcomes.push(WriteOutcome::Rows(messages));
                    continue;
                }
                Write::PruneAudit { beginning, before } => {
                    let rows = retention::remove_audit(connection, node, beginning).await?;
                    trail.push((*at, Event::AuditPruned { link: beginning.link, before: *before }));
                    outcomes.push(WriteOutcome::Rows(rows));
                    continue;
                }
                Write::Probe => {
                    connection.execute(Statement::new(UPSERT_PROBE).bind(*at)).await?;
                    alert::probe(connection).await?;
                }
            }
            outcomes.push(WriteOutcome::Applied);
        }
    }
    append(connection, node, end, &trail).await?;
    Ok(outcomes)
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

impl From<StoreError> for CommitError {
    fn from(error: StoreError) -> Self {
        Self { error, in_doubt: None }
    }
}

const UPSERT_PROBE: &str =
    "INSERT INTO probe (one, at) VALUES (1, $1) ON CONFLICT (one) DO UPDATE SET at = excluded.at";
