//! Queries of the index of FHIR resources, and of what it is made from.

use std::collections::BTreeMap;

use crate::audit::ChainRow;
use crate::model::{Fingerprint, MessageId, NodeName};
use crate::store::content::Content;
use crate::store::error::StoreError;
use crate::store::read::reader::Reader;
use crate::store::records::projection::{
    FoundGroup, FoundResource, ProjectedMessage, ProjectedTo, ProjectionLeader, TrailRow,
};
use crate::store::row::{Row, message_id};
use crate::store::statement::Statement;

impl Reader {
    pub(in crate::store) async fn projection_leader(&self) -> Result<ProjectionLeader, StoreError> {
        let rows = self.fetch(Statement::new(SELECT_LEADER)).await?;
        let row = rows.first().ok_or(StoreError::unreadable("fhir_leader"))?;
        Ok(ProjectionLeader {
            holder: row.get("holder")?,
            fence: row.count("fence", "fhir_leader.fence")?,
            until: row.time("until", "fhir_leader.until")?,
            last_seq: row.count("last_seq", "fhir_leader.last_seq")?,
            last_at: row.time("last_at", "fhir_leader.last_at")?,
        })
    }

    /// How far the chain of each node is projected.
    pub(in crate::store) async fn projected_to(&self) -> Result<BTreeMap<String, ProjectedTo>, StoreError> {
        let position = |row: &Row| -> Result<(String, ProjectedTo), StoreError> {
            let revision = row.count("revision", "fhir_position.revision")?;
            let number = row.count("number", "fhir_position.number")?;
            Ok((row.get("node")?, ProjectedTo { number, revision: u32::try_from(revision).unwrap_or(0) }))
        };
        self.fetch(Statement::new(SELECT_POSITIONS)).await?.iter().map(position).collect()
    }

    /// The rows of a chain after `number`: at most `limit`.
    pub(in crate::store) async fn trail_after(
        &self,
        node: &NodeName,
        number: u64,
        limit: u32,
    ) -> Result<Vec<TrailRow>, StoreError> {
        let after = i64::try_from(number).unwrap_or(i64::MAX);
        self.audit_chain(node, Some(after), limit).await?.iter().map(trail_row).collect()
    }

    /// Those of the messages that are stored, of about `max_bytes` at most, and whether that cut them: all up
    /// to the last one are there.
    pub(in crate::store) async fn projected_messages(
        &self,
        ids: &[MessageId],
        max_bytes: usize,
    ) -> Result<(Vec<ProjectedMessage>, bool), StoreError> {
        if ids.is_empty() {
            return Ok((Vec::new(), false));
        }
        let mut statement = Statement::new(SELECT_MESSAGES);
        for (place, id) in ids.iter().enumerate() {
            statement.push(if place == 0 { "" } else { ", " }).push_bind(id.as_bytes().as_slice());
        }
        statement.push(") ORDER BY id");
        self.fetch_page(statement, max_bytes, message, |message| message.raw.len()).await
    }

    /// The resource with this reference.
    pub(in crate::store) async fn projected_resource(
        &self,
        reference: &str,
    ) -> Result<Option<FoundResource>, StoreError> {
        let found = |row: &Row| -> Result<FoundResource, StoreError> {
            Ok(FoundResource {
                message: message_id(row)?,
                version: row.count("version", "fhir_resource.version")?,
                projected_at: row.time("projected_at", "fhir_resource.projected_at")?,
            })
        };
        let rows = self.fetch(Statement::new(SELECT_RESOURCE).bind(reference)).await?;
        rows.first().map(found).transpose()
    }

    /// The groups of a message.
    pub(in crate::store) async fn groups_of_message(
        &self,
        message: MessageId,
    ) -> Result<Vec<FoundGroup>, StoreError> {
        let mut statement = Statement::new(SELECT_GROUPS);
        statement.push(" WHERE found.message = ").push_bind(message.as_bytes().as_slice());
        statement.push(" ORDER BY found.seq");
        self.fetch(statement).await?.iter().map(group).collect()
    }

    /// Groups of a subject or of a device, the latest first, behind this one.
    pub(in crate::store) async fn latest_groups(
        &self,
        reference: &str,
        behind: Option<&FoundGroup>,
        limit: u32,
    ) -> Result<Vec<FoundGroup>, StoreError> {
        let column = if reference.starts_with("Patient/") { "found.subject" } else { "found.device" };
        let mut statement = Statement::new(SELECT_GROUPS);
        statement
            .push(" WHERE ")
            .push(column)
            .push(" = (SELECT number FROM fhir_resource WHERE reference = ");
        statement.push_bind(reference).push(")");
        if let Some(FoundGroup { at, seq, .. }) = behind {
            statement
                .push(" AND (found.at, found.seq) < (")
                .push_bind(*at)
                .push(", ")
                .push_bind(*seq)
                .push(")");
        }
        statement.push(" ORDER BY found.at DESC, found.seq DESC LIMIT ").push_bind(limit);
        self.fetch(statement).await?.iter().map(group).collect()
    }
}

/// The message that a row of the trail says was accepted, if its details can be read.
fn trail_row(row: &ChainRow) -> Result<TrailRow, StoreError> {
    let details = || serde_json::from_str::<serde_json::Value>(&row.details).ok();
    let is_acceptance = ACCEPTANCES.contains(&row.event.as_str());
    let message = is_acceptance.then(details).flatten();
    Ok(TrailRow {
        number: u64::try_from(row.number).map_err(|_| StoreError::unreadable("audit.number"))?,
        at: jiff::Timestamp::from_microsecond(row.at).unwrap_or(jiff::Timestamp::UNIX_EPOCH),
        message: message.and_then(|details| details.get("message")?.as_str()?.parse().ok()),
    })
}

fn message(row: &Row) -> Result<ProjectedMessage, StoreError> {
    // One damaged message must not hold up the index: its stored bytes have another digest.
    let raw = Content::open_or_stored(row.get("raw")?, row.get("raw_size")?, Vec::new())?.raw;
    let digest: Vec<u8> = row.get("digest")?;
    let rejection: Option<String> = row.get("rejection")?;
    Ok(ProjectedMessage {
        id: message_id(row)?,
        device: row.parsed("device", "message.device")?,
        received_at: row.time("received_at", "message.received_at")?,
        is_sound: rejection.is_none() && Fingerprint::sha256(&raw).as_bytes().as_slice() == digest,
        raw,
    })
}

fn group(row: &Row) -> Result<FoundGroup, StoreError> {
    Ok(FoundGroup {
        seq: row.count("seq", "fhir_group.seq")?,
        message: message_id(row)?,
        subject: row.get("subject")?,
        device: row.get("device")?,
        alert: row.get("alert")?,
        at: row.time("at", "fhir_group.at")?,
        version: row.count("version", "fhir_group.revision")?,
        projected_at: row.time("projected_at", "fhir_group.projected_at")?,
    })
}

/// The events that say that a message was accepted. A rejected message that is accepted later has a row and
/// an id of its own.
const ACCEPTANCES: [&str; 2] = ["message-accepted", "message-reconsidered"];

const SELECT_LEADER: &str = "SELECT holder, fence, until, last_seq, last_at FROM fhir_leader";

const SELECT_POSITIONS: &str = "SELECT node, number, revision FROM fhir_position";

const SELECT_MESSAGES: &str =
    "SELECT id, device, received_at, rejection, digest, raw_size, raw FROM message WHERE id IN (";

const SELECT_RESOURCE: &str =
    "SELECT message AS id, version, projected_at FROM fhir_resource WHERE reference = $1";

const SELECT_GROUPS: &str = "
SELECT found.seq, found.message AS id, subject.reference AS subject, device.reference AS device,
    alert.reference AS alert, found.at, coalesce(alert.version, found.revision) AS version,
    coalesce(alert.projected_at, found.projected_at) AS projected_at
FROM fhir_group AS found
    LEFT JOIN fhir_resource AS subject ON subject.number = found.subject
    LEFT JOIN fhir_resource AS device ON device.number = found.device
    LEFT JOIN fhir_resource AS alert ON alert.number = found.alert";
