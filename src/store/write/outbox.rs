//! Changes of the outbox, and their rows in the audit trail. The same on both databases.

use jiff::{SignedDuration, Timestamp};

use crate::audit::{Event, SettledBy, Settlement};
use crate::model::{DeviceId, MessageId, NodeName};
use crate::store::error::StoreError;
use crate::store::instance::process::ProcessId;
use crate::store::records::outbox::{AwaitedResult, QueuedMessage};
use crate::store::statement::Statement;
use crate::store::write::connection::Connection;
use crate::store::write::gone_node::FROM_GONE_TO_RUNNING;

/// A change of the outbox; each is documented at the method of [`Store`](crate::store::Store) that makes it.
#[derive(Debug)]
pub(in crate::store) enum OutboxChange {
    Queue(Box<QueuedMessage>),
    Claim {
        id: MessageId,
        device: DeviceId,
        until: Timestamp,
        process: ProcessId,
    },
    Release {
        id: MessageId,
        process: ProcessId,
    },
    /// What former processes of the node had claimed.
    ReleaseFormer {
        process: ProcessId,
    },
    Accept {
        id: MessageId,
        code: String,
        answer: MessageId,
        result: AwaitedResult,
    },
    Settle {
        id: MessageId,
        device: DeviceId,
        acknowledged: bool,
        code: String,
        answer: MessageId,
    },
    /// An answer after the outcome: it becomes another one.
    Correct {
        id: MessageId,
        device: DeviceId,
        from: Settlement,
        to: Settlement,
        code: String,
        answer: MessageId,
    },
    /// Its time is over: it is settled without an answer.
    Lapse {
        id: MessageId,
        device: DeviceId,
        settlement: Settlement,
    },
    Withdraw {
        id: MessageId,
        device: DeviceId,
        actor: String,
    },
    /// It is sent no more: it expires before its time.
    EndSending {
        id: MessageId,
        device: DeviceId,
        /// Also while a session waits for the device's answer.
        also_claimed: bool,
    },
    /// The platform of a gateway needs no answer any more.
    Relayed {
        id: MessageId,
    },
    /// The platform of a gateway has this answer of the device.
    Arrived {
        id: MessageId,
        answer: MessageId,
    },
}

impl OutboxChange {
    /// The audit row of the change, written in the same transaction.
    pub(in crate::store) fn event(&self) -> Option<Event> {
        let settled = |id: &MessageId, device: &DeviceId, settlement, basis| {
            Some(Event::SouthboundSettled { message: *id, device: device.clone(), settlement, basis })
        };
        match self {
            Self::Queue(message) => Some(Event::SouthboundQueued {
                message: message.id,
                device: message.device.clone(),
                expires: message.expires_at,
                actor: message.actor.clone(),
            }),
            Self::Claim { id, device, .. } => {
                Some(Event::SouthboundSent { message: *id, device: device.clone() })
            }
            Self::Release { .. }
            | Self::ReleaseFormer { .. }
            | Self::Accept { .. }
            | Self::Relayed { .. }
            | Self::Arrived { .. } => None,
            Self::Settle { id, device, acknowledged, code, .. } => {
                let basis = SettledBy::Answer { code: code.clone() };
                settled(id, device, Settlement::answered(*acknowledged), basis)
            }
            Self::Correct { id, device, from, to, code, .. } => {
                settled(id, device, *to, SettledBy::LateAnswer { code: code.clone(), replaced: *from })
            }
            Self::Lapse { id, device, settlement } => settled(id, device, *settlement, SettledBy::EndOfTime),
            Self::EndSending { id, device, .. } => {
                settled(id, device, Settlement::Expired, SettledBy::EndOfTime)
            }
            Self::Withdraw { id, device, actor } => {
                settled(id, device, Settlement::Withdrawn, SettledBy::Operator { actor: actor.clone() })
            }
        }
    }
}

/// Applies the change. Returns the number of rows that changed.
pub(in crate::store) async fn apply(
    connection: &mut impl Connection,
    node: &NodeName,
    at: Timestamp,
    change: &OutboxChange,
) -> Result<u64, StoreError> {
    let statement_for = |sql: &str, id: &MessageId| Statement::new(sql).bind(id.as_bytes().as_slice());
    let statement = match change {
        OutboxChange::Queue(message) => return queue(connection, node, at, message).await,
        OutboxChange::Claim { id, until, process, .. } => {
            statement_for(CLAIM, id).bind(at).bind(node.as_str()).bind(*until).bind(process.to_string())
        }
        OutboxChange::Release { id, process } => statement_for(RELEASE, id).bind(process.to_string()),
        OutboxChange::ReleaseFormer { process } => {
            Statement::new(RELEASE_FORMER).bind(node.as_str()).bind(process.to_string())
        }
        OutboxChange::Accept { id, code, answer, result } => statement_for(ACCEPT, id)
            .bind(code.as_str())
            .bind(answer.as_bytes().as_slice())
            .bind(result.until)
            .bind(result.otherwise.code()),
        OutboxChange::Settle { id, acknowledged, code, answer, .. } => statement_for(SETTLE, id)
            .bind(at)
            .bind(Settlement::answered(*acknowledged).code())
            .bind(code.as_str())
            .bind(answer.as_bytes().as_slice()),
        OutboxChange::Correct { id, from, to, code, answer, .. } => statement_for(CORRECT, id)
            .bind(at)
            .bind(from.code())
            .bind(to.code())
            .bind(code.as_str())
            .bind(answer.as_bytes().as_slice()),
        OutboxChange::Lapse { id, settlement: Settlement::Expired, .. } => statement_for(EXPIRE, id).bind(at),
        OutboxChange::Lapse { id, settlement, .. } => {
            statement_for(END_WAIT, id).bind(at).bind(settlement.code())
        }
        OutboxChange::EndSending { id, also_claimed, .. } => {
            statement_for(END_SENDING, id).bind(at).bind(i64::from(*also_claimed))
        }
        OutboxChange::Withdraw { id, .. } => statement_for(WITHDRAW, id).bind(at),
        OutboxChange::Relayed { id } => statement_for(DELETE_RELAYED, id),
        OutboxChange::Arrived { id, answer } => return arrive(connection, node, id, answer).await,
    };
    connection.execute(statement).await
}

/// Notes the answer that has arrived, unless the order is over. A role of the database may insert and delete
/// such rows, and no more.
async fn arrive(
    connection: &mut impl Connection,
    node: &NodeName,
    id: &MessageId,
    answer: &MessageId,
) -> Result<u64, StoreError> {
    let id = id.as_bytes().as_slice();
    if connection.execute(Statement::new(DELETE_RELAYED).bind(id)).await? == 0 {
        return Ok(0);
    }
    let insert =
        Statement::new(INSERT_ARRIVED).bind(id).bind(node.as_str()).bind(answer.as_bytes().as_slice());
    connection.execute(insert).await
}

async fn queue<C: Connection>(
    connection: &mut C,
    node: &NodeName,
    at: Timestamp,
    message: &QueuedMessage,
) -> Result<u64, StoreError> {
    let device = message.device.as_str();
    // A gateway keeps the orders of its platform apart by itself.
    if !message.is_relayed {
        let used = Statement::new(FIND_UNANSWERED).bind(device).bind(message.control_id.as_str());
        let since = at.saturating_sub(ANSWERED_WITHIN).unwrap_or(Timestamp::MIN);
        if connection.count(used.bind(message.raw.as_ref()).bind(since)).await? > 0 {
            return Err(StoreError::ControlIdUsed(message.device.clone()));
        }
    }
    let mut insert = Statement::new(INSERT)
        .bind(message.id.as_bytes().as_slice())
        .bind(at)
        .bind(message.expires_at)
        .bind(device)
        .bind(message.message_type.as_str())
        .bind(message.control_id.as_str())
        .bind(message.actor.as_str())
        .bind(message.raw.as_ref());
    insert.push(C::LOCK_KEY).push(UNLESS_IT_WAITS);
    let rows = connection.execute(insert).await?;
    if rows > 0 {
        if message.is_relayed {
            let relayed = Statement::new(INSERT_RELAYED).bind(message.id.as_bytes().as_slice());
            connection.execute(relayed.bind(node.as_str())).await?;
        }
        return Ok(rows);
    }
    let waiting = Statement::new(FIND_WAITING).bind(device).bind(message.control_id.as_str());
    let is_waiting = connection.execute(waiting).await? > 0;
    let device = message.device.clone();
    Err(if is_waiting { StoreError::AlreadyWaiting(device) } else { StoreError::DeviceUnknown(device) })
}

/// Withdraws every order for a device that `actor` removes, or adds: what waits for its name was meant for
/// another device. Returns the audit rows.
pub(in crate::store) async fn withdraw_all(
    connection: &mut impl Connection,
    at: Timestamp,
    device: &DeviceId,
    actor: &str,
) -> Result<Vec<Event>, StoreError> {
    let statement = Statement::new(WITHDRAW_ALL).bind(device.as_str()).bind(at);
    let withdrawn = connection.identifiers(statement).await?;
    let event = |message| Event::SouthboundSettled {
        message,
        device: device.clone(),
        settlement: Settlement::Withdrawn,
        basis: SettledBy::Removal { actor: actor.to_owned() },
    };
    Ok(withdrawn.into_iter().map(event).collect())
}

/// Deletes at most `limit` entries that were settled before `before`, the oldest first. Returns their number.
pub(in crate::store) async fn delete_settled(
    connection: &mut impl Connection,
    before: Timestamp,
    limit: u32,
) -> Result<u64, StoreError> {
    connection.execute(Statement::new(DELETE_SETTLED).bind(before).bind(limit)).await
}

/// For a device of the directory only: an order that its operator queues while the device is removed must not
/// wait for the next one of that name. The row of the device is locked against the removal.
const INSERT: &str = "
INSERT INTO outbox (id, queued_at, expires_at, device, message_type, control_id, actor, raw)
SELECT $1, $2, $3, device.id, $5, $6, $7, $8 FROM device WHERE device.id = $4";

/// After this time no answer to an order is expected any more.
const ANSWERED_WITHIN: SignedDuration = SignedDuration::from_hours(24);

/// Orders that were sent and have no last answer. The same bytes again are the same order.
const FIND_UNANSWERED: &str = "
SELECT 1 FROM outbox
WHERE device = $1 AND control_id = $2 AND attempts > 0 AND raw <> $3
    AND outcome IN ('expired', 'withdrawn', 'unconfirmed') AND settled_at > $4
    AND (reason IS NULL OR reason <> 'device-removed')
    AND (acknowledgement IS NULL OR acknowledgement = 'CA')";

const UNLESS_IT_WAITS: &str = " ON CONFLICT DO NOTHING";

/// Takes over the orders of the platform that other nodes have, in a file. Returns how many there were.
pub(in crate::store) async fn adopt(
    connection: &mut impl Connection,
    node: &NodeName,
) -> Result<u64, StoreError> {
    connection.execute(Statement::new(ADOPT_RELAYED).bind(node.as_str())).await
}

/// Gives some of the orders of the platform that a node has to another one, which passes their answers on
/// once more. Returns how many there were.
pub(in crate::store) async fn hand_over(
    connection: &mut impl Connection,
    from: &NodeName,
    to: &NodeName,
    limit: u32,
) -> Result<u64, StoreError> {
    let mut delete = Statement::new(DELETE_SOME).bind(from.as_str()).bind(to.as_str()).bind(limit);
    delete.push(FROM_GONE_TO_RUNNING).push(" RETURNING id");
    let orders = connection.identifiers(delete).await?;
    for order in &orders {
        let insert = Statement::new(INSERT_RELAYED).bind(order.as_bytes().as_slice()).bind(to.as_str());
        connection.execute(insert).await?;
    }
    Ok(orders.len() as u64)
}

/// Of a node of which no process runs, for one of which a process does.
const DELETE_SOME: &str = "
DELETE FROM relayed_order WHERE id IN (
    SELECT id FROM relayed_order WHERE node = $1 AND arrived IS NULL ORDER BY id LIMIT $3
)";

const ADOPT_RELAYED: &str = "UPDATE relayed_order SET node = $1 WHERE node <> $1";

const INSERT_RELAYED: &str = "INSERT INTO relayed_order (id, node) VALUES ($1, $2)";

const INSERT_ARRIVED: &str = "INSERT INTO relayed_order (id, node, arrived) VALUES ($1, $2, $3)";

const DELETE_RELAYED: &str = "DELETE FROM relayed_order WHERE id = $1";

const FIND_WAITING: &str =
    "UPDATE outbox SET id = id WHERE device = $1 AND control_id = $2 AND outcome IS NULL";

/// What waits for a device, or may be repeated by the platform of this gateway, when another one may soon
/// have its name.
const WITHDRAW_ALL: &str = "
UPDATE outbox SET settled_at = $2, outcome = 'withdrawn', reason = 'device-removed'
WHERE device = $1 AND (outcome IS NULL AND coalesce(result_until, expires_at) > $2
    OR (outcome IS NULL AND result_until IS NULL OR outcome = 'expired')
        AND EXISTS (SELECT 1 FROM relayed_order WHERE relayed_order.id = outbox.id))
RETURNING id";

/// The name of a node is not enough: two processes may bear it for a moment, and only one of them may send.
/// An attempt waits for the pause after the one before, on whatever node that was; a clock that was set back
/// says nothing of it.
const CLAIM: &str = "
UPDATE outbox
SET attempts = attempts + 1, sent_at = $2, claimed_by = $3, claimed_process = $5, claimed_until = $4
WHERE id = $1 AND outcome IS NULL AND acknowledgement IS NULL AND expires_at > $2
    AND (claimed_until IS NULL OR claimed_until <= $2 OR claimed_process = $5)
    AND (sent_at IS NULL OR sent_at > $2 OR sent_at + CASE
        WHEN attempts > 8 THEN 60000000
        WHEN attempts > 0 THEN 250000 << (CAST(attempts AS INTEGER) - 1)
        ELSE 0 END <= $2)";

/// Releases claims of this process only: a retry after a commit in doubt must not release the claim of
/// another process.
const RELEASE: &str = "
UPDATE outbox SET claimed_by = NULL, claimed_process = NULL, claimed_until = NULL
WHERE id = $1 AND claimed_process = $2 AND outcome IS NULL";

/// Claims of earlier versions name no process.
const RELEASE_FORMER: &str = "
UPDATE outbox SET claimed_by = NULL, claimed_process = NULL, claimed_until = NULL
WHERE claimed_by = $1 AND (claimed_process IS NULL OR claimed_process <> $2) AND outcome IS NULL";

/// The first acceptance counts: a device that repeats it must not prolong the wait for its result.
const ACCEPT: &str = "
UPDATE outbox
SET acknowledgement = $2, answer = $3, result_until = $4, result_default = $5, claimed_by = NULL,
    claimed_process = NULL, claimed_until = NULL
WHERE id = $1 AND outcome IS NULL AND result_until IS NULL";

const SETTLE: &str = "
UPDATE outbox SET settled_at = $2, outcome = $3, acknowledgement = $4, answer = $5
WHERE id = $1 AND outcome IS NULL";

const CORRECT: &str = "
UPDATE outbox
SET settled_at = CASE WHEN $3 = $4 THEN settled_at ELSE $2 END, outcome = $4, acknowledgement = $5, answer = $6
WHERE id = $1 AND outcome = $3";

/// A message that is being sent expires as well: its device may have it, and no answer came in time.
const EXPIRE: &str = "
UPDATE outbox SET settled_at = expires_at, outcome = 'expired'
WHERE id = $1 AND outcome IS NULL AND result_until IS NULL AND expires_at <= $2";

/// While a process has claimed it, the device may be about to answer.
const END_SENDING: &str = "
UPDATE outbox SET settled_at = $2, outcome = 'expired'
WHERE id = $1 AND outcome IS NULL AND acknowledgement IS NULL
    AND (claimed_until IS NULL OR claimed_until <= $2 OR CAST($3 AS BIGINT) = 1)";

const END_WAIT: &str = "
UPDATE outbox SET settled_at = result_until, outcome = $3
WHERE id = $1 AND outcome IS NULL AND result_until <= $2 AND result_default = $3";

/// Also while it is being sent or its result is awaited. What is over by its time cannot be withdrawn, unless
/// the platform of this gateway may repeat it.
const WITHDRAW: &str = "
UPDATE outbox SET settled_at = $2, outcome = 'withdrawn'
WHERE id = $1 AND (outcome IS NULL AND coalesce(result_until, expires_at) > $2
    OR (outcome IS NULL AND result_until IS NULL OR outcome = 'expired')
        AND EXISTS (SELECT 1 FROM relayed_order WHERE relayed_order.id = outbox.id))";

const DELETE_SETTLED: &str = "
DELETE FROM outbox WHERE id IN (
    SELECT id FROM outbox WHERE outcome IS NOT NULL AND settled_at < $1 ORDER BY settled_at LIMIT $2
)";
