//! The lines of the batch that a message came in.

use crate::model::MessageId;
use crate::store::error::StoreError;
use crate::store::statement::Statement;
use crate::store::write::connection::Connection;
use crate::store::write::incoming::IncomingMessage;
use crate::store::write::retention;

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

/// Deletes the envelopes of messages, in the transaction that deletes the messages.
pub(in crate::store) async fn delete(
    connection: &mut impl Connection,
    messages: &[MessageId],
) -> Result<(), StoreError> {
    retention::delete_rows_of(connection, DELETE, messages).await
}

const INSERT: &str = "INSERT INTO envelope (message, lines) VALUES ($1, $2)";

pub(in crate::store) const DELETE: &str = "DELETE FROM envelope WHERE message IN (";
