//! Writes the index of FHIR resources. The same on both databases.
//!
//! The position of a node moves in the transaction that writes the rows, and only from where the writer of
//! the batch found it: each row of the trail is projected once. A leader that was paused finds another fence,
//! and writes nothing.

mod link;
mod removal;
mod rows;

use jiff::{SignedDuration, Timestamp};

use crate::audit::{Event, PatientsLink as AuditedLink};
use crate::model::NodeName;
use crate::store::error::StoreError;
use crate::store::records::projection::{ProjectedTo, Projection, ProjectionLeader};
use crate::store::statement::Statement;
use crate::store::write::connection::Connection;
pub(in crate::store) use link::PatientsLink;
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
    /// Projects every message again that is projected.
    Rebuild,
    /// A patient is another one, or is not any more.
    Link(PatientsLink),
}

impl IndexChange {
    /// How many rows of the index it has.
    pub(in crate::store) fn rows(&self) -> usize {
        match self {
            Self::Project(Projection { resources, groups, .. }) => resources.len() + groups.len(),
            Self::Lead | Self::Renew { .. } | Self::Rebuild | Self::Link(_) => 0,
        }
    }

    /// The audit row of the change, if it has one.
    pub(in crate::store) fn event(&self) -> Option<Event> {
        let Self::Link(PatientsLink { patient, replaced_by, is_made, actor, .. }) = self else { return None };
        let id = |reference: &str| reference.trim_start_matches("Patient/").to_owned();
        Some(Event::PatientsLinked(AuditedLink {
            patient: id(patient),
            replaced_by: is_made.then(|| id(replaced_by)),
            actor: actor.clone(),
        }))
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
        IndexChange::Link(change) => link::apply(connection, now, change).await,
        IndexChange::Rebuild => connection.execute(Statement::new(REBUILD)).await,
    }
}

async fn project(
    connection: &mut impl Connection,
    until: Timestamp,
    projection: &Projection,
) -> Result<u64, StoreError> {
    let Projection { leader, at, resources, groups, stale, .. } = projection;
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
    if !stale.is_empty() {
        let mut delete = Statement::new(DELETE_STALE);
        for (place, seq) in stale.iter().enumerate() {
            delete.push(if place == 0 { "" } else { ", " }).push_bind(*seq);
        }
        delete.push(")");
        connection.execute(delete).await?;
    }
    let behind = leader.last_seq.saturating_add(u64::try_from(resources.len()).unwrap_or(u64::MAX));
    rows::write_resources(connection, resources, leader.last_seq, *at).await?;
    rows::write_groups(connection, groups, behind, *at).await?;
    Ok(1)
}

async fn move_position(
    connection: &mut impl Connection,
    Projection { node, from, to, .. }: &Projection,
) -> Result<u64, StoreError> {
    let of = |sql, at: &ProjectedTo| {
        let statement = Statement::new(sql).bind(node.as_str()).bind(at.number).bind(at.revision);
        statement.bind(at.again).bind(at.again_to)
    };
    if *from == ProjectedTo::default() && connection.execute(of(BEGIN, to)).await? > 0 {
        return Ok(1);
    }
    let statement = of(MOVE, to).bind(from.number).bind(from.revision).bind(from.again).bind(from.again_to);
    connection.execute(statement).await
}

/// How long a leader that does not renew its lead has it.
const LEASE: SignedDuration = SignedDuration::from_secs(30);

const TAKE: &str =
    "UPDATE fhir_leader SET holder = $1, fence = fence + 1, until = $2 WHERE holder = $1 OR until < $3";

const RENEW: &str = "UPDATE fhir_leader SET until = $1 WHERE holder = $2 AND fence = $3";

const LEAD: &str = "
UPDATE fhir_leader SET until = $1, last_seq = $2, last_at = $3 WHERE holder = $4 AND fence = $5 AND last_seq = $6";

const BEGIN: &str = "
INSERT INTO fhir_position (node, number, revision, again, again_to) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (node) DO NOTHING";

const MOVE: &str = "
UPDATE fhir_position SET number = $2, revision = $3, again = $4, again_to = $5
WHERE node = $1 AND number = $6 AND revision = $7 AND again = $8 AND again_to = $9";

/// What is new goes on beside it.
const REBUILD: &str = "UPDATE fhir_position SET again = 0, again_to = number";

const DELETE_STALE: &str = "DELETE FROM fhir_group WHERE seq IN (";
