//! The index by which messages about a patient or an order are found.

use crate::model::{MessageId, SearchKey};
use crate::store::error::StoreError;
use crate::store::write::connection::Connection;
use crate::store::write::incoming::IncomingMessage;
use crate::store::write::retention;

/// The keys of messages, in the order of the index.
pub(in crate::store) fn keys_of<'m>(
    messages: impl IntoIterator<Item = &'m IncomingMessage<'m>>,
) -> Vec<(SearchKey, MessageId)> {
    let keys =
        |message: &'m IncomingMessage<'m>| message.record.keys.iter().map(|key| (*key, message.record.id));
    let mut rows: Vec<_> = messages.into_iter().flat_map(keys).collect();
    rows.sort_unstable();
    rows
}

/// Stores the keys of messages, in the transaction that stores the messages.
pub(in crate::store) async fn record<'m>(
    connection: &mut impl Connection,
    messages: impl IntoIterator<Item = &'m IncomingMessage<'m>>,
) -> Result<(), StoreError> {
    let rows = keys_of(messages);
    if rows.is_empty() { Ok(()) } else { connection.insert_keys(&rows).await }
}

/// Deletes the keys of messages, in the transaction that deletes the messages.
pub(in crate::store) async fn delete(
    connection: &mut impl Connection,
    messages: &[MessageId],
) -> Result<(), StoreError> {
    retention::delete_rows_of(connection, DELETE, messages).await
}

pub(in crate::store) const DELETE: &str = "DELETE FROM message_key WHERE message IN (";
