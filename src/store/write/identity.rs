//! Records the identities in a message that its certificate may not speak for. An operator may want to allow
//! them.

use crate::store::error::StoreError;
use crate::store::statement::Statement;
use crate::store::write::connection::Connection;
use crate::store::write::incoming::IncomingMessage;

/// Records the identities that the sender may not speak for. Limited per device, because it can invent any
/// number of them: half of those that stay are the ones in the most messages, which invented ones do not push
/// out, and half those that were seen last, so that a new device gets on the list.
pub(in crate::store) async fn record_identities(
    connection: &mut impl Connection,
    IncomingMessage { record, .. }: &IncomingMessage<'_>,
) -> Result<(), StoreError> {
    let device = record.device.as_str();
    let recorded = record.not_allowed.iter().filter(|identity| identity.len() <= MAX_SEEN_IDENTITY_BYTES);
    for identity in recorded.take(MAX_SEEN_IN_MESSAGE) {
        let seen = Statement::new(UPSERT_SEEN).bind(device).bind(identity.as_str());
        connection.execute(seen.bind(record.received_at)).await?;
    }
    if !record.not_allowed.is_empty() {
        let delete = Statement::new(DELETE_EXCESS_SEEN).bind(device).bind(MAX_SEEN_IDENTITIES as u64 / 2);
        connection.execute(delete).await?;
    }
    Ok(())
}

/// Identities that one message adds at most: each takes the writer a statement. A gateway that names more in
/// each message is no device whose identities an operator allows one by one.
pub(in crate::store) const MAX_SEEN_IN_MESSAGE: usize = 32;

/// Identities that are retained per device. An operator allows them with `device change --from-seen`.
pub(in crate::store) const MAX_SEEN_IDENTITIES: usize = 256;

/// Longer identities are not recorded: an index of PostgreSQL limits the length of its keys, and no operator
/// would allow such an identity.
const MAX_SEEN_IDENTITY_BYTES: usize = 512;

const UPSERT_SEEN: &str = "
INSERT INTO seen_identity (device, identity, messages, first_at, last_at) VALUES ($1, $2, 1, $3, $3)
ON CONFLICT (device, identity) DO UPDATE SET
    messages = seen_identity.messages + 1,
    first_at = CASE WHEN excluded.first_at < seen_identity.first_at THEN excluded.first_at ELSE seen_identity.first_at END,
    last_at = CASE WHEN excluded.last_at > seen_identity.last_at THEN excluded.last_at ELSE seen_identity.last_at END";

const DELETE_EXCESS_SEEN: &str = "
DELETE FROM seen_identity WHERE device = $1 AND identity NOT IN (
    SELECT identity FROM seen_identity WHERE device = $1 ORDER BY messages DESC, first_at, identity LIMIT $2
) AND identity NOT IN (
    SELECT identity FROM seen_identity WHERE device = $1 ORDER BY last_at DESC, identity DESC LIMIT $2
)";
