//! What the index of FHIR resources is made from: rows of audit chains, and the messages that they name.

use std::collections::BTreeMap;

use crate::audit::ChainRow;
use crate::model::{DeviceId, Fingerprint, MessageId, NodeName};
use crate::store::content::Content;
use crate::store::error::StoreError;
use crate::store::read::projection::{SELECT_GROUPED, group};
use crate::store::read::reader::Reader;
use crate::store::records::projection::{FoundGroup, ProjectedMessage, TrailRow};
use crate::store::row::{Row, message_id};
use crate::store::statement::Statement;

impl Reader {
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
        let read = |row: &Row| message(row, "device");
        self.fetch_page(statement, max_bytes, read, |message| message.raw.len()).await
    }

    /// Who sent each of the messages that are stored.
    pub(in crate::store) async fn senders_of(
        &self,
        ids: &[MessageId],
    ) -> Result<BTreeMap<MessageId, DeviceId>, StoreError> {
        if ids.is_empty() {
            return Ok(BTreeMap::new());
        }
        let mut statement = Statement::new(SELECT_SENDERS);
        for (place, id) in ids.iter().enumerate() {
            statement.push(if place == 0 { "" } else { ", " }).push_bind(id.as_bytes().as_slice());
        }
        statement.push(")");
        let sender = |row: &Row| Ok((message_id(row)?, row.parsed("device", "message.device")?));
        self.fetch(statement).await?.iter().map(sender).collect()
    }

    /// The groups of a message, and the message.
    pub(in crate::store) async fn grouped_message(
        &self,
        id: MessageId,
    ) -> Result<(Vec<FoundGroup>, Option<ProjectedMessage>), StoreError> {
        let rows = self.fetch(Statement::new(SELECT_GROUPED).bind(id.as_bytes().as_slice())).await?;
        let groups = rows.iter().map(group).collect::<Result<_, _>>()?;
        let stored = rows.iter().find(|row| row.get::<Option<Vec<u8>>>("raw").is_ok_and(|raw| raw.is_some()));
        Ok((groups, stored.map(|row| message(row, "sender")).transpose()?))
    }
}

/// The message that a row of the trail says was accepted, if its details can be read.
fn trail_row(row: &ChainRow) -> Result<TrailRow, StoreError> {
    let details = || serde_json::from_str::<serde_json::Value>(&row.details).ok();
    let is_reconsidered = row.event == RECONSIDERED;
    let is_acceptance = is_reconsidered || row.event == ACCEPTED;
    let message = is_acceptance.then(details).flatten();
    Ok(TrailRow {
        number: u64::try_from(row.number).map_err(|_| StoreError::unreadable("audit.number"))?,
        at: jiff::Timestamp::from_microsecond(row.at).unwrap_or(jiff::Timestamp::UNIX_EPOCH),
        message: message.and_then(|details| details.get("message")?.as_str()?.parse().ok()),
        is_reconsidered,
    })
}

fn message(row: &Row, sender: &str) -> Result<ProjectedMessage, StoreError> {
    // One damaged message must not hold up the index: its stored bytes have another digest.
    let raw = Content::open_or_stored(row.get("raw")?, row.get("raw_size")?, Vec::new())?.raw;
    let digest: Vec<u8> = row.get("digest")?;
    let rejection: Option<String> = row.get("rejection")?;
    Ok(ProjectedMessage {
        id: message_id(row)?,
        device: row.parsed(sender, "message.device")?,
        received_at: row.time("received_at", "message.received_at")?,
        is_sound: rejection.is_none() && Fingerprint::sha256(&raw).as_bytes().as_slice() == digest,
        raw,
    })
}

/// The events that say that a message was accepted. A rejected message that is accepted later has a row and
/// an id of its own.
const ACCEPTED: &str = "message-accepted";
const RECONSIDERED: &str = "message-reconsidered";

const SELECT_MESSAGES: &str =
    "SELECT id, device, received_at, rejection, digest, raw_size, raw FROM message WHERE id IN (";

const SELECT_SENDERS: &str = "SELECT id, device FROM message WHERE id IN (";
