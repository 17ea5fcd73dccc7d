//! Device identities that a device names and may not speak for.

use crate::store::error::StoreError;
use crate::store::statement::Statement;
use crate::store::write::connection::Connection;
use crate::store::write::incoming::IncomingMessage;

/// What an operator may want to allow. Bounded, because a device can make up as many identities as it likes; those that
/// came last stay.
pub(in crate::store) async fn remember_identities(
    connection: &mut impl Connection,
    IncomingMessage { record, .. }: &IncomingMessage<'_>,
) -> Result<(), StoreError> {
    let device = record.device.as_str();
    let short = record.not_allowed.iter().filter(|identity| identity.len() <= MAX_SEEN_IDENTITY_BYTES);
    for identity in short.take(MAX_SEEN_IDENTITIES) {
        let seen = Statement::new(UPSERT_SEEN).bind(device).bind(identity.as_str());
        connection.execute(seen.bind(record.received_at)).await?;
    }
    if !record.not_allowed.is_empty() {
        let bounded = Statement::new(DELETE_SEEN_LONG_AGO).bind(device).bind(MAX_SEEN_IDENTITIES as u64);
        connection.execute(bounded).await?;
    }
    Ok(())
}

/// How many identities are remembered of one device.
pub(in crate::store) const MAX_SEEN_IDENTITIES: usize = 256;

/// Bytes of the longest identity that is remembered: an index of PostgreSQL has no room for any length, and nobody
/// would allow such a one.
const MAX_SEEN_IDENTITY_BYTES: usize = 512;

const UPSERT_SEEN: &str = "
INSERT INTO seen_identity (device, identity, messages, first_at, last_at) VALUES ($1, $2, 1, $3, $3)
ON CONFLICT (device, identity) DO UPDATE SET
    messages = seen_identity.messages + 1,
    first_at = CASE WHEN excluded.first_at < seen_identity.first_at THEN excluded.first_at ELSE seen_identity.first_at END,
    last_at = CASE WHEN excluded.last_at > seen_identity.last_at THEN excluded.last_at ELSE seen_identity.last_at END";

const DELETE_SEEN_LONG_AGO: &str = "
DELETE FROM seen_identity WHERE device = $1 AND identity NOT IN (
    SELECT identity FROM seen_identity WHERE device = $1 ORDER BY last_at DESC, identity LIMIT $2
)";
