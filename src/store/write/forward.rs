//! The queue of a gateway: messages that its platform has not acknowledged.
//!
//! A row is written in the transaction that stores the message, so that a message which is acknowledged to
//! its device is in the queue. Where the platform has accepted it and its device awaits no answer, the row
//! is deleted.

use jiff::Timestamp;

use crate::model::{MessageId, NodeName};
use crate::store::error::StoreError;
use crate::store::records::forward::{ForwardClass, ForwardOutcome};
use crate::store::statement::Statement;
use crate::store::write::connection::Connection;
use crate::store::write::gone_node::FROM_GONE_TO_RUNNING;
use crate::store::write::incoming::IncomingMessage;
use crate::store::write::{outbox, retention};

/// What became of a forwarded message.
#[derive(Debug)]
pub(in crate::store) struct Forwarded {
    pub(in crate::store) id: MessageId,
    pub(in crate::store) outcome: ForwardOutcome,
    /// Whether the message was settled before, and this is its late result.
    pub(in crate::store) is_late: bool,
}

/// Queues a message, in the transaction that stores it.
pub(in crate::store) async fn record(
    connection: &mut impl Connection,
    node: &NodeName,
    IncomingMessage { record, .. }: &IncomingMessage<'_>,
) -> Result<(), StoreError> {
    let Some(class) = record.forward else { return Ok(()) };
    let insert = Statement::new(INSERT)
        .bind(record.id.as_bytes().as_slice())
        .bind(node.as_str())
        .bind(class.number())
        .bind(record.device.as_str());
    connection.execute(insert).await.map(drop)
}

/// Records what the platform answered. Returns the number of rows that changed: 0 when that was known.
pub(in crate::store) async fn settle(
    connection: &mut impl Connection,
    node: &NodeName,
    at: Timestamp,
    Forwarded { id, outcome, is_late }: &Forwarded,
) -> Result<u64, StoreError> {
    let ForwardOutcome { is_accepted, code, reason, answer } = outcome;
    let id = id.as_bytes().as_slice();
    if *is_late {
        // What was accepted and is awaited by no device has no row any more.
        let insert = Statement::new(INSERT_SETTLED).bind(id).bind(node.as_str()).bind(at);
        connection.execute(insert).await?;
    }
    let (true, None) = (is_accepted, answer) else {
        let word = if *is_accepted { "accepted" } else { "refused" };
        let update = Statement::new(if *is_late { CORRECT } else { SETTLE })
            .bind(id)
            .bind(at)
            .bind(word)
            .bind(code.as_str());
        let reason = reason.as_deref().unwrap_or_default();
        let answer = answer.as_deref().unwrap_or_default();
        // The last one is what `nullif` compares with: no bytes.
        let update = update.bind(reason).bind(answer).bind(b"".as_slice());
        return connection.execute(update).await;
    };
    connection.execute(Statement::new(DELETE).bind(id)).await
}

/// Queues a message again that the platform has refused, or of whose way to the platform nothing is known.
/// Returns the number of rows that changed: 0 when it waits, or was accepted and has its answer.
pub(in crate::store) async fn queue_again(
    connection: &mut impl Connection,
    node: &NodeName,
    id: MessageId,
    class: ForwardClass,
) -> Result<u64, StoreError> {
    let update =
        Statement::new(QUEUE_AGAIN).bind(id.as_bytes().as_slice()).bind(node.as_str()).bind(class.number());
    connection.execute(update).await
}

/// Takes over what waits for other nodes, where they are gone. Returns how many messages and orders of the
/// platform there were.
pub(in crate::store) async fn adopt<C: Connection>(
    connection: &mut C,
    node: &NodeName,
) -> Result<u64, StoreError> {
    // A node of a server may return, and its devices with it: what it has keeps its order there.
    if !C::HAS_ONE_NODE {
        return Ok(0);
    }
    let messages = connection.execute(Statement::new(ADOPT).bind(node.as_str())).await?;
    Ok(messages + outbox::adopt(connection, node).await?)
}

/// Gives some of what waits on a node of a server to another one, in bounded portions: a statement has eight
/// seconds, and messages of devices wait for it. Returns how many messages or orders there were.
pub(in crate::store) async fn hand_over<C: Connection>(
    connection: &mut C,
    from: &NodeName,
    to: &NodeName,
) -> Result<u64, StoreError> {
    if C::HAS_ONE_NODE {
        return Ok(0);
    }
    let mut messages = Statement::new(HAND_OVER).bind(from.as_str()).bind(to.as_str()).bind(PORTION);
    messages.push(FROM_GONE_TO_RUNNING);
    match connection.execute(messages).await? {
        0 => outbox::hand_over(connection, from, to, PORTION).await,
        messages => Ok(messages),
    }
}

/// Deletes the row of a message that is stored again under another identifier.
pub(in crate::store) async fn forget(
    connection: &mut impl Connection,
    message: MessageId,
) -> Result<(), StoreError> {
    connection.execute(Statement::new(FORGET).bind(message.as_bytes().as_slice())).await.map(drop)
}

/// Deletes the settled rows of messages, in the transaction that deletes the messages.
pub(in crate::store) async fn delete(
    connection: &mut impl Connection,
    messages: &[MessageId],
) -> Result<(), StoreError> {
    retention::delete_rows_of(connection, DELETE_SETTLED, messages).await
}

const INSERT: &str = "INSERT INTO forward (message, node, class, device) VALUES ($1, $2, $3, $4)";

/// What is handed over at once.
const PORTION: u32 = 500;

/// The order of the lanes is that of their index.
const HAND_OVER: &str = "
UPDATE forward SET node = $2 WHERE message IN (
    SELECT message FROM forward WHERE node = $1 AND settled_at IS NULL ORDER BY class, device, message LIMIT $3
) AND settled_at IS NULL";

const DELETE: &str = "DELETE FROM forward WHERE message = $1 AND settled_at IS NULL";

const FORGET: &str = "DELETE FROM forward WHERE message = $1";

/// Empty texts stand for none.
const SETTLE: &str = "
UPDATE forward
SET settled_at = $2, outcome = $3, code = $4, reason = nullif($5, ''), answer = nullif($6, $7)
WHERE message = $1 AND settled_at IS NULL";

const CORRECT: &str = "
UPDATE forward
SET settled_at = $2, outcome = $3, code = $4, reason = nullif($5, ''), answer = nullif($6, $7)
WHERE message = $1";

/// The class says when a message is forwarded, and this one was.
const INSERT_SETTLED: &str = "
INSERT INTO forward (message, node, class, device, settled_at, outcome)
SELECT id, CAST($2 AS TEXT), 0, device, CAST($3 AS BIGINT), 'accepted' FROM message WHERE id = $1
ON CONFLICT (message) DO NOTHING";

/// The node that has the device's session forwards it.
const QUEUE_AGAIN: &str = "
INSERT INTO forward (message, node, class, device)
SELECT id, CAST($2 AS TEXT), CAST($3 AS BIGINT), device FROM message WHERE id = $1
ON CONFLICT (message) DO UPDATE
SET node = excluded.node, class = excluded.class, settled_at = NULL, outcome = NULL, code = NULL, reason = NULL,
    answer = NULL
WHERE forward.outcome = 'refused' OR (forward.settled_at IS NULL AND forward.node <> excluded.node)";

const ADOPT: &str = "UPDATE forward SET node = $1 WHERE settled_at IS NULL AND node <> $1";

pub(in crate::store) const DELETE_SETTLED: &str =
    "DELETE FROM forward WHERE settled_at IS NOT NULL AND message IN (";
