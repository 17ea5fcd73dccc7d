//! Rejected messages that are accepted later: which message became which, when and on whose behalf.

use jiff::Timestamp;

use crate::store::error::StoreError;
use crate::store::statement::Statement;
use crate::store::write::connection::Connection;
use crate::store::write::incoming::IncomingMessage;

/// Records that the message is a rejected one that is accepted now, in the transaction that stores it. An
/// original can be accepted once.
pub(in crate::store) async fn record(
    connection: &mut impl Connection,
    IncomingMessage { at, record, .. }: &IncomingMessage<'_>,
) -> Result<(), StoreError> {
    let Some(reconsideration) = &record.reconsideration else { return Ok(()) };
    let insert = Statement::new(INSERT)
        .bind(reconsideration.original.as_bytes().as_slice())
        .bind(record.id.as_bytes().as_slice())
        .bind(*at)
        .bind(reconsideration.actor.as_str());
    connection.execute(insert).await.map(drop)
}

/// Deletes what was recorded before `before` once both messages are deleted: at most `limit`. As long as the
/// rejected one is there it must not be accepted again.
pub(in crate::store) async fn delete(
    connection: &mut impl Connection,
    before: Timestamp,
    limit: u32,
) -> Result<(), StoreError> {
    connection.execute(Statement::new(DELETE).bind(before).bind(limit)).await.map(drop)
}

const INSERT: &str = "INSERT INTO reconsidered (original, message, at, actor) VALUES ($1, $2, $3, $4)";

const DELETE: &str = "
DELETE FROM reconsidered WHERE original IN (
    SELECT original FROM reconsidered AS old WHERE at < $1
        AND NOT EXISTS (SELECT 1 FROM message WHERE id = old.original OR id = old.message)
    ORDER BY at LIMIT $2
)";
