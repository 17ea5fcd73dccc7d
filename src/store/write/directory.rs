//! Changes of the device directory, and their audit rows. The same on both databases.

use jiff::Timestamp;

use crate::audit::Event;
use crate::authz::{Device, DeviceStatus};
use crate::model::DeviceId;
use crate::store::error::StoreError;
use crate::store::statement::{Statement, json};
use crate::store::write::connection::Connection;
use crate::store::write::{outbox, unfit_certificate};

/// A change of the device directory.
#[derive(Debug)]
pub(in crate::store) enum DirectoryChange {
    /// Adds all of the devices, or none.
    Add(Vec<Device>),
    /// Replaces all but the status.
    Describe(Device),
    SetStatus(DeviceId, DeviceStatus),
    Remove(DeviceId),
    /// Learns the identities of the device until `until`, unless it is enforced at `now`.
    Learn {
        device: DeviceId,
        now: Timestamp,
        until: Timestamp,
    },
    /// Enforces the device for good.
    EndLearning(DeviceId),
    /// Forgets one identity that the device named without permission, or all.
    ForgetSeen(DeviceId, Option<String>),
    /// Unites two spellings of one EUI-64: `kept` as a whole replaces its entry, and `removed` goes.
    Merge {
        kept: Device,
        removed: DeviceId,
        suspends: bool,
    },
}

impl DirectoryChange {
    /// The audit rows of the change, written in the same transaction.
    pub(in crate::store) fn events(&self, actor: &str) -> Vec<Event> {
        let actor = actor.to_owned();
        match self {
            Self::Add(devices) => devices.iter().map(|device| device_added(device, &actor)).collect(),
            Self::Describe(device) => vec![device_changed(device, actor)],
            Self::SetStatus(device, DeviceStatus::Active) => {
                vec![Event::DeviceResumed { device: device.clone(), actor }]
            }
            // Nothing sets that an entry is damaged.
            Self::SetStatus(device, DeviceStatus::Suspended | DeviceStatus::Damaged) => {
                vec![Event::DeviceSuspended { device: device.clone(), actor }]
            }
            Self::Remove(device) => vec![Event::DeviceRemoved { device: device.clone(), actor }],
            Self::Learn { device, until, .. } => {
                vec![Event::DeviceLearningStarted { device: device.clone(), until: *until, actor }]
            }
            Self::EndLearning(device) => vec![Event::DeviceLearningEnded { device: device.clone(), actor }],
            Self::ForgetSeen(device, identity) => {
                let (device, identity) = (device.clone(), identity.clone());
                vec![Event::DeviceIdentitiesForgotten { device, identity, actor }]
            }
            Self::Merge { kept, removed, suspends } => {
                let (device, by) = (kept.id.clone(), || actor.clone());
                let suspended =
                    suspends.then(|| Event::DeviceSuspended { device: device.clone(), actor: by() });
                let others = [
                    device_changed(kept, by()),
                    Event::DeviceRemoved { device: removed.clone(), actor: by() },
                    Event::DeviceMerged { device: device.clone(), removed: removed.clone(), actor: by() },
                ];
                suspended.into_iter().chain(others).collect()
            }
        }
    }
}

/// Every node reads the directory, and what is revoked, again.
pub(in crate::store) async fn touch(connection: &mut impl Connection) -> Result<(), StoreError> {
    connection.execute(Statement::new("UPDATE device_revision SET value = value + 1")).await.map(drop)
}

/// Applies the change. Returns the audit rows of orders that it has withdrawn.
pub(in crate::store) async fn apply(
    connection: &mut impl Connection,
    at: Timestamp,
    change: &DirectoryChange,
    actor: &str,
) -> Result<Vec<Event>, StoreError> {
    change_rows(connection, change).await?;
    let mut withdrawn = Vec::new();
    match change {
        // After the row of the device is gone: no order for it can be queued from here on.
        DirectoryChange::Remove(device) | DirectoryChange::Merge { removed: device, .. } => {
            withdrawn = outbox::withdraw_all(connection, at, device, actor).await?;
            unfit_certificate::forget(connection, &[device.as_str()]).await?;
        }
        // What an earlier version left when the device before was removed.
        DirectoryChange::Add(devices) => {
            for device in devices {
                withdrawn.extend(outbox::withdraw_all(connection, at, &device.id, actor).await?);
            }
        }
        DirectoryChange::Describe(_)
        | DirectoryChange::SetStatus(..)
        | DirectoryChange::Learn { .. }
        | DirectoryChange::ForgetSeen(..)
        | DirectoryChange::EndLearning(_) => {}
    }
    Ok(withdrawn)
}

async fn change_rows(connection: &mut impl Connection, change: &DirectoryChange) -> Result<(), StoreError> {
    match change {
        DirectoryChange::Add(devices) => {
            for device in devices {
                let statement = Statement::new(INSERT_DEVICE)
                    .bind(device.id.as_str())
                    .bind(device.kind.as_str())
                    .bind(device.status.as_str())
                    .bind(json(&patterns(device)))
                    .bind(json(&issuers(device)))
                    .bind(device.acknowledge.as_str())
                    .bind(device.note.as_str())
                    .bind(silent_after(device).unwrap_or_default())
                    .bind(i64::from(device.expected));
                let statement = bind_rest(statement, device);
                if connection.execute(statement).await? == 0 {
                    return Err(StoreError::DeviceExists(device.id.clone()));
                }
            }
            Ok(())
        }
        DirectoryChange::Describe(device) => {
            let statement = Statement::new(UPDATE_DEVICE)
                .bind(device.kind.as_str())
                .bind(json(&patterns(device)))
                .bind(json(&issuers(device)))
                .bind(device.acknowledge.as_str())
                .bind(device.note.as_str())
                .bind(device.id.as_str())
                .bind(silent_after(device).unwrap_or_default())
                .bind(i64::from(device.expected));
            let statement = bind_rest(statement, device);
            expect_row(&device.id, connection.execute(statement).await?)?;
            // Once it has a list it is enforced, also when the list is cleared again.
            if device.speaks_for.is_empty() { Ok(()) } else { end_learning(connection, &device.id).await }
        }
        DirectoryChange::Learn { device, now, until } => {
            let statement = Statement::new(UPDATE_LEARNING).bind(*until).bind(device.as_str()).bind(*now);
            match connection.execute(statement).await? {
                0 => Err(StoreError::DeviceEnforced(device.clone())),
                _ => Ok(()),
            }
        }
        DirectoryChange::EndLearning(device) => end_learning(connection, device).await,
        DirectoryChange::ForgetSeen(device, identity) => {
            forget_seen(connection, device, identity.as_deref()).await
        }
        DirectoryChange::SetStatus(device, status) => {
            let statement = Statement::new("UPDATE device SET status = $1 WHERE id = $2");
            let statement = statement.bind(status.as_str()).bind(device.as_str());
            expect_row(device, connection.execute(statement).await?)
        }
        DirectoryChange::Remove(device) => {
            let statement = Statement::new("DELETE FROM device WHERE id = $1").bind(device.as_str());
            expect_row(device, connection.execute(statement).await?)
        }
        DirectoryChange::Merge { kept, removed, .. } => merge(connection, kept, removed).await,
    }
}

/// Moves what the directory knows of `removed` to `kept`. Messages, alerts and the audit trail keep the name
/// under which they came.
async fn merge(
    connection: &mut impl Connection,
    kept: &Device,
    removed: &DeviceId,
) -> Result<(), StoreError> {
    // Either may have been suspended since it was shown what would be done.
    let suspend = Statement::new(SUSPEND_WITH).bind(kept.id.as_str()).bind(removed.as_str());
    connection.execute(suspend.bind(kept.status.as_str())).await?;
    let delete = Statement::new("DELETE FROM device WHERE id = $1").bind(removed.as_str());
    expect_row(removed, connection.execute(delete).await?)?;
    let describe = Statement::new(UPDATE_DEVICE)
        .bind(kept.kind.as_str())
        .bind(json(&patterns(kept)))
        .bind(json(&issuers(kept)))
        .bind(kept.acknowledge.as_str())
        .bind(kept.note.as_str())
        .bind(kept.id.as_str())
        .bind(silent_after(kept).unwrap_or_default())
        .bind(i64::from(kept.expected));
    let describe = bind_rest(describe, kept);
    expect_row(&kept.id, connection.execute(describe).await?)?;
    if !kept.speaks_for.is_empty() || kept.learns_until.is_some() {
        end_learning(connection, &kept.id).await?;
    }
    connection.execute(Statement::new(MERGE_SEEN).bind(kept.id.as_str()).bind(removed.as_str())).await?;
    let delete = Statement::new("DELETE FROM seen_identity WHERE device = $1").bind(removed.as_str());
    connection.execute(delete).await.map(drop)
}

async fn forget_seen(
    connection: &mut impl Connection,
    device: &DeviceId,
    identity: Option<&str>,
) -> Result<(), StoreError> {
    let all = Statement::new("DELETE FROM seen_identity WHERE device = $1").bind(device.as_str());
    let Some(identity) = identity else { return connection.execute(all).await.map(drop) };
    let one = Statement::new("DELETE FROM seen_identity WHERE device = $1 AND identity = $2");
    match connection.execute(one.bind(device.as_str()).bind(identity)).await? {
        0 => Err(StoreError::IdentityNotSeen(device.clone())),
        _ => Ok(()),
    }
}

/// A time of any clock in the past: the end does not depend on the clock of this process.
async fn end_learning(connection: &mut impl Connection, device: &DeviceId) -> Result<(), StoreError> {
    let statement = Statement::new("UPDATE device SET learn_until = 0 WHERE id = $1");
    expect_row(device, connection.execute(statement.bind(device.as_str())).await?)
}

/// [`StoreError::DeviceUnknown`] if no row changed.
fn expect_row(device: &DeviceId, rows: u64) -> Result<(), StoreError> {
    if rows == 0 { Err(StoreError::DeviceUnknown(device.clone())) } else { Ok(()) }
}

fn device_changed(device: &Device, actor: String) -> Event {
    Event::DeviceChanged { entry: Box::new(device.clone()), actor }
}

fn device_added(device: &Device, actor: &str) -> Event {
    Event::DeviceAdded { entry: Box::new(device.clone()), actor: actor.to_owned() }
}

/// Binds what people call the device, in the order of [`About::fields`](crate::authz::About::fields), and
/// whether it receives orders.
pub(super) fn bind_rest(statement: Statement, device: &Device) -> Statement {
    let about = device.about.fields().into_iter();
    let statement = about.fold(statement, |statement, (_, text)| statement.bind(text));
    statement.bind(i64::from(device.receives_orders))
}

/// The identities as text.
pub(super) fn patterns(device: &Device) -> Vec<String> {
    device.speaks_for.iter().map(ToString::to_string).collect()
}

/// When it counts as silent, as text.
pub(super) fn silent_after(device: &Device) -> Option<String> {
    device.silent_after.map(|after| after.to_string())
}

/// The keys of the issuers as text.
pub(super) fn issuers(device: &Device) -> Vec<String> {
    device.issuers.iter().map(ToString::to_string).collect()
}

const SUSPEND_WITH: &str = "
UPDATE device SET status = 'suspended'
WHERE id = $1 AND ($3 = 'suspended'
    OR EXISTS (SELECT 1 FROM device AS other WHERE other.id = $2 AND other.status = 'suspended'))";

const MERGE_SEEN: &str = "
INSERT INTO seen_identity (device, identity, messages, first_at, last_at)
SELECT $1, identity, messages, first_at, last_at FROM seen_identity WHERE device = $2
ON CONFLICT (device, identity) DO UPDATE SET
    messages = seen_identity.messages + excluded.messages,
    first_at = CASE WHEN excluded.first_at < seen_identity.first_at THEN excluded.first_at ELSE seen_identity.first_at END,
    last_at = CASE WHEN excluded.last_at > seen_identity.last_at THEN excluded.last_at ELSE seen_identity.last_at END";

const INSERT_DEVICE: &str = "
INSERT INTO device (id, kind, status, speaks_for, issuers, acknowledge, note, silent_after, expected,
    name, ward, model, serial, owner, receives_orders)
VALUES ($1, $2, $3, $4, $5, $6, $7, nullif($8, ''), $9, $10, $11, $12, $13, $14, $15)
ON CONFLICT DO NOTHING";

/// A list, or a time that has passed, says that the entry is enforced. Compared here, so that no other
/// process can set a list in between.
const UPDATE_LEARNING: &str = "
UPDATE device SET learn_until = $1
WHERE id = $2 AND speaks_for = '[]' AND (learn_until IS NULL OR learn_until > $3)";

const UPDATE_DEVICE: &str = "
UPDATE device SET kind = $1, speaks_for = $2, issuers = $3, acknowledge = $4, note = $5,
    silent_after = nullif($7, ''), expected = $8, name = $9, ward = $10, model = $11, serial = $12, owner = $13,
    receives_orders = $14
WHERE id = $6";
