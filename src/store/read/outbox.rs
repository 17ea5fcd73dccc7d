//! Queries of the outbox.

use std::collections::HashMap;

use bytes::Bytes;
use jiff::Timestamp;

use crate::audit::Settlement;
use crate::model::{DeviceId, MessageId, NodeName};
use crate::store::error::StoreError;
use crate::store::read::reader::Reader;
use crate::store::records::outbox::{
    AwaitedResult, FailedOrder, OutboxEntry, OutboxFilter, QueuedBefore, RelayedOrder, WaitingMessage,
};
use crate::store::row::{Row, message_id};
use crate::store::statement::Statement;

impl Reader {
    pub(in crate::store) async fn waiting_messages(
        &self,
        after: Option<MessageId>,
        limit: u32,
    ) -> Result<Vec<WaitingMessage>, StoreError> {
        let after = after.map_or([0; 16], |id| *id.as_bytes());
        let statement = Statement::new(SELECT_WAITING).bind(after.as_slice()).bind(limit);
        self.fetch(statement).await?.iter().map(waiting).collect()
    }

    pub(in crate::store) async fn outbox(
        &self,
        filter: &OutboxFilter,
        now: Timestamp,
    ) -> Result<Vec<OutboxEntry>, StoreError> {
        let mut statement = Statement::new(SELECT_ENTRY);
        statement.push(" FROM outbox WHERE TRUE");
        if let Some(device) = &filter.device {
            statement.push(" AND device = ").push_bind(device.as_str());
        }
        if filter.waiting {
            statement.push(" AND outcome IS NULL AND coalesce(result_until, expires_at) > ").push_bind(now);
        }
        if let Some(before) = filter.before {
            statement.push(" AND id < ").push_bind(before.as_bytes().as_slice());
        }
        statement.push(" ORDER BY id DESC LIMIT ").push_bind(filter.limit);
        self.fetch(statement).await?.iter().map(|row| entry(row, now)).collect()
    }

    pub(in crate::store) async fn outbox_entry(
        &self,
        id: MessageId,
        now: Timestamp,
    ) -> Result<Option<(OutboxEntry, Bytes)>, StoreError> {
        let mut statement = Statement::new(SELECT_ENTRY);
        statement.push(", raw FROM outbox WHERE id = ").push_bind(id.as_bytes().as_slice());
        self.entry_with_bytes(statement, now).await
    }

    pub(in crate::store) async fn latest_sent(
        &self,
        device: &DeviceId,
        control_id: &str,
        now: Timestamp,
    ) -> Result<Option<(OutboxEntry, Bytes)>, StoreError> {
        let mut statement = Statement::new(SELECT_ENTRY);
        statement.push(", raw FROM outbox WHERE device = ").push_bind(device.as_str());
        statement.push(" AND control_id = ").push_bind(control_id);
        statement.push(" AND attempts > 0 ORDER BY id DESC LIMIT 1");
        self.entry_with_bytes(statement, now).await
    }

    pub(in crate::store) async fn queued_before(
        &self,
        device: &DeviceId,
        control_id: &str,
        raw: &[u8],
        now: Timestamp,
    ) -> Result<QueuedBefore, StoreError> {
        let latest = async |condition: &str| {
            let mut statement = Statement::new(SELECT_ENTRY);
            statement.push(" FROM outbox WHERE device = ").push_bind(device.as_str());
            statement.push(" AND control_id = ").push_bind(control_id).push(" AND raw = ").push_bind(raw);
            statement.push(condition).push(" ORDER BY id DESC LIMIT 1");
            self.fetch(statement).await?.first().map(|row| entry(row, now)).transpose()
        };
        Ok(QueuedBefore { latest: latest("").await?, sent: latest(" AND attempts > 0").await? })
    }

    /// The orders that the platform of this gateway sent, the oldest first: those that are not answered
    /// there, or all that are remembered.
    pub(in crate::store) async fn relayed_orders(
        &self,
        node: &NodeName,
        all: bool,
        now: Timestamp,
    ) -> Result<Vec<RelayedOrder>, StoreError> {
        let bound = |sql: &str| Statement::new(sql).bind(node.as_str()).bind(i64::from(all));
        let mut orders = Vec::new();
        for row in self.fetch(bound(SELECT_RELAYED)).await? {
            let arrived = optional_message(&row, "arrived", "relayed_order.arrived")?;
            orders.push(RelayedOrder { id: message_id(&row)?, entry: None, arrived });
        }
        let mut statement = bound(SELECT_ENTRY);
        statement.push(" FROM outbox WHERE id IN (").push(SELECT_RELAYED_IDS).push(")");
        let mut entries = HashMap::new();
        for row in self.fetch(statement).await? {
            let entry = entry(&row, now)?;
            entries.insert(entry.id, entry);
        }
        orders.iter_mut().for_each(|order| order.entry = entries.remove(&order.id));
        Ok(orders)
    }

    /// The message with this control id that has no outcome in the store.
    pub(in crate::store) async fn unsettled(
        &self,
        device: &DeviceId,
        control_id: &str,
    ) -> Result<Option<WaitingMessage>, StoreError> {
        let statement = Statement::new(SELECT_UNSETTLED).bind(device.as_str()).bind(control_id);
        self.fetch(statement).await?.first().map(waiting).transpose()
    }

    /// Orders that expired, were refused or were not confirmed since then, the latest first.
    pub(in crate::store) async fn failed_orders(
        &self,
        since: Timestamp,
        limit: u32,
    ) -> Result<Vec<FailedOrder>, StoreError> {
        let statement = Statement::new(SELECT_FAILED).bind(since).bind(limit);
        let failed = |row: &Row| {
            let outcome = optional_settlement(row, "outcome", "outbox.outcome")?;
            Ok(FailedOrder {
                id: message_id(row)?,
                device: row.parsed("device", "outbox.device")?,
                outcome: outcome.ok_or(StoreError::unreadable("outbox.outcome"))?,
                at: row.time("settled_at", "outbox.settled_at")?,
                attempts: row.count("attempts", "outbox.attempts")?,
            })
        };
        self.fetch(statement).await?.iter().map(failed).collect()
    }

    async fn entry_with_bytes(
        &self,
        statement: Statement,
        now: Timestamp,
    ) -> Result<Option<(OutboxEntry, Bytes)>, StoreError> {
        let rows = self.fetch(statement).await?;
        let read = |row| Ok((entry(row, now)?, row.get::<Vec<u8>>("raw")?.into()));
        rows.first().map(read).transpose()
    }
}

fn waiting(row: &Row) -> Result<WaitingMessage, StoreError> {
    Ok(WaitingMessage {
        id: message_id(row)?,
        device: row.parsed("device", "outbox.device")?,
        expires_at: row.time("expires_at", "outbox.expires_at")?,
        attempts: row.count("attempts", "outbox.attempts")?,
        sent_at: optional_time(row, "sent_at", "outbox.sent_at")?,
        claimed_until: optional_time(row, "claimed_until", "outbox.claimed_until")?,
        result: result(row)?,
        is_relayed: row.count("relayed", "a count")? > 0,
    })
}

fn entry(row: &Row, now: Timestamp) -> Result<OutboxEntry, StoreError> {
    let outcome = optional_settlement(row, "outcome", "outbox.outcome")?;
    let settled_at = optional_time(row, "settled_at", "outbox.settled_at")?;
    let mut entry = OutboxEntry {
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
        answer: optional_message(row, "answer", "outbox.answer")?,
        result: result(row)?,
        settled: outcome.zip(settled_at),
        // A late answer may have made another outcome of it.
        device_removed: outcome == Some(Settlement::Withdrawn)
            && row.get::<Option<String>>("reason")?.is_some(),
    };
    let (at, settlement) = entry.lapse();
    if entry.settled.is_none() && at <= now {
        entry.settled = Some((settlement, at));
    }
    Ok(entry)
}

fn result(row: &Row) -> Result<Option<AwaitedResult>, StoreError> {
    let until = optional_time(row, "result_until", "outbox.result_until")?;
    let otherwise = optional_settlement(row, "result_default", "outbox.result_default")?;
    Ok(until.zip(otherwise).map(|(until, otherwise)| AwaitedResult { until, otherwise }))
}

fn optional_message(row: &Row, column: &str, place: &'static str) -> Result<Option<MessageId>, StoreError> {
    let read = |bytes: Vec<u8>| bytes.try_into().map_err(|_| StoreError::unreadable(place));
    Ok(row.get::<Option<Vec<u8>>>(column)?.map(read).transpose()?.map(MessageId::from_bytes))
}

fn optional_settlement(
    row: &Row,
    column: &str,
    place: &'static str,
) -> Result<Option<Settlement>, StoreError> {
    let code = row.get::<Option<String>>(column)?;
    code.map(|code| Settlement::from_code(&code).ok_or(StoreError::unreadable(place))).transpose()
}

fn optional_time(row: &Row, column: &str, place: &'static str) -> Result<Option<Timestamp>, StoreError> {
    row.get::<Option<i64>>(column)?.map(|_| row.time(column, place)).transpose()
}

const SELECT_WAITING: &str = "
SELECT id, device, expires_at, attempts, sent_at, claimed_until, result_until, result_default,
    (SELECT count(*) FROM relayed_order WHERE relayed_order.id = outbox.id) AS relayed
FROM outbox WHERE outcome IS NULL AND id > $1 ORDER BY id LIMIT $2";

const SELECT_UNSETTLED: &str = "
SELECT id, device, expires_at, attempts, sent_at, claimed_until, result_until, result_default,
    (SELECT count(*) FROM relayed_order WHERE relayed_order.id = outbox.id) AS relayed
FROM outbox WHERE outcome IS NULL AND device = $1 AND control_id = $2";

/// `outcome IS NOT NULL` names the index on the time of settlement.
pub(in crate::store) const SELECT_FAILED: &str = "
SELECT id, device, outcome, settled_at, attempts FROM outbox
WHERE outcome IS NOT NULL AND settled_at >= $1 AND outcome IN ('expired', 'refused', 'unconfirmed')
ORDER BY settled_at DESC LIMIT $2";

const SELECT_RELAYED: &str = "
SELECT id, arrived FROM relayed_order
WHERE node = $1 AND (arrived IS NULL OR CAST($2 AS BIGINT) = 1) ORDER BY id";

const SELECT_RELAYED_IDS: &str =
    "SELECT id FROM relayed_order WHERE node = $1 AND (arrived IS NULL OR CAST($2 AS BIGINT) = 1)";

const SELECT_ENTRY: &str = "
SELECT id, queued_at, expires_at, device, message_type, control_id, actor, attempts, sent_at, acknowledgement, answer,
    result_until, result_default, outcome, settled_at, reason";
