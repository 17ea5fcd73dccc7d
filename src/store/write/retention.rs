//! Deletes old messages and audit rows, in small batches between those of the senders.

use jiff::Timestamp;

use crate::audit::{Beginning, MessageKind};
use crate::model::{MessageId, NodeName};
use crate::store::error::StoreError;
use crate::store::records::message::first_id;
use crate::store::statement::Statement;
use crate::store::write::connection::Connection;

/// Deletes at most `limit` messages of this kind that were received before `before`, from the identifier
/// `first` on, in the order of their identifiers. Returns which.
///
/// Both the time of the identifier and the time of receipt have to be before `before`: they differ where the
/// clock was wrong, and the later one is the safe one. The reader finds `first`, so that the writer does not
/// spend its time on messages that stay.
pub(in crate::store) async fn delete_messages(
    connection: &mut impl Connection,
    kind: MessageKind,
    first: Option<MessageId>,
    before: Timestamp,
    limit: u32,
) -> Result<Vec<MessageId>, StoreError> {
    // Without one the statement runs all the same: a right that is missing is noticed.
    let first = first.unwrap_or(MessageId::from_bytes([0xff; 16]));
    let (source, id) = kind.source();
    let mut statement = Statement::new("DELETE FROM message WHERE id IN (SELECT message.id")
        .bind(first_id(before).as_slice())
        .bind(before);
    statement.push(source).push(" AND ").push(id).push(" >= ").push_bind(first.as_bytes().as_slice());
    statement.push(" ORDER BY ").push(id).push(" LIMIT ").push_bind(limit);
    statement.push(") RETURNING id");
    connection.identifiers(statement).await
}

/// Deletes what another table has of messages that were deleted. `delete` ends where the identifiers begin.
/// The statement finds the rows by their identifiers: it must not read those that stay, in the transaction
/// that holds up the senders.
pub(in crate::store) async fn delete_rows_of(
    connection: &mut impl Connection,
    delete: &'static str,
    messages: &[MessageId],
) -> Result<(), StoreError> {
    if messages.is_empty() {
        return Ok(());
    }
    connection.execute(rows_of(delete, messages)).await.map(drop)
}

pub(in crate::store) fn rows_of(delete: &'static str, messages: &[MessageId]) -> Statement {
    let mut statement = Statement::new(delete);
    push_ids(&mut statement, messages);
    statement
}

/// Appends the identifiers to a statement that ends with `IN (`, and closes it.
pub(in crate::store) fn push_ids(statement: &mut Statement, messages: &[MessageId]) {
    for (place, id) in messages.iter().enumerate() {
        statement.push(if place == 0 { "" } else { ", " }).push_bind(id.as_bytes().as_slice());
    }
    statement.push(")");
}

/// Records the new beginning of the chain and deletes the rows up to it. Returns the number of deleted rows.
pub(in crate::store) async fn delete_audit_rows(
    connection: &mut impl Connection,
    node: &NodeName,
    Beginning { link, signature, at }: &Beginning,
) -> Result<u64, StoreError> {
    let begins = Statement::new(UPSERT_BEGINNING)
        .bind(node.as_str())
        .bind(link.number)
        .bind(link.hash.as_bytes().as_slice())
        .bind(*at)
        .bind(signature.scheme.as_str())
        .bind(signature.certificate.as_slice())
        .bind(signature.value.as_slice());
    connection.execute(begins).await?;
    connection.execute(Statement::new(DELETE_AUDIT).bind(node.as_str()).bind(link.number)).await
}

/// Another process of this node may have recorded a later beginning already.
const UPSERT_BEGINNING: &str = "
INSERT INTO audit_begin (node, number, hash, at, scheme, certificate, signature) VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (node) DO UPDATE SET
    number = excluded.number, hash = excluded.hash, at = excluded.at, scheme = excluded.scheme,
    certificate = excluded.certificate, signature = excluded.signature
WHERE excluded.number > audit_begin.number";

const DELETE_AUDIT: &str = "DELETE FROM audit WHERE node = $1 AND number <= $2";
