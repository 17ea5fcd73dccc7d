//! Queries of the outbox.

use bytes::Bytes;
use jiff::Timestamp;

use crate::audit::Settlement;
use crate::model::MessageId;
use crate::store::error::StoreError;
use crate::store::instance::process::ProcessId;
use crate::store::read::reader::Reader;
use crate::store::records::outbox::{OutboxEntry, OutboxFilter, WaitingMessage};
use crate::store::row::{Row, message_id};
use crate::store::statement::Statement;

impl Reader {
    pub(in crate::store) async fn waiting_messages(
        &self,
        process: ProcessId,
        after: Option<MessageId>,
        limit: u32,
    ) -> Result<Vec<WaitingMessage>, StoreError> {
        let after = after.map_or([0; 16], |id| *id.as_bytes());
        let statement = Statement::new(SELECT_WAITING).bind(after.as_slice()).bind(limit);
        let process = process.to_string();
        self.fetch(statement).await?.iter().map(|row| waiting(row, &process)).collect()
    }

    pub(in crate::store) async fn outbox(
        &self,
        filter: &OutboxFilter,
    ) -> Result<Vec<OutboxEntry>, StoreError> {
        let mut statement = Statement::new(SELECT_ENTRY);
        statement.push(" FROM outbox WHERE TRUE");
        if let Some(device) = &filter.device {
            statement.push(" AND device = ").push_bind(device.as_str());
        }
        if filter.waiting {
            statement.push(" AND outcome IS NULL");
        }
        if let Some(before) = filter.before {
            statement.push(" AND id < ").push_bind(before.as_bytes().as_slice());
        }
        statement.push(" ORDER BY id DESC LIMIT ").push_bind(filter.limit);
        self.fetch(statement).await?.iter().map(entry).collect()
    }

    pub(in crate::store) async fn outbox_entry(
        &self,
        id: MessageId,
    ) -> Result<Option<(OutboxEntry, Bytes)>, StoreError> {
        let mut statement = Statement::new(SELECT_ENTRY);
        statement.push(", raw FROM outbox WHERE id = ").push_bind(id.as_bytes().as_slice());
        let rows = self.fetch(statement).await?;
        let read = |row| Ok((entry(row)?, row.get::<Vec<u8>>("raw")?.into()));
        rows.first().map(read).transpose()
    }
}

fn waiting(row: &Row, process: &str) -> Result<WaitingMessage, StoreError> {
    let is_elsewhere = row.get::<Option<String>>("claimed_process")?.is_none_or(|claimed| claimed != process);
    let until = optional_time(row, "claimed_until", "outbox.claimed_until")?;
    Ok(WaitingMessage {
        id: message_id(row)?,
        device: row.parsed("device", "outbox.device")?,
        expires_at: row.time("expires_at", "outbox.expires_at")?,
        elsewhere_until: until.filter(|_| is_elsewhere),
        accepted: row.get::<Option<String>>("acknowledgement")?.is_some(),
    })
}

fn entry(row: &Row) -> Result<OutboxEntry, StoreError> {
    let outcome = row.get::<Option<String>>("outcome")?;
    let settled_at = optional_time(row, "settled_at", "outbox.settled_at")?;
    let settled = outcome.zip(settled_at).map(|(code, at)| {
        let settlement = Settlement::from_code(&code).ok_or(StoreError::unreadable("outbox.outcome"))?;
        Ok::<_, StoreError>((settlement, at))
    });
    let answer = row.get::<Option<Vec<u8>>>("answer")?.map(|bytes| {
        let bytes = bytes.try_into().map_err(|_| StoreError::unreadable("outbox.answer"))?;
        Ok::<_, StoreError>(MessageId::from_bytes(bytes))
    });
    Ok(OutboxEntry {
        id: message_id(row)?,
        queued_at: row.time("queued_at", "outbox.queued_at")?,
        expires_at: row.time("expires_at", "outbox.expires_at")?,
        device: row.parsed("device", "outbox.device")?,
        message_type: row.get("message_type")?,
        control_id: row.get("control_id")?,
        actor: row.get("actor")?,
        attempts: row.count("attempts", "outbox.attempts")?,
        sent_at: optional_time(row, "sent_at", "outbox.sent_at")?,
        acknowledgement: row.get("acknowledgement")?,
        answer: answer.transpose()?,
        settled: settled.transpose()?,
    })
}

fn optional_time(row: &Row, column: &str, place: &'static str) -> Result<Option<Timestamp>, StoreError> {
    row.get::<Option<i64>>(column)?.map(|_| row.time(column, place)).transpose()
}

const SELECT_WAITING: &str = "
SELECT id, device, expires_at, claimed_process, claimed_until, acknowledgement FROM outbox
WHERE outcome IS NULL AND id > $1 ORDER BY id LIMIT $2";

const SELECT_ENTRY: &str = "
SELECT id, queued_at, expires_at, device, message_type, control_id, actor, attempts, sent_at, acknowledgement, answer,
    outcome, settled_at";
