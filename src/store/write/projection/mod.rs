//! Writes the index of FHIR resources. The same on both databases.
//!
//! The position of a node moves in the transaction that writes the rows, and only from where the writer of
//! the batch found it: each row of the trail is projected once. A leader that was paused finds another fence,
//! and writes nothing.

mod removal;

use jiff::{SignedDuration, Timestamp};

use crate::model::NodeName;
use crate::store::error::StoreError;
use crate::store::records::message::first_id;
use crate::store::records::projection::{GroupRow, ProjectedTo, Projection, ProjectionLeader, ResourceRow};
use crate::store::statement::Statement;
use crate::store::write::connection::Connection;
pub(in crate::store) use removal::remove;
#[cfg(test)]
pub(in crate::store) use removal::statements;

/// A change of the index.
#[derive(Debug)]
pub(in crate::store) enum IndexChange {
    /// Takes the lead for this node, if it has it or another one's time is over.
    Lead,
    /// Leads for longer; with `false` no longer.
    Renew { leader: ProjectionLeader, stays: bool },
    /// Writes a batch.
    Project(Projection),
    /// Projects every stored message again.
    Rebuild,
}

impl IndexChange {
    /// How many rows of the index it has.
    pub(in crate::store) fn rows(&self) -> usize {
        match self {
            Self::Project(Projection { resources, groups, .. }) => resources.len() + groups.len(),
            Self::Lead | Self::Renew { .. } | Self::Rebuild => 0,
        }
    }
}

/// Applies the change. Returns the number of rows of its first statement: 0 where this node does not lead, or
/// where the position has moved.
pub(in crate::store) async fn apply(
    connection: &mut impl Connection,
    node: &NodeName,
    at: Timestamp,
    change: &IndexChange,
) -> Result<u64, StoreError> {
    let now = connection.now(at).await?;
    let until = now.saturating_add(LEASE).unwrap_or(Timestamp::MAX);
    match change {
        IndexChange::Lead => {
            connection.execute(Statement::new(TAKE).bind(node.as_str()).bind(until).bind(now)).await
        }
        IndexChange::Renew { leader, stays } => {
            let until = if *stays { until } else { Timestamp::UNIX_EPOCH };
            let renew = Statement::new(RENEW).bind(until).bind(leader.holder.as_str()).bind(leader.fence);
            connection.execute(renew).await
        }
        IndexChange::Project(projection) => project(connection, until, projection).await,
        IndexChange::Rebuild => connection.execute(Statement::new(REBUILD)).await,
    }
}

async fn project(
    connection: &mut impl Connection,
    until: Timestamp,
    projection: &Projection,
) -> Result<u64, StoreError> {
    let Projection { leader, at, resources, groups, .. } = projection;
    let lead = Statement::new(LEAD)
        .bind(until)
        .bind(projection.last_seq())
        .bind(*at)
        .bind(leader.holder.as_str())
        .bind(leader.fence)
        .bind(leader.last_seq);
    if connection.execute(lead).await? == 0 || move_position(connection, projection).await? == 0 {
        return Ok(0);
    }
    let mut seq = leader.last_seq;
    for resource in resources {
        seq = seq.saturating_add(1);
        write_resource(connection, resource, seq, *at).await?;
    }
    for group in groups {
        seq = seq.saturating_add(1);
        write_group(connection, group, seq, *at, projection.mapping).await?;
    }
    Ok(1)
}

async fn move_position(
    connection: &mut impl Connection,
    Projection { node, from, to, .. }: &Projection,
) -> Result<u64, StoreError> {
    if *from == ProjectedTo::default() {
        let insert = Statement::new(BEGIN).bind(node.as_str()).bind(to.number).bind(to.revision);
        if connection.execute(insert).await? > 0 {
            return Ok(1);
        }
    }
    let statement = Statement::new(MOVE).bind(to.number).bind(to.revision).bind(node.as_str());
    connection.execute(statement.bind(from.number).bind(from.revision)).await
}

async fn write_resource(
    connection: &mut impl Connection,
    ResourceRow { reference, message, hash, is_named_only, keys }: &ResourceRow,
    seq: u64,
    at: Timestamp,
) -> Result<(), StoreError> {
    let mut upsert = Statement::new(INSERT_RESOURCE)
        .bind(seq)
        .bind(reference.as_str())
        .bind(message.as_bytes().as_slice())
        .bind(*hash)
        .bind(at);
    let long_ago = message.time().saturating_sub(REFRESHED_AFTER).unwrap_or(Timestamp::MIN);
    upsert
        .push(if *is_named_only { OR_REFRESH } else { OR_REPLACE })
        .push_bind(first_id(long_ago).as_slice());
    connection.execute(upsert).await?;
    connection.execute(Statement::new(INSERT_VERSION).bind(reference.as_str())).await?;
    for key in keys {
        let insert = Statement::new(INSERT_KEY).bind(*key).bind(reference.as_str());
        connection.execute(insert).await?;
    }
    Ok(())
}

async fn write_group(
    connection: &mut impl Connection,
    group: &GroupRow,
    seq: u64,
    at: Timestamp,
    revision: u32,
) -> Result<(), StoreError> {
    let GroupRow { message, subject, device, alert, part, .. } = group;
    let values = |statement: Statement| {
        statement
            .bind(seq)
            .bind(message.as_bytes().as_slice())
            .bind(group.at)
            .bind(group.hash)
            .bind(revision)
            .bind(at)
            .bind(subject.as_str())
            .bind(device.as_str())
    };
    let Some(alert) = alert else {
        let insert = values(Statement::new(INSERT_GROUP)).bind(-i64::from(*part));
        return connection.execute(insert).await.map(drop);
    };
    let replaced = Statement::new(DELETE_REPORT).bind(alert.as_str()).bind(message.as_bytes().as_slice());
    connection.execute(replaced).await?;
    connection.execute(values(Statement::new(INSERT_ALERT)).bind(alert.as_str())).await.map(drop)
}

/// How long a leader that does not renew its lead has it.
const LEASE: SignedDuration = SignedDuration::from_secs(30);
/// A resource that does not change is rendered from a newer message after this time: the one that it was
/// rendered from is removed first.
pub(in crate::store) const REFRESHED_AFTER: SignedDuration = SignedDuration::from_mins(10);

const TAKE: &str =
    "UPDATE fhir_leader SET holder = $1, fence = fence + 1, until = $2 WHERE holder = $1 OR until < $3";

const RENEW: &str = "UPDATE fhir_leader SET until = $1 WHERE holder = $2 AND fence = $3";

const LEAD: &str = "
UPDATE fhir_leader SET until = $1, last_seq = $2, last_at = $3 WHERE holder = $4 AND fence = $5 AND last_seq = $6";

const BEGIN: &str = "
INSERT INTO fhir_position (node, number, revision) VALUES ($1, $2, $3) ON CONFLICT (node) DO NOTHING";

const MOVE: &str = "
UPDATE fhir_position SET number = $1, revision = $2 WHERE node = $3 AND number = $4 AND revision = $5";

/// As if no row of any trail were projected.
const REBUILD: &str = "UPDATE fhir_position SET number = 0";

const INSERT_RESOURCE: &str = "
INSERT INTO fhir_resource (number, reference, message, hash, version, seq, projected_at)
VALUES ($1, $2, $3, $4, 1, $1, $5) ON CONFLICT (reference)";

const OR_REFRESH: &str = " DO UPDATE SET message = excluded.message
WHERE excluded.hash = fhir_resource.hash AND fhir_resource.message < ";

/// A message before that of the row replaces nothing: nodes are projected one after the other, and a rebuild
/// begins with the oldest.
const OR_REPLACE: &str = " DO UPDATE SET message = excluded.message, hash = excluded.hash,
    version = CASE WHEN fhir_resource.hash = excluded.hash THEN fhir_resource.version ELSE fhir_resource.version + 1 END,
    seq = CASE WHEN fhir_resource.hash = excluded.hash THEN fhir_resource.seq ELSE excluded.seq END,
    projected_at = CASE WHEN fhir_resource.hash = excluded.hash THEN fhir_resource.projected_at ELSE excluded.projected_at END
WHERE (excluded.message >= fhir_resource.message AND excluded.hash <> fhir_resource.hash)
    OR fhir_resource.message < ";

/// A version is rendered from the last message that has it.
const INSERT_VERSION: &str = "
INSERT INTO fhir_version (resource, version, message, projected_at)
SELECT number, version, message, projected_at FROM fhir_resource WHERE reference = $1
ON CONFLICT (resource, version) DO UPDATE SET message = excluded.message";

const INSERT_KEY: &str = "
INSERT INTO fhir_key (hash, resource) SELECT $1, number FROM fhir_resource WHERE reference = $2
ON CONFLICT (hash, resource) DO NOTHING";

/// Parts of measurements beside the latest have negative numbers in place of an alert.
const INSERT_GROUP: &str = "
INSERT INTO fhir_group (seq, message, at, hash, revision, projected_at, subject, device, alert)
SELECT $1, $2, $3, $4, $5, $6, subject.number, device.number, $9
FROM fhir_resource AS subject CROSS JOIN fhir_resource AS device
WHERE subject.reference = $7 AND device.reference = $8
ON CONFLICT (message, subject, device, alert) DO UPDATE SET
    seq = excluded.seq, at = excluded.at, hash = excluded.hash, revision = excluded.revision,
    projected_at = excluded.projected_at
WHERE excluded.hash <> fhir_group.hash";

/// Only of the report that the alert is rendered from.
const INSERT_ALERT: &str = "
INSERT INTO fhir_group (seq, message, at, hash, revision, projected_at, subject, device, alert)
SELECT $1, $2, $3, $4, $5, $6, subject.number, device.number, report.number
FROM fhir_resource AS subject CROSS JOIN fhir_resource AS device CROSS JOIN fhir_resource AS report
WHERE subject.reference = $7 AND device.reference = $8 AND report.reference = $9 AND report.message = $2
ON CONFLICT (message, subject, device, alert) DO UPDATE SET
    seq = excluded.seq, at = excluded.at, hash = excluded.hash, revision = excluded.revision,
    projected_at = excluded.projected_at
WHERE excluded.hash <> fhir_group.hash";

const DELETE_REPORT: &str = "
DELETE FROM fhir_group WHERE alert <> 0 AND alert = (SELECT number FROM fhir_resource WHERE reference = $1) AND message < $2";
