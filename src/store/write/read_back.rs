//! Reads back what an operator has done, in the transaction that does it.
//!
//! Code that an administrator has added to the database can change a row without an error, and the number of
//! rows is right all the same. What an operator does is rare, so its rows are compared: those of the audit
//! trail, and those of the directory, the outbox, the clock and the message that they are about. Where one
//! differs, the transaction is rolled back, and nothing is done or shown. The rows of the platform itself are
//! found by `audit verify`: to read them back would make messages slower.

use jiff::Timestamp;

use crate::audit::Event;
use crate::authz::Device;
use crate::model::{DeviceId, NodeName};
use crate::store::error::StoreError;
use crate::store::statement::{Statement, json};
use crate::store::write::chain::ChainedEvent;
use crate::store::write::connection::Connection;
use crate::store::write::directory::{DirectoryChange, bind_rest, issuers, patterns, silent_after};
use crate::store::write::entry::{Entry, Write};
use crate::store::write::incoming::WriteOutcome;
use crate::store::write::outbox::OutboxChange;

/// A SELECT, and how many rows it must find.
struct Expected {
    table: &'static str,
    select: Statement,
    rows: u64,
}

/// Requires that what operators did in `entries`, and the rows of the trail about it, are stored as they were
/// written.
///
/// # Errors
/// [`StoreError::Dropped`] with the table of the first row that is not.
pub(super) async fn require(
    connection: &mut impl Connection,
    node: &NodeName,
    entries: &[Entry],
    outcomes: &[WriteOutcome],
    trail: &[(Timestamp, Event)],
    rows: &[ChainedEvent],
) -> Result<(), StoreError> {
    let mut expected: Vec<Expected> = entries
        .iter()
        .zip(outcomes)
        .filter(|(_, outcome)| !matches!(outcome, WriteOutcome::Resend { .. }))
        .flat_map(|(entry, _)| written(entry))
        .collect();
    for ((_, event), row) in trail.iter().zip(rows).filter(|((_, event), _)| event.is_by_operator()) {
        expected.push(appended(node, row));
        expected.extend(withdrawn(event));
    }
    if expected.is_empty() {
        return Ok(());
    }
    connection.run_deferred().await?;
    for Expected { table, select, rows } in expected {
        if connection.count(select).await? != rows {
            return Err(StoreError::Dropped(table));
        }
    }
    Ok(())
}

/// The row of the audit trail.
fn appended(node: &NodeName, ChainedEvent { head, at, event, details }: &ChainedEvent) -> Expected {
    let select = Statement::new(SELECT_APPENDED)
        .bind(node.as_str())
        .bind(head.number)
        .bind(*at)
        .bind(*event)
        .bind(details.as_str())
        .bind(head.hash.as_bytes().as_slice());
    Expected { table: "audit", select, rows: 1 }
}

/// An order that an operator has withdrawn, also by the removal of its device: it waits no more.
fn withdrawn(event: &Event) -> Option<Expected> {
    let Event::SouthboundSettled { message, .. } = event else { return None };
    let select = Statement::new("SELECT 1 FROM outbox WHERE id = $1 AND outcome = 'withdrawn'");
    Some(Expected { table: "outbox", select: select.bind(message.as_bytes().as_slice()), rows: 1 })
}

/// What an entry of an operator has written besides the audit trail.
fn written(Entry { write, .. }: &Entry) -> Vec<Expected> {
    match write {
        Write::Directory { change, .. } => changed(change),
        Write::Clients { change, .. } => {
            let (table, select, rows) = change.stored();
            vec![Expected { table, select, rows }]
        }
        Write::Partner(change) => {
            let expected = |(table, select, rows)| Expected { table, select, rows };
            change.stored().map(expected).into_iter().collect()
        }
        Write::Enrolment { change, .. } => {
            let of_enrolment = change.stored().map(|select| Expected { table: "enrolment", select, rows: 1 });
            of_enrolment.into_iter().chain(change.directory().into_iter().flat_map(changed)).collect()
        }
        Write::Outbox(OutboxChange::Queue(message)) => {
            let select = Statement::new(SELECT_QUEUED)
                .bind(message.id.as_bytes().as_slice())
                .bind(message.expires_at)
                .bind(message.device.as_str())
                .bind(message.message_type.as_str())
                .bind(message.control_id.as_str())
                .bind(message.actor.as_str())
                .bind(message.raw.as_ref());
            vec![Expected { table: "outbox", select, rows: 1 }]
        }
        Write::Clock { at, release_before: Some(release_before), event: Some(_) } => {
            let select =
                Statement::new("SELECT 1 FROM confirmed_clock WHERE at = $1 AND release_before = $2");
            let select = select.bind(*at).bind(*release_before);
            vec![Expected { table: "confirmed_clock", select, rows: 1 }]
        }
        Write::Message { record, digest, .. } => {
            let Some(reconsideration) = &record.reconsideration else { return Vec::new() };
            let id = record.id.as_bytes().as_slice();
            let message = Statement::new(SELECT_MESSAGE).bind(id).bind(digest.as_bytes().as_slice());
            let message = message.bind(record.device.as_str());
            let link = Statement::new(SELECT_RECONSIDERED);
            let link = link.bind(reconsideration.original.as_bytes().as_slice()).bind(id);
            let link = link.bind(reconsideration.actor.as_str());
            vec![
                Expected { table: "message", select: message, rows: 1 },
                Expected { table: "reconsidered", select: link, rows: 1 },
            ]
        }
        _ => Vec::new(),
    }
}

/// What a change of the directory has left there. Two changes of one device in one batch are not both left:
/// then each of them is written, and compared, by itself.
fn changed(change: &DirectoryChange) -> Vec<Expected> {
    let device = |select, rows| Expected { table: "device", select, rows };
    let gone =
        |id: &DeviceId| device(Statement::new("SELECT 1 FROM device WHERE id = $1").bind(id.as_str()), 0);
    let whole = |entry: &Device| {
        let mut select = described(entry);
        select.push(" AND status = ").push_bind(entry.status.as_str());
        device(select, 1)
    };
    match change {
        DirectoryChange::Add(devices) => devices.iter().map(whole).collect(),
        DirectoryChange::Describe(entry) => vec![device(described(entry), 1)],
        DirectoryChange::SetStatus(id, status) => {
            let select = Statement::new("SELECT 1 FROM device WHERE id = $1 AND status = $2");
            vec![device(select.bind(id.as_str()).bind(status.as_str()), 1)]
        }
        DirectoryChange::Learn { device: id, until, .. } => vec![device(learning(id, *until), 1)],
        DirectoryChange::EndLearning(id) => vec![device(learning(id, Timestamp::UNIX_EPOCH), 1)],
        DirectoryChange::ForgetSeen(id, identity) => {
            let select = Statement::new("SELECT 1 FROM seen_identity WHERE device = $1").bind(id.as_str());
            let one = || {
                let select =
                    Statement::new("SELECT 1 FROM seen_identity WHERE device = $1 AND identity = $2");
                select.bind(id.as_str())
            };
            let select = identity.as_ref().map_or(select, |identity| one().bind(identity.as_str()));
            vec![Expected { table: "seen_identity", select, rows: 0 }]
        }
        DirectoryChange::Remove(id) => vec![gone(id)],
        DirectoryChange::Merge { kept, removed, .. } => {
            // Suspended as well where either entry was suspended meanwhile.
            let mut select = described(kept);
            select.push(" AND status IN ('suspended', ").push_bind(kept.status.as_str()).push(")");
            vec![device(select, 1), gone(removed)]
        }
    }
}

/// Selects the entry if it learns until then.
fn learning(id: &DeviceId, until: Timestamp) -> Statement {
    Statement::new("SELECT 1 FROM device WHERE id = $1 AND learn_until = $2").bind(id.as_str()).bind(until)
}

/// Selects the entry if it is as described, whatever its status.
fn described(entry: &Device) -> Statement {
    let statement = Statement::new(SELECT_DESCRIBED)
        .bind(entry.id.as_str())
        .bind(entry.kind.as_str())
        .bind(json(&patterns(entry)))
        .bind(json(&issuers(entry)))
        .bind(entry.acknowledge.as_str())
        .bind(entry.note.as_str())
        .bind(silent_after(entry).unwrap_or_default())
        .bind(i64::from(entry.expected));
    bind_rest(statement, entry)
}

const SELECT_APPENDED: &str = "
SELECT 1 FROM audit
WHERE node = $1 AND number = $2 AND at = $3 AND event = $4 AND details = $5 AND hash = $6";

const SELECT_QUEUED: &str = "
SELECT 1 FROM outbox
WHERE id = $1 AND expires_at = $2 AND device = $3 AND message_type = $4 AND control_id = $5 AND actor = $6
    AND raw = $7 AND outcome IS NULL AND attempts = 0";

const SELECT_MESSAGE: &str =
    "SELECT 1 FROM message WHERE id = $1 AND digest = $2 AND device = $3 AND rejection IS NULL";

const SELECT_RECONSIDERED: &str =
    "SELECT 1 FROM reconsidered WHERE original = $1 AND message = $2 AND actor = $3";

const SELECT_DESCRIBED: &str = "
SELECT 1 FROM device
WHERE id = $1 AND kind = $2 AND speaks_for = $3 AND issuers = $4 AND acknowledge = $5 AND note = $6
    AND coalesce(silent_after, '') = $7 AND expected = $8 AND name = $9 AND ward = $10 AND model = $11
    AND serial = $12 AND owner = $13 AND receives_orders = $14";
