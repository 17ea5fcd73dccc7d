//! Queries of the queue of a gateway.

use bytes::Bytes;
use jiff::Timestamp;

use crate::model::{Fingerprint, MessageId, NodeName};
use crate::store::content::Content;
use crate::store::error::StoreError;
use crate::store::read::reader::Reader;
use crate::store::records::forward::{
    ForwardBacklog, ForwardClass, ForwardLane, ForwardState, Forwarding, RefusedForward, StrandedForwards,
    WaitingForward, WaitingForwards, WaitingLanes,
};
use crate::store::row::{Row, message_id};
use crate::store::statement::Statement;

impl Reader {
    /// The lanes of a node with messages that wait, and how many do.
    pub(in crate::store) async fn forward_lanes(&self, node: &NodeName) -> Result<WaitingLanes, StoreError> {
        let mut waiting = WaitingLanes::default();
        for row in self.fetch(Statement::new(SELECT_LANES).bind(node.as_str())).await? {
            let number = row.count("number", "a count")?;
            match lane(&row) {
                Ok(lane) => waiting.lanes.push((lane, number)),
                // One damaged row is no reason to forward nothing.
                Err(_) => waiting.unreadable += number,
            }
        }
        Ok(waiting)
    }

    /// The oldest messages of a lane behind `after`, of about `max_bytes` at most.
    pub(in crate::store) async fn waiting_forwards(
        &self,
        node: &NodeName,
        ForwardLane { class, device }: &ForwardLane,
        after: Option<MessageId>,
        limit: u32,
        max_bytes: usize,
    ) -> Result<WaitingForwards, StoreError> {
        let statement = Statement::new(SELECT_WAITING)
            .bind(node.as_str())
            .bind(class.number())
            .bind(device.as_str())
            .bind(after.map_or([0; 16], |id| *id.as_bytes()).as_slice())
            .bind(limit);
        let (page, _) = self.fetch_page(statement, max_bytes, waiting, |(_, raw)| size(raw)).await?;
        let mut waiting = WaitingForwards::default();
        for (id, raw) in page {
            match raw {
                Some(raw) => waiting.messages.push(WaitingForward { id, raw }),
                None => waiting.altered.push(id),
            }
        }
        Ok(waiting)
    }

    /// What waits for a node.
    pub(in crate::store) async fn forward_backlog(
        &self,
        node: &NodeName,
    ) -> Result<ForwardBacklog, StoreError> {
        let rows = self.fetch(Statement::new(SELECT_COUNT).bind(node.as_str())).await?;
        let messages = rows.first().map_or(Ok(0), |row| row.count("number", "a count"))?;
        Ok(ForwardBacklog { messages, oldest: self.oldest_forward_of(node).await? })
    }

    /// What waits on nodes of a server of which no process runs.
    pub(in crate::store) async fn stranded_forwards(&self) -> Result<Vec<StrandedForwards>, StoreError> {
        let mut stranded = Vec::new();
        for row in self.fetch(Statement::new(SELECT_STRANDED)).await? {
            let (messages, orders) = (row.count("messages", "a count")?, row.count("orders", "a count")?);
            if messages == 0 && orders == 0 {
                continue;
            }
            let node: NodeName = row.parsed("node", "node_lease.node")?;
            let (alarms, oldest) = (row.count("alarms", "a count")?, self.oldest_forward_of(&node).await?);
            stranded.push(StrandedForwards { node, messages, alarms, orders, oldest });
        }
        Ok(stranded)
    }

    /// The oldest message that waits for a node.
    pub(in crate::store) async fn oldest_forward_of(
        &self,
        node: &NodeName,
    ) -> Result<Option<MessageId>, StoreError> {
        let statement = Statement::new(SELECT_OLDEST_OF).bind(node.as_str());
        self.fetch(statement).await?.first().map(message_id).transpose()
    }

    /// The oldest message that waits, of any node.
    pub(in crate::store) async fn oldest_forward(&self) -> Result<Option<MessageId>, StoreError> {
        self.fetch(Statement::new(SELECT_OLDEST)).await?.first().map(message_id).transpose()
    }

    pub(in crate::store) async fn forward_state(
        &self,
        node: &NodeName,
        id: MessageId,
    ) -> Result<ForwardState, StoreError> {
        let rows = self.fetch(Statement::new(SELECT_STATE).bind(id.as_bytes().as_slice())).await?;
        let Some(row) = rows.first() else { return Ok(ForwardState::Absent) };
        Ok(match row.get::<Option<i64>>("settled_at")? {
            None => ForwardState::Waiting { elsewhere: row.get::<String>("node")? != node.as_str() },
            Some(_) => ForwardState::Settled {
                refused: row.get("refused")?,
                answer: row.get::<Option<Vec<u8>>>("answer")?.map(Bytes::from),
            },
        })
    }

    pub(in crate::store) async fn forwarding(&self, id: MessageId) -> Result<Option<Forwarding>, StoreError> {
        let rows = self.fetch(Statement::new(SELECT_FORWARDING).bind(id.as_bytes().as_slice())).await?;
        rows.first().map(forwarding).transpose()
    }

    /// What the platform has refused since then, the latest first.
    pub(in crate::store) async fn refused_forwards(
        &self,
        since: Timestamp,
        limit: u32,
    ) -> Result<Vec<RefusedForward>, StoreError> {
        self.fetch(Statement::new(SELECT_REFUSED).bind(since).bind(limit))
            .await?
            .iter()
            .map(refused)
            .collect()
    }
}

fn lane(row: &Row) -> Result<ForwardLane, StoreError> {
    let class =
        ForwardClass::from_number(row.get("class")?).ok_or(StoreError::unreadable("forward.class"))?;
    Ok(ForwardLane { class, device: row.parsed("device", "forward.device")? })
}

/// A message with its bytes, if they are those that were received.
fn waiting(row: &Row) -> Result<(MessageId, Option<Bytes>), StoreError> {
    let digest: Vec<u8> = row.get("digest")?;
    let raw = match Content::decompress(row.get("raw")?, row.get("raw_size")?) {
        Ok(raw) => Some(raw).filter(|raw| Fingerprint::sha256(raw).as_bytes().as_slice() == digest),
        Err(StoreError::Corrupt { .. }) => None,
        // Nothing is known of the message: it waits.
        Err(error) => return Err(error),
    };
    Ok((message_id(row)?, raw))
}

fn size(raw: &Option<Bytes>) -> usize {
    raw.as_ref().map_or(0, Bytes::len)
}

fn forwarding(row: &Row) -> Result<Forwarding, StoreError> {
    let Some(outcome) = row.get::<Option<String>>("outcome")? else { return Ok(Forwarding::Waiting) };
    Ok(Forwarding::Settled {
        at: row.time("settled_at", "forward.settled_at")?,
        is_accepted: outcome == "accepted",
        code: row.get::<Option<String>>("code")?.unwrap_or_default(),
        reason: row.get("reason")?,
    })
}

fn refused(row: &Row) -> Result<RefusedForward, StoreError> {
    Ok(RefusedForward {
        id: message_id(row)?,
        device: row.parsed("device", "forward.device")?,
        is_alarm: row.count("alarm", "message.pcd_transaction")? > 0,
        at: row.time("settled_at", "forward.settled_at")?,
        code: row.get("code")?,
        reason: row.get("reason")?,
    })
}

const SELECT_LANES: &str = "
SELECT class, device, CAST(count(*) AS BIGINT) AS number FROM forward
WHERE node = $1 AND settled_at IS NULL GROUP BY class, device ORDER BY class, device";

/// A message that an operator has removed from the database is left out.
const SELECT_WAITING: &str = "
SELECT message.id, message.digest, message.raw, message.raw_size
FROM forward JOIN message ON message.id = forward.message
WHERE forward.node = $1 AND forward.class = $2 AND forward.device = $3 AND forward.settled_at IS NULL
    AND forward.message > $4
ORDER BY forward.message LIMIT $5";

const SELECT_COUNT: &str =
    "SELECT CAST(count(*) AS BIGINT) AS number FROM forward WHERE node = $1 AND settled_at IS NULL";

/// Without its message a row waits for nothing: it holds up no retention.
const SELECT_OLDEST: &str = "
SELECT forward.message AS id FROM forward JOIN message ON message.id = forward.message
WHERE forward.settled_at IS NULL ORDER BY forward.message LIMIT 1";

/// A process that runs renews its lease each two seconds, and loses it after ten. Rows of the queue are
/// written by processes with a lease only.
const SELECT_STRANDED: &str = "
SELECT lease.node AS node,
    (SELECT count(*) FROM forward WHERE forward.node = lease.node AND settled_at IS NULL) AS messages,
    (SELECT count(*) FROM forward WHERE forward.node = lease.node AND settled_at IS NULL AND class = 0) AS alarms,
    (SELECT count(*) FROM relayed_order WHERE relayed_order.node = lease.node AND arrived IS NULL) AS orders
FROM node_lease AS lease
WHERE lease.renewed_at <= (extract(epoch FROM clock_timestamp() - interval '10 seconds') * 1000000)::bigint
ORDER BY lease.node";

const SELECT_OLDEST_OF: &str = "
SELECT forward.message AS id FROM forward JOIN message ON message.id = forward.message
WHERE forward.settled_at IS NULL AND forward.node = $1 ORDER BY forward.message LIMIT 1";

const SELECT_STATE: &str = "
SELECT node, settled_at, answer, CASE outcome WHEN 'refused' THEN coalesce(code, '') END AS refused
FROM forward WHERE message = $1";

const SELECT_FORWARDING: &str = "SELECT settled_at, outcome, code, reason FROM forward WHERE message = $1";

const SELECT_REFUSED: &str = "
SELECT forward.message AS id, forward.device AS device, settled_at, code, reason,
    CAST(CASE WHEN message.pcd_transaction = 'PCD-04' THEN 1 ELSE 0 END AS BIGINT) AS alarm
FROM forward LEFT JOIN message ON message.id = forward.message
WHERE outcome = 'refused' AND settled_at >= $1 ORDER BY settled_at DESC LIMIT $2";
