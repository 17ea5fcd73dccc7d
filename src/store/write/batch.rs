//! Writes a batch in one transaction: the order of writing, the audit rows, and what happens to an entry that
//! cannot be stored. The same on both databases.

use std::slice;

use jiff::Timestamp;

use crate::audit::{ChainHead, Event, Permit, RemovedMessages};
use crate::model::NodeName;
use crate::store::error::StoreError;
use crate::store::own_chain::OwnChain;
use crate::store::statement::Statement;
use crate::store::write::chain::{ChainedEvent, link_events};
use crate::store::write::connection::Connection;
use crate::store::write::entry::{Entry, Write};
use crate::store::write::incoming::{IncomingMessage, Insertion, WriteOutcome};
use crate::store::write::{
    alert, clients, clock, contact, directory, enrolment, envelope, forward, grant, inserted, milestone,
    notification, outbox, partner, projection, read_back, reconsidered, replace, retention, search_key,
    unfit_certificate, volume,
};

/// The result of a committed batch.
#[derive(Debug, Clone)]
pub(in crate::store) struct Committed {
    /// The outcome of each entry.
    pub(in crate::store) outcomes: Vec<Result<WriteOutcome, StoreError>>,
    /// The rows of the audit trail, in order and without a gap.
    pub(in crate::store) rows: Vec<ChainedEvent>,
    /// The head of the audit chain after the batch.
    pub(in crate::store) end: ChainHead,
}

/// Why a batch was not committed, or may not have been.
#[derive(Debug)]
pub(in crate::store) struct CommitError {
    pub(in crate::store) error: StoreError,
    /// The result of the batch if the database committed it all the same: it had received the COMMIT. `None`
    /// when that makes no difference: a batch without audit rows can be written twice.
    pub(in crate::store) in_doubt: Option<Committed>,
}

/// The result of opening the transaction of a batch.
enum BeginOutcome {
    /// The transaction is open, and this is the head of the audit chain.
    Open(ChainHead),
    /// An earlier attempt was committed; there is nothing to write.
    AlreadyCommitted(Committed),
}

/// Writes `entries` in one transaction; see [`Backend::commit`](super::queue::Backend::commit). `in_doubt`
/// are the results of earlier attempts whose commit is in doubt.
pub(in crate::store) async fn write(
    connection: &mut impl Connection,
    chain: &OwnChain,
    in_doubt: &[Committed],
    entries: &[Entry],
) -> Result<Committed, CommitError> {
    let written = match all_at_once(connection, chain, in_doubt, entries).await {
        Err(CommitError { error, .. }) if error.concerns_one_entry() => {
            one_by_one(connection, chain, in_doubt, entries).await
        }
        outcome => outcome,
    };
    if let Err(CommitError { error: StoreError::Contended, .. }) = &written {
        // The connection is as good as before.
        connection.run("ROLLBACK").await?;
    }
    written
}

/// The common case: every entry can be stored.
async fn all_at_once(
    connection: &mut impl Connection,
    chain: &OwnChain,
    in_doubt: &[Committed],
    entries: &[Entry],
) -> Result<Committed, CommitError> {
    let start = match begin(connection, chain, in_doubt).await? {
        BeginOutcome::Open(head) => head,
        BeginOutcome::AlreadyCommitted(committed) => return Ok(committed),
    };
    let mut end = start;
    match apply(connection, chain, &mut end, entries).await {
        Ok((outcomes, rows)) => {
            let committed = Committed { outcomes: outcomes.into_iter().map(Ok).collect(), rows, end };
            commit(connection, chain, &start, committed).await
        }
        Err(error) => {
            if error.concerns_one_entry() {
                connection.run("ROLLBACK").await?;
            }
            Err(error.into())
        }
    }
}

/// At least one entry cannot be stored: each entry gets a savepoint, so that it fails alone.
async fn one_by_one(
    connection: &mut impl Connection,
    chain: &OwnChain,
    in_doubt: &[Committed],
    entries: &[Entry],
) -> Result<Committed, CommitError> {
    let start = match begin(connection, chain, in_doubt).await? {
        BeginOutcome::Open(head) => head,
        BeginOutcome::AlreadyCommitted(committed) => return Ok(committed),
    };
    let mut end = start;
    let (mut outcomes, mut rows) = (Vec::with_capacity(entries.len()), Vec::with_capacity(entries.len()));
    let mut denied: Vec<(&Entry, StoreError)> = Vec::new();
    for entry in entries {
        // A server logs each statement that it denies: one of a kind is enough.
        if let Some((_, error)) = denied.iter().find(|(known, _)| known.has_same_needs(entry)) {
            outcomes.push(Err(error.clone()));
            continue;
        }
        connection.run("SAVEPOINT entry").await?;
        let mut next = end;
        match apply(connection, chain, &mut next, slice::from_ref(entry)).await {
            Ok((applied, appended)) => {
                end = next;
                rows.extend(appended);
                outcomes.extend(applied.into_iter().map(Ok));
            }
            Err(error) if error.concerns_one_entry() => {
                connection.run("ROLLBACK TO SAVEPOINT entry").await?;
                if matches!(error, StoreError::Denied(_)) {
                    denied.push((entry, error.clone()));
                }
                outcomes.push(Err(error));
            }
            Err(error) => return Err(error.into()),
        }
        connection.run("RELEASE SAVEPOINT entry").await?;
    }
    commit(connection, chain, &start, Committed { outcomes, rows, end }).await
}

/// Opens a transaction, unless one of the attempts `in_doubt` was committed.
///
/// Such a commit may still be in progress: a server completes a statement even when its client is gone. But
/// each transaction that writes to the chain locks the head of the chain until it is committed
/// ([`Connection::begin`]). So at this point the commit in doubt has happened, or it cannot happen while this
/// transaction is open, and later it would find the chain continued with other rows. Therefore the check and
/// the retry share one transaction, and each retry repeats the check.
async fn begin(
    connection: &mut impl Connection,
    chain: &OwnChain,
    in_doubt: &[Committed],
) -> Result<BeginOutcome, StoreError> {
    let node = chain.node();
    let head = connection.begin(node).await?;
    if let Err(error) = require_own_end(connection, chain, &head).await {
        connection.run("ROLLBACK").await?;
        return Err(error);
    }
    for committed in in_doubt {
        // The hash of a row covers the whole chain before it, so no other batch ends with the same hash.
        if connection.has_audit_row(node, &committed.end).await? {
            // A commit that was interrupted while it waited for a synchronous standby can be read, and the
            // standby may not have it. Opening the transaction wrote to the log behind it, so this COMMIT
            // waits until the standby has both.
            connection.run("COMMIT").await?;
            return Ok(BeginOutcome::AlreadyCommitted(Committed { end: head, ..committed.clone() }));
        }
    }
    Ok(BeginOutcome::Open(head))
}

/// Requires that the chain contains the row that this process knows to be its last one, because it has
/// written it or remembers it. Commands of the node may have written behind it.
async fn require_own_end(
    connection: &mut impl Connection,
    chain: &OwnChain,
    head: &ChainHead,
) -> Result<(), StoreError> {
    loop {
        let Some(expected) = chain.expected() else { return Ok(()) };
        let is_contained = expected == *head
            || expected == ChainHead::START
            || (expected.number < head.number && connection.has_audit_row(chain.node(), &expected).await?);
        let foreign =
            if is_contained { first_foreign(connection, chain, expected, head).await? } else { None };
        if is_contained && foreign.is_none() {
            chain.contained();
            return Ok(());
        }
        if !chain.reread() {
            if let Some(foreign) = foreign {
                return chain.continued_by_others(*head, foreign);
            }
            let is_rewritten = match chain.expected_signature(head) {
                Some(signed) => !connection.has_audit_row(chain.node(), &signed).await?,
                None => false,
            };
            return chain.diverged(*head, is_rewritten);
        }
    }
}

/// The first row between `known` and `head` with which this process cannot go on: only rows of commands stand
/// there, and rows whose commit was in doubt.
async fn first_foreign(
    connection: &mut impl Connection,
    chain: &OwnChain,
    known: ChainHead,
    head: &ChainHead,
) -> Result<Option<u64>, StoreError> {
    if !chain.follows(&known, head) {
        return Ok(None);
    }
    let mut followed = known;
    while followed.number < head.number {
        let select = Statement::new(SELECT_BETWEEN).bind(chain.node().as_str());
        let rows = connection.trail_rows(select.bind(followed.number).bind(head.number)).await?;
        match (chain.follow(followed, &rows), chain.first_foreign(&rows)) {
            (Ok(last), None) if !rows.is_empty() => followed = last,
            (Ok(_), None) => return Ok(Some(followed.number.saturating_add(1))),
            (Ok(_), Some(foreign)) | (Err(foreign), None) => return Ok(Some(foreign)),
            (Err(one), Some(other)) => return Ok(Some(one.min(other))),
        }
    }
    Ok((followed != *head).then_some(head.number))
}

async fn commit(
    connection: &mut impl Connection,
    chain: &OwnChain,
    start: &ChainHead,
    committed: Committed,
) -> Result<Committed, CommitError> {
    chain.attempt(committed.rows.iter().map(|row| row.head.hash));
    match connection.run("COMMIT").await {
        Ok(()) => Ok(committed),
        Err(error) => Err(CommitError { error, in_doubt: (committed.end != *start).then_some(committed) }),
    }
}

/// Writes `entries` in order, and then their audit rows behind `end`. Consecutive messages go into one
/// statement. Returns the outcomes and the audit rows.
async fn apply(
    connection: &mut impl Connection,
    chain: &OwnChain,
    end: &mut ChainHead,
    entries: &[Entry],
) -> Result<(Vec<WriteOutcome>, Vec<ChainedEvent>), StoreError> {
    let node = chain.node();
    let mut outcomes = Vec::with_capacity(entries.len());
    let mut trail = Vec::with_capacity(entries.len());
    if entries.iter().any(Entry::is_contended) {
        connection.exclude_other_nodes().await?;
    }
    for run in entries.chunk_by(|one, next| one.incoming().is_some() && next.incoming().is_some()) {
        let messages: Vec<IncomingMessage<'_>> = run.iter().filter_map(Entry::incoming).collect();
        if messages.is_empty() {
            for entry in run {
                outcomes.push(apply_entry(connection, node, entry, &mut trail).await?);
            }
        } else {
            outcomes.extend(apply_messages(connection, chain, &messages, &mut trail).await?);
        }
    }
    unfit_certificate::record(connection, &trail).await?;
    let rows = append(connection, node, end, &trail).await?;
    read_back::require(connection, node, entries, &outcomes, &trail, &rows).await?;
    Ok((outcomes, rows))
}

/// Stores the messages that are not resends, and what they report.
async fn apply_messages(
    connection: &mut impl Connection,
    chain: &OwnChain,
    messages: &[IncomingMessage<'_>],
    trail: &mut Vec<(Timestamp, Event)>,
) -> Result<Vec<WriteOutcome>, StoreError> {
    let insertions = connection.insert_messages(messages).await?;
    let stored = messages.iter().zip(&insertions).filter(|(_, found)| **found == Insertion::Inserted);
    for (message, _) in stored.clone() {
        inserted::record(connection, chain.node(), message, trail).await?;
    }
    search_key::record(connection, stored.map(|(message, _)| message)).await?;
    let mut outcomes = Vec::with_capacity(messages.len());
    for (message, found) in messages.iter().zip(insertions) {
        outcomes.push(match found {
            Insertion::Inserted => WriteOutcome::Applied,
            Insertion::Copy(copy) => replace::repeated(connection, chain, message, copy, trail).await?,
        });
    }
    Ok(outcomes)
}

/// Writes an entry that is not a message.
async fn apply_entry(
    connection: &mut impl Connection,
    node: &NodeName,
    Entry { at, write }: &Entry,
    trail: &mut Vec<(Timestamp, Event)>,
) -> Result<WriteOutcome, StoreError> {
    match write {
        // `apply` passes messages to `apply_messages`. If it did not, the sender would have to keep its
        // message.
        Write::Message { .. } => return Err(StoreError::unreadable("message")),
        Write::Audit(event) => trail.push((*at, event.clone())),
        Write::Directory { change, actor } => {
            let now = connection.now(*at).await?;
            let withdrawn = directory::apply(connection, now, change, actor).await?;
            let rows = withdrawn.len() as u64;
            trail.extend(change.events(actor).into_iter().chain(withdrawn).map(|event| (*at, event)));
            return Ok(WriteOutcome::Rows(rows));
        }
        Write::Enrolment { change, actor } => {
            let now = connection.now(*at).await?;
            let withdrawn = enrolment::apply(connection, now, change, actor).await?;
            let rows = withdrawn.len() as u64;
            trail.extend(change.events(actor).into_iter().chain(withdrawn).map(|event| (*at, event)));
            return Ok(WriteOutcome::Rows(rows));
        }
        Write::Clients { change, actor } => {
            clients::apply(connection, change).await?;
            trail.push((*at, change.event(actor)));
        }
        Write::Grant(change) => {
            // What one node forgets as ended counts on none.
            let now = connection.now(*at).await?;
            let outcome = grant::apply(connection, now, change).await?;
            trail.extend(change.event(outcome).map(|event| (*at, event)));
            return Ok(WriteOutcome::Grant(outcome));
        }
        Write::Outbox(change) => {
            let now = connection.now(*at).await?;
            let rows = outbox::apply(connection, node, now, change).await?;
            // A change that was not possible has not happened: no audit row.
            trail.extend(change.event().filter(|_| rows > 0).map(|event| (*at, event)));
            return Ok(WriteOutcome::Rows(rows));
        }
        Write::PruneMessages { first, permit, limit } => {
            let Permit { kind, before, .. } = permit.as_ref();
            let ids = retention::delete_messages(connection, *kind, *first, *before, *limit).await?;
            search_key::delete(connection, &ids).await?;
            envelope::delete(connection, &ids).await?;
            forward::delete(connection, &ids).await?;
            projection::remove(connection, *at, &ids).await?;
            let removed: RemovedMessages = ids.into_iter().collect();
            let orders = match kind.has_orders() {
                true => outbox::delete_settled(connection, *before, *limit).await?,
                false => 0,
            };
            alert::delete_reports(connection, *before, *limit).await?;
            reconsidered::delete(connection, *before, *limit).await?;
            let (rows, removed) = (removed.count + orders, Box::new(removed));
            if rows > 0 {
                trail.push((*at, Event::MessagesPruned { removed, orders, permit: permit.clone() }));
            }
            return Ok(WriteOutcome::Rows(rows));
        }
        Write::PruneAudit { beginning, before } => {
            let rows = retention::delete_audit_rows(connection, node, beginning).await?;
            trail.push((*at, Event::AuditPruned { link: beginning.link, before: *before }));
            return Ok(WriteOutcome::Rows(rows));
        }
        Write::Clock { at: clock, release_before, event } => {
            clock::confirm(connection, *clock, *release_before).await?;
            trail.extend(event.clone().map(|event| (*at, event)));
        }
        Write::ReleaseTaken { release_before } => clock::take_release(connection, *release_before).await?,
        Write::Milestone { reached, event } => {
            milestone::reach(connection, reached).await?;
            trail.extend(event.iter().map(|event| (*at, event.as_ref().clone())));
        }
        Write::Volumes { measured, forget } => volume::record(connection, measured, *forget).await?,
        Write::Partner(change) => {
            let rows = partner::apply(connection, *at, change).await?;
            trail.extend(change.event().filter(|_| rows > 0).map(|event| (*at, event)));
            return Ok(WriteOutcome::Rows(rows));
        }
        Write::Index(change) => {
            let rows = projection::apply(connection, node, *at, change).await?;
            trail.extend(change.event().filter(|_| rows > 0).map(|event| (*at, event)));
            return Ok(WriteOutcome::Rows(rows));
        }
        Write::Observed(observations) => contact::record(connection, node, *at, observations).await?,
        Write::Notification(changes) => {
            let mut rows = 0;
            for change in changes {
                rows = notification::apply(connection, change).await?;
            }
            return Ok(WriteOutcome::Rows(rows));
        }
        Write::Forwarded(forwarded) => {
            return forward::settle(connection, node, *at, forwarded).await.map(WriteOutcome::Rows);
        }
        Write::ForwardedAgain(id, class) => {
            return forward::queue_again(connection, node, *id, *class).await.map(WriteOutcome::Rows);
        }
        Write::ForwardsAdopted => {
            return forward::adopt(connection, node).await.map(WriteOutcome::Rows);
        }
        Write::ForwardsHandedOver { from, to } => {
            return forward::hand_over(connection, from, to).await.map(WriteOutcome::Rows);
        }
        Write::Probe => {
            connection.execute(Statement::new(UPSERT_PROBE).bind(*at)).await?;
            for nothing in [INSERT_NO_MESSAGE, INSERT_NO_AUDIT_ROW] {
                connection.execute(Statement::new(nothing)).await?;
            }
        }
    }
    Ok(WriteOutcome::Applied)
}

/// Appends the rows of `trail` to the audit chain. Returns them.
async fn append(
    connection: &mut impl Connection,
    node: &NodeName,
    end: &mut ChainHead,
    trail: &[(Timestamp, Event)],
) -> Result<Vec<ChainedEvent>, StoreError> {
    if trail.is_empty() {
        return Ok(Vec::new());
    }
    let rows = link_events(node, end, trail);
    connection.append_audit(node, &rows, end).await?;
    Ok(rows)
}

impl From<StoreError> for CommitError {
    fn from(error: StoreError) -> Self {
        Self { error, in_doubt: None }
    }
}

const SELECT_BETWEEN: &str = "
SELECT sequence, number, at, event, details, hash FROM audit
WHERE node = $1 AND number > $2 AND number <= $3 ORDER BY number LIMIT 1000";

/// Insert nothing, and wait or fail as a message and its audit row would: for a lock on a table, for a
/// privilege, for a trigger. Privileges on the other tables are looked up ([`Store::check_rights`]), because
/// a lock on one of them must not delay the writer.
///
/// [`Store::check_rights`]: crate::store::Store::check_rights
const INSERT_NO_MESSAGE: &str = "INSERT INTO message (id) SELECT id FROM message WHERE FALSE";
const INSERT_NO_AUDIT_ROW: &str = "INSERT INTO audit (node) SELECT node FROM audit WHERE FALSE";

const UPSERT_PROBE: &str =
    "INSERT INTO probe (one, at) VALUES (1, $1) ON CONFLICT (one) DO UPDATE SET at = excluded.at";
