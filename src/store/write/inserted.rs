//! What a stored message brings with it, in the transaction that stores it.

use jiff::Timestamp;

use crate::audit::Event;
use crate::model::NodeName;
use crate::store::error::StoreError;
use crate::store::write::connection::Connection;
use crate::store::write::incoming::IncomingMessage;
use crate::store::write::{alert, envelope, forward, identity, reconsidered};

/// Records what an inserted message reports, and appends the row about it to `trail`.
pub(super) async fn record(
    connection: &mut impl Connection,
    node: &NodeName,
    message: &IncomingMessage<'_>,
    trail: &mut Vec<(Timestamp, Event)>,
) -> Result<(), StoreError> {
    trail.push((message.at, message.record.event(*message.digest)));
    identity::record_identities(connection, message).await?;
    alert::record_reports(connection, message).await?;
    envelope::record(connection, message).await?;
    forward::record(connection, node, message).await?;
    reconsidered::record(connection, message).await
}
