//! The writing side: a batch in one transaction.

use std::collections::HashSet;
use std::slice;

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::Value;
use sqlx::sqlite::{Sqlite, SqliteConnection};
use sqlx::{AssertSqlSafe, Connection as _, Row as _, Transaction};

use super::read::{audit_end, message_id, stored_number};
use super::{Location, failure};
use crate::audit::Event;
use crate::authz::{Device, DeviceStatus};
use crate::model::{DeviceId, MessageId, NodeName};
use crate::store::StoreError;
use crate::store::directory::{DirectoryChange, patterns};
use crate::store::message::CONTROL_ID_REUSED;
use crate::store::writer::{Backend, Entry, Incoming, Write, Written};

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

    async fn connection(&mut self) -> Result<&mut SqliteConnection, StoreError> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.location.connect().await?,
        };
        Ok(self.connection.insert(connection))
    }

    async fn attempt(&mut self, entries: &[Entry]) -> Result<Vec<Result<Written, StoreError>>, StoreError> {
        let node = self.node.clone();
        let connection = self.connection().await?;
        match all_at_once(connection, &node, entries).await {
            Err(error) if error.concerns_one_request() => one_by_one(connection, &node, entries).await,
            outcome => outcome,
        }
    }
}

impl Backend for Writer {
    async fn commit(&mut self, entries: &[Entry]) -> Result<Vec<Result<Written, StoreError>>, StoreError> {
        let outcome = self.attempt(entries).await;
        if outcome.is_err()
            && let Some(connection) = self.connection.take()
        {
            // SQLite ends a transaction by itself on some errors and not on others; a new connection knows where it is.
            let _ = connection.close_hard().await;
        }
        outcome
    }

    async fn close(self) {
        if let Some(connection) = self.connection {
            let _ = connection.close().await;
        }
    }
}

/// The usual case: nothing is wrong with any entry.
async fn all_at_once(
    connection: &mut SqliteConnection,
    node: &NodeName,
    entries: &[Entry],
) -> Result<Vec<Result<Written, StoreError>>, StoreError> {
    let mut transaction = begin(connection).await?;
    match apply(&mut transaction, node, entries).await {
        Ok(written) => {
            transaction.commit().await.map_err(failure)?;
            Ok(written.into_iter().map(Ok).collect())
        }
        Err(error) => {
            if error.concerns_one_request() {
                transaction.rollback().await.map_err(failure)?;
            }
            Err(error)
        }
    }
}

/// Something is wrong with at least one entry: each gets a savepoint, so that it fails alone.
async fn one_by_one(
    connection: &mut SqliteConnection,
    node: &NodeName,
    entries: &[Entry],
) -> Result<Vec<Result<Written, StoreError>>, StoreError> {
    let mut transaction = begin(connection).await?;
    let mut outcomes = Vec::with_capacity(entries.len());
    for entry in entries {
        let mut savepoint = transaction.begin().await.map_err(failure)?;
        match apply(&mut savepoint, node, slice::from_ref(entry)).await {
            Ok(written) => {
                savepoint.commit().await.map_err(failure)?;
                outcomes.extend(written.into_iter().map(Ok));
            }
            Err(error) if error.concerns_one_request() => {
                savepoint.rollback().await.map_err(failure)?;
                outcomes.push(Err(error));
            }
            Err(error) => return Err(error),
        }
    }
    transaction.commit().await.map_err(failure)?;
    Ok(outcomes)
}

/// Takes the write lock now: a transaction that reads first could not get it later if another process wrote meanwhile.
async fn begin(connection: &mut SqliteConnection) -> Result<Transaction<'_, Sqlite>, StoreError> {
    connection.begin_with("BEGIN IMMEDIATE").await.map_err(failure)
}

/// Writes `entries` in their order, and then what the audit trail says of them.
async fn apply(
    connection: &mut SqliteConnection,
    node: &NodeName,
    entries: &[Entry],
) -> Result<Vec<Written>, StoreError> {
    let mut outcomes = Vec::with_capacity(entries.len());
    let mut trail = Vec::with_capacity(entries.len());
    for run in entries.chunk_by(|one, next| one.incoming().is_some() && next.incoming().is_some()) {
        let messages: Vec<Incoming<'_>> = run.iter().filter_map(Entry::incoming).collect();
        for group in groups(&messages) {
            let written = insert(connection, group).await?;
            let new = group.iter().zip(&written).filter(|(_, written)| **written == Written::Anew);
            for (message, _) in new {
                trail.push((message.at, message.record.event()));
                remember_identities(connection, message).await?;
            }
            outcomes.extend(written);
        }
        for Entry { at, write } in run {
            match write {
                Write::Message { .. } => continue,
                Write::Audit(event) => trail.push((*at, event.clone())),
                Write::Directory { change, actor } => {
                    directory(connection, change).await?;
                    trail.extend(change.events(actor).into_iter().map(|event| (*at, event)));
                }
                Write::Probe => probe(connection, *at).await?,
            }
            outcomes.push(Written::Anew);
        }
    }
    append(connection, node, &trail).await?;
    Ok(outcomes)
}

/// Every statement is a trip to the connection's thread and back, so rows travel in groups: measured in turns with single
/// rows, 64 senders got through 1.4 to 3.3 times as much. Few sizes, so that their statements stay prepared.
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

async fn insert(
    connection: &mut SqliteConnection,
    messages: &[Incoming<'_>],
) -> Result<Vec<Written>, StoreError> {
    let mut query = sqlx::query(AssertSqlSafe(INSERT_MESSAGE.repeat(messages.len())));
    for Incoming { record, digest, .. } in messages {
        let mut warnings = record.warnings.clone();
        let as_given = json(&warnings);
        warnings.push(CONTROL_ID_REUSED.to_owned());
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
            .bind(record.device.as_str())
            .bind(&record.sending_application)
            .bind(&record.control_id)
            .bind(digest.as_bytes().as_slice())
            .bind(json(&warnings))
            .bind(as_given)
            .bind(json(&record.identities))
            .bind(record.acknowledgement.as_ref())
            .bind(record.raw.as_ref());
    }
    let inserted = query.fetch_all(&mut *connection).await.map_err(failure)?;
    let inserted: HashSet<MessageId> = inserted.iter().map(message_id).collect::<Result<_, _>>()?;
    let mut outcomes = Vec::with_capacity(messages.len());
    for message in messages {
        let new = inserted.contains(&message.record.id);
        outcomes.push(if new { Written::Anew } else { resend(connection, message).await? });
    }
    Ok(outcomes)
}

async fn resend(
    connection: &mut SqliteConnection,
    Incoming { record, digest, .. }: &Incoming<'_>,
) -> Result<Written, StoreError> {
    let row = sqlx::query(SELECT_RESEND)
        .bind(record.device.as_str())
        .bind(&record.sending_application)
        .bind(&record.control_id)
        .bind(digest.as_bytes().as_slice())
        .fetch_one(connection)
        .await
        .map_err(failure)?;
    let acknowledgement: Vec<u8> = row.try_get("acknowledgement").map_err(failure)?;
    let of: MessageId = message_id(&row)?;
    Ok(Written::Before { of, acknowledgement: Bytes::from(acknowledgement) })
}

/// What an operator may want to allow. Bounded, because a device can make up as many identities as it likes; those that
/// came last stay.
async fn remember_identities(
    connection: &mut SqliteConnection,
    Incoming { record, .. }: &Incoming<'_>,
) -> Result<(), StoreError> {
    for identity in record.not_allowed.iter().take(MAX_SEEN_IDENTITIES) {
        let at = record.received_at.as_microsecond();
        let upserted = sqlx::query(UPSERT_SEEN).bind(record.device.as_str()).bind(identity).bind(at).bind(at);
        upserted.execute(&mut *connection).await.map_err(failure)?;
    }
    if !record.not_allowed.is_empty() {
        let bounded = sqlx::query(DELETE_SEEN_LONG_AGO).bind(record.device.as_str());
        let bounded = bounded.bind(record.device.as_str()).bind(MAX_SEEN_IDENTITIES as i64);
        bounded.execute(connection).await.map_err(failure)?;
    }
    Ok(())
}

/// The one place that writes to the audit trail, in the order of the sequence.
async fn append(
    connection: &mut SqliteConnection,
    node: &NodeName,
    trail: &[(Timestamp, Event)],
) -> Result<(), StoreError> {
    if trail.is_empty() {
        return Ok(());
    }
    let mut link = audit_end(&mut *connection, node).await?;
    for group in groups(trail) {
        let mut query = sqlx::query(AssertSqlSafe(INSERT_AUDIT.repeat(group.len()) + UPDATE_AUDIT_END));
        for (at, event) in group {
            let details = event.details();
            link = link.next(node, *at, event.name(), &details);
            query = query
                .bind(node.as_str())
                .bind(stored_number(link.number))
                .bind(at.as_microsecond())
                .bind(event.name())
                .bind(details)
                .bind(link.hash.as_bytes().to_vec());
        }
        query
            .bind(node.as_str())
            .bind(stored_number(link.number))
            .bind(link.hash.as_bytes().to_vec())
            .execute(&mut *connection)
            .await
            .map_err(failure)?;
    }
    Ok(())
}

async fn directory(connection: &mut SqliteConnection, change: &DirectoryChange) -> Result<(), StoreError> {
    match change {
        DirectoryChange::Add(devices) => {
            for device in devices {
                add(connection, device).await?;
            }
            Ok(())
        }
        DirectoryChange::Describe(device) => describe(connection, device).await,
        DirectoryChange::SetStatus(device, status) => set_status(connection, device, *status).await,
        DirectoryChange::Remove(device) => remove(connection, device).await,
    }
}

async fn add(connection: &mut SqliteConnection, device: &Device) -> Result<(), StoreError> {
    let inserted = sqlx::query(
        "INSERT INTO device (id, kind, status, speaks_for, acknowledge, note) VALUES (?, ?, ?, ?, ?, ?)
         ON CONFLICT DO NOTHING",
    )
    .bind(device.id.as_str())
    .bind(device.kind.as_str())
    .bind(device.status.as_str())
    .bind(json(&patterns(device)))
    .bind(device.acknowledge.as_str())
    .bind(&device.note)
    .execute(connection)
    .await
    .map_err(failure)?;
    if inserted.rows_affected() == 0 { Err(StoreError::DeviceExists(device.id.clone())) } else { Ok(()) }
}

async fn describe(connection: &mut SqliteConnection, device: &Device) -> Result<(), StoreError> {
    let updated =
        sqlx::query("UPDATE device SET kind = ?, speaks_for = ?, acknowledge = ?, note = ? WHERE id = ?")
            .bind(device.kind.as_str())
            .bind(json(&patterns(device)))
            .bind(device.acknowledge.as_str())
            .bind(&device.note)
            .bind(device.id.as_str())
            .execute(connection)
            .await
            .map_err(failure)?;
    known(&device.id, updated.rows_affected())
}

async fn set_status(
    connection: &mut SqliteConnection,
    device: &DeviceId,
    status: DeviceStatus,
) -> Result<(), StoreError> {
    let updated = sqlx::query("UPDATE device SET status = ? WHERE id = ?")
        .bind(status.as_str())
        .bind(device.as_str())
        .execute(connection)
        .await
        .map_err(failure)?;
    known(device, updated.rows_affected())
}

async fn remove(connection: &mut SqliteConnection, device: &DeviceId) -> Result<(), StoreError> {
    let deleted = sqlx::query("DELETE FROM device WHERE id = ?")
        .bind(device.as_str())
        .execute(connection)
        .await
        .map_err(failure)?;
    known(device, deleted.rows_affected())
}

fn known(device: &DeviceId, rows: u64) -> Result<(), StoreError> {
    if rows == 0 { Err(StoreError::DeviceUnknown(device.clone())) } else { Ok(()) }
}

async fn probe(connection: &mut SqliteConnection, at: Timestamp) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO probe (one, at) VALUES (1, ?) ON CONFLICT (one) DO UPDATE SET at = excluded.at")
        .bind(at.as_microsecond())
        .execute(connection)
        .await
        .map_err(failure)?;
    Ok(())
}

fn json(list: &[String]) -> String {
    Value::from(list).to_string()
}

/// How many rows travel at once.
const GROUP_SIZES: [usize; 3] = [16, 4, 1];

/// How many identities are remembered of one device.
pub(in crate::store) const MAX_SEEN_IDENTITIES: usize = 256;

const UPSERT_SEEN: &str = "
INSERT INTO seen_identity (device, identity, messages, first_at, last_at) VALUES (?, ?, 1, ?, ?)
ON CONFLICT (device, identity) DO UPDATE SET
    messages = messages + 1, first_at = min(first_at, excluded.first_at), last_at = max(last_at, excluded.last_at)";

const DELETE_SEEN_LONG_AGO: &str = "
DELETE FROM seen_identity WHERE device = ? AND identity NOT IN (
    SELECT identity FROM seen_identity WHERE device = ? ORDER BY last_at DESC, identity LIMIT ?
)";

/// Returns the identifier, unless the message is a resend.
const INSERT_MESSAGE: &str = "
INSERT INTO message (
    id, received_at, event_time, device, session, fingerprint, peer, pcd_transaction, message_type, control_id,
    sending_application, digest, rejection, warnings, identities, acknowledgement, raw
) VALUES (
    ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,
    CASE WHEN EXISTS (
        SELECT 1 FROM message
        WHERE device = ? AND sending_application = ? AND control_id = ? AND digest <> ? AND rejection IS NULL
    ) THEN ? ELSE ? END,
    ?, ?, ?
)
ON CONFLICT (device, sending_application, control_id, digest) WHERE rejection IS NULL DO NOTHING
RETURNING id;";

const INSERT_AUDIT: &str =
    "INSERT INTO audit (node, number, at, event, details, hash) VALUES (?, ?, ?, ?, ?, ?);";

const UPDATE_AUDIT_END: &str = "INSERT INTO audit_end (node, number, hash) VALUES (?, ?, ?)
ON CONFLICT (node) DO UPDATE SET number = excluded.number, hash = excluded.hash;";

const SELECT_RESEND: &str = "
SELECT id, acknowledgement FROM message
WHERE device = ? AND sending_application = ? AND control_id = ? AND digest = ? AND rejection IS NULL";
