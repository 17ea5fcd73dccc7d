//! The lines of the batch that a message came in.

use jiff::Timestamp;

use crate::store::error::StoreError;
use crate::store::records::message::first_id;
use crate::store::statement::Statement;
use crate::store::write::connection::Connection;
use crate::store::write::incoming::IncomingMessage;

/// Stores the envelope of a message, in the transaction that stores the message.
pub(in crate::store) async fn record(
    connection: &mut impl Connection,
    IncomingMessage { record, .. }: &IncomingMessage<'_>,
) -> Result<(), StoreError> {
    if record.envelope.is_empty() {
        return Ok(());
    }
    let insert = Statement::new(INSERT).bind(record.id.as_bytes().as_slice()).bind(&*record.envelope);
    connection.execute(insert).await.map(drop)
}

/// Deletes envelopes of deleted messages that were received before `before`: at most `limit`.
pub(in crate::store) async fn delete(
    connection: &mut impl Connection,
    before: Timestamp,
    limit: u32,
) -> Result<(), StoreError> {
    let delete = Statement::new(DELETE).bind(first_id(before).as_slice()).bind(limit);
    connection.execute(delete).await.map(drop)
}

const INSERT: &str = "INSERT INTO envelope (message, lines) VALUES ($1, $2)";

const DELETE: &str = "
DELETE FROM envelope WHERE message IN (
    SELECT message FROM envelope
    WHERE message < $1 AND NOT EXISTS (SELECT 1 FROM message WHERE message.id = envelope.message)
    ORDER BY message LIMIT $2
)";
