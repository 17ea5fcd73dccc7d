//! Messages for devices: what waits, and what became of it. A message is queued by one process and sent by another, the one
//! that has the device's connection; this is where they meet.

mod change;

use std::fmt;

use bytes::Bytes;
use jiff::Timestamp;

use super::read::{Reader, message_id};
use super::statement::{Row, Statement};
use super::writer::{Write, Written};
use super::{Store, StoreError};
use crate::audit::Settlement;
use crate::model::{DeviceId, MessageId, NodeName};
pub(super) use change::{OutboxChange, apply, forget};

/// A message for a device, as it is queued.
#[derive(Clone)]
pub struct QueuedMessage {
    /// Its name in the store.
    pub id: MessageId,
    /// Whom it is for: the Common Name of the certificate.
    pub device: DeviceId,
    /// MSH-9.
    pub message_type: String,
    /// MSH-10: the device's answer names it so.
    pub control_id: String,
    /// From then on it is not sent any more.
    pub expires_at: Timestamp,
    /// Who queues it.
    pub actor: String,
    /// The message, without its frame.
    pub raw: Bytes,
}

/// What is known of a message for a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxEntry {
    /// Its name in the store.
    pub id: MessageId,
    /// When it was queued.
    pub queued_at: Timestamp,
    /// From then on it is not sent any more.
    pub expires_at: Timestamp,
    /// Whom it is for.
    pub device: DeviceId,
    /// MSH-9.
    pub message_type: String,
    /// MSH-10.
    pub control_id: String,
    /// Who queued it.
    pub actor: String,
    /// How often a node has begun to send it: the device may have it so many times.
    pub attempts: u64,
    /// When one did last.
    pub sent_at: Option<Timestamp>,
    /// MSA-1 of the device's last answer; empty when it had none of table 0008.
    pub acknowledgement: Option<String>,
    /// The message that brought that answer.
    pub answer: Option<MessageId>,
    /// What became of it, and when that was known; none while it waits.
    pub settled: Option<(Settlement, Timestamp)>,
}

/// A message that waits, as those see it who may send it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingMessage {
    /// Its name in the store.
    pub id: MessageId,
    /// Whom it is for.
    pub device: DeviceId,
    /// From then on it is not sent any more.
    pub expires_at: Timestamp,
    /// Until when it is another node's alone.
    pub elsewhere_until: Option<Timestamp>,
    /// The device has taken it, and is still to say what came of it: never send it again.
    pub accepted: bool,
}

/// Which of the messages for devices to list, the newest first.
#[derive(Debug, Clone, Default)]
pub struct OutboxFilter {
    /// Only those for this device.
    pub device: Option<DeviceId>,
    /// Only those of which nothing is known yet.
    pub waiting: bool,
    /// Only what was queued before this one: the last one of the page before.
    pub before: Option<MessageId>,
    /// At most so many.
    pub limit: u32,
}

impl Store {
    /// Queues a message for a device; durable on return.
    ///
    /// # Errors
    /// [`StoreError::AlreadyWaiting`] when one with its control id waits for the device.
    pub async fn queue(&self, message: QueuedMessage) -> Result<(), StoreError> {
        self.change_outbox(OutboxChange::Queue(Box::new(message))).await.map(drop)
    }

    /// Says before it is sent that this node sends it now, and that it is this node's alone until `until`. Whether it may:
    /// not when it is settled, expired, taken by the device, or another node's.
    ///
    /// # Errors
    /// When that could not be written; then it must not be sent.
    pub async fn claim(
        &self,
        id: MessageId,
        device: &DeviceId,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        self.change_outbox(OutboxChange::Claim { id, device: device.clone(), until }).await
    }

    /// Any node may send it again: the device has not answered.
    ///
    /// # Errors
    /// When that could not be written; it is free when its claim ends.
    pub async fn release(&self, id: MessageId) -> Result<(), StoreError> {
        self.change_outbox(OutboxChange::Release(id)).await.map(drop)
    }

    /// The device has taken it (`code`, in the message `answer`) and is still to say what came of it.
    ///
    /// # Errors
    /// When that could not be written.
    pub async fn note_accepted(
        &self,
        id: MessageId,
        code: &str,
        answer: MessageId,
    ) -> Result<(), StoreError> {
        self.change_outbox(OutboxChange::Accept { id, code: code.to_owned(), answer }).await.map(drop)
    }

    /// The device's last word on it: `code`, in the message `answer`. Whether it still waited for one.
    ///
    /// # Errors
    /// When that could not be written.
    pub async fn settle(
        &self,
        id: MessageId,
        device: &DeviceId,
        acknowledged: bool,
        code: &str,
        answer: MessageId,
    ) -> Result<bool, StoreError> {
        let (device, code) = (device.clone(), code.to_owned());
        self.change_outbox(OutboxChange::Settle { id, device, acknowledged, code, answer }).await
    }

    /// Its time is over. Whether that is so: not while a node sends it, nor when it is settled.
    ///
    /// # Errors
    /// When that could not be written.
    pub async fn expire(&self, id: MessageId, device: &DeviceId) -> Result<bool, StoreError> {
        self.change_outbox(OutboxChange::Expire { id, device: device.clone() }).await
    }

    /// `actor` takes it back. Whether that was possible: not while a node sends it, nor when the device has taken it, nor when
    /// it is settled.
    ///
    /// # Errors
    /// When that could not be written.
    pub async fn withdraw(&self, id: MessageId, device: &DeviceId, actor: &str) -> Result<bool, StoreError> {
        let (device, actor) = (device.clone(), actor.to_owned());
        self.change_outbox(OutboxChange::Withdraw { id, device, actor }).await
    }

    /// A page of what waits behind `after`, the oldest first.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn waiting_messages(
        &self,
        after: Option<MessageId>,
        limit: u32,
    ) -> Result<Vec<WaitingMessage>, StoreError> {
        self.0.reader.waiting_messages(&self.0.node, after, limit).await
    }

    /// A page of messages for devices, the newest first.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn outbox(&self, filter: &OutboxFilter) -> Result<Vec<OutboxEntry>, StoreError> {
        self.0.reader.outbox(filter).await
    }

    /// One message for a device, and its bytes.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn outbox_entry(&self, id: MessageId) -> Result<Option<(OutboxEntry, Bytes)>, StoreError> {
        self.0.reader.outbox_entry(id).await
    }

    async fn change_outbox(&self, change: OutboxChange) -> Result<bool, StoreError> {
        Ok(matches!(self.write(Write::Outbox(change)).await?, Written::Rows(1..)))
    }
}

impl Reader {
    async fn waiting_messages(
        &self,
        node: &NodeName,
        after: Option<MessageId>,
        limit: u32,
    ) -> Result<Vec<WaitingMessage>, StoreError> {
        let after = after.map_or([0; 16], |id| *id.as_bytes());
        let statement = Statement::new(SELECT_WAITING).bind(after.as_slice()).bind(limit);
        self.fetch(statement).await?.iter().map(|row| waiting(row, node)).collect()
    }

    async fn outbox(&self, filter: &OutboxFilter) -> Result<Vec<OutboxEntry>, StoreError> {
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

    async fn outbox_entry(&self, id: MessageId) -> Result<Option<(OutboxEntry, Bytes)>, StoreError> {
        let mut statement = Statement::new(SELECT_ENTRY);
        statement.push(", raw FROM outbox WHERE id = ").push_bind(id.as_bytes().as_slice());
        let rows = self.fetch(statement).await?;
        let read = |row| Ok((entry(row)?, row.get::<Vec<u8>>("raw")?.into()));
        rows.first().map(read).transpose()
    }
}

fn waiting(row: &Row, node: &NodeName) -> Result<WaitingMessage, StoreError> {
    let elsewhere = row.get::<Option<String>>("claimed_by")?.is_some_and(|claimed| claimed != node.as_str());
    let until = optional_time(row, "claimed_until", "outbox.claimed_until")?;
    Ok(WaitingMessage {
        id: message_id(row)?,
        device: row.parsed("device", "outbox.device")?,
        expires_at: row.time("expires_at", "outbox.expires_at")?,
        elsewhere_until: until.filter(|_| elsewhere),
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

impl fmt::Debug for QueuedMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueuedMessage")
            .field("id", &self.id)
            .field("device", &self.device)
            .finish_non_exhaustive()
    }
}

const SELECT_WAITING: &str = "
SELECT id, device, expires_at, claimed_by, claimed_until, acknowledgement FROM outbox
WHERE outcome IS NULL AND id > $1 ORDER BY id LIMIT $2";

const SELECT_ENTRY: &str = "
SELECT id, queued_at, expires_at, device, message_type, control_id, actor, attempts, sent_at, acknowledgement, answer,
    outcome, settled_at";
