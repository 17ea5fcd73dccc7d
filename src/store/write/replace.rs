//! A message of which the store has a copy: it is acknowledged as a resend, or stored in the place of the
//! copy.
//!
//! It is stored where the trail does not say that the platform stored the copy: who writes to the database
//! could otherwise keep a device from being acknowledged, until an operator removes the copy. And where the
//! copy is old: what is acknowledged now would be removed with the copy, long before its time. Nothing of a
//! patient's is lost either way: the key by which the copy was found has the digest of the bytes.

use std::slice;

use jiff::Timestamp;

use crate::audit::{Event, ReplacedCopy};
use crate::model::NodeName;
use crate::store::error::StoreError;
use crate::store::own_chain::OwnChain;
use crate::store::statement::Statement;
use crate::store::write::connection::Connection;
use crate::store::write::forward;
use crate::store::write::incoming::{IncomingMessage, Insertion, StoredCopy, WriteOutcome};
use crate::store::write::inserted;
use crate::store::write::projection;
use crate::store::write::resend::{Standing, acknowledge, standing};
use crate::store::write::search_key;

/// Acknowledges `message` as a resend of `copy`, or stores it in the place of the copy. Appends the rows
/// about it to `trail`, which has the rows of the transaction so far.
///
/// # Errors
/// [`StoreError::UnknownCopy`] when the audit trail does not say that the platform stored the copy, and it
/// cannot be replaced: the platform's role may not remove messages, or the copy is there again. Without that
/// right [`StoreError::Denied`] for an old copy, if retention removes messages. The sender keeps its message.
pub(super) async fn repeated(
    connection: &mut impl Connection,
    chain: &OwnChain,
    message: &IncomingMessage<'_>,
    copy: StoredCopy,
    trail: &mut Vec<(Timestamp, Event)>,
) -> Result<WriteOutcome, StoreError> {
    let standing = standing(connection, chain, message, &copy, trail).await?;
    let is_acknowledged = match standing {
        Standing::Sound => true,
        // Where messages stay forever the role may lack the right; nor is the copy removed then.
        Standing::Old => !chain.removes_messages() && !connection.may_remove_messages().await?,
        Standing::Unfounded => false,
    };
    if is_acknowledged {
        return acknowledge(connection, chain, message, copy, trail).await;
    }
    let delete = Statement::new(DELETE).bind(copy.id.as_bytes().as_slice());
    match connection.execute(delete).await {
        Ok(1) => {}
        Ok(_) => return replaced_already(connection, chain, message, &copy, trail).await,
        Err(StoreError::Denied(_)) if standing == Standing::Unfounded => {
            return Err(StoreError::UnknownCopy(copy.id));
        }
        Err(error) => return Err(error),
    }
    if connection.insert_messages(slice::from_ref(message)).await? != [Insertion::Inserted] {
        return Err(StoreError::UnknownCopy(copy.id));
    }
    replaced(connection, chain.node(), message, (&copy, standing), trail).await
}

/// Another node, or another entry of the batch, has replaced the copy: that message is acknowledged. One that
/// cannot be acknowledged either is left to the next attempt.
async fn replaced_already(
    connection: &mut impl Connection,
    chain: &OwnChain,
    message: &IncomingMessage<'_>,
    copy: &StoredCopy,
    trail: &mut Vec<(Timestamp, Event)>,
) -> Result<WriteOutcome, StoreError> {
    let mut found = connection.insert_messages(slice::from_ref(message)).await?;
    if let Some(Insertion::Copy(other)) = found.pop()
        && standing(connection, chain, message, &other, trail).await? == Standing::Sound
    {
        return acknowledge(connection, chain, message, other, trail).await;
    }
    Err(StoreError::UnknownCopy(copy.id))
}

/// The message was inserted in the place of the copy.
async fn replaced(
    connection: &mut impl Connection,
    node: &NodeName,
    message: &IncomingMessage<'_>,
    (copy, standing): (&StoredCopy, Standing),
    trail: &mut Vec<(Timestamp, Event)>,
) -> Result<WriteOutcome, StoreError> {
    search_key::delete(connection, &[copy.id]).await?;
    projection::remove(connection, message.at, &[copy.id]).await?;
    if message.record.forward.is_some() {
        forward::forget(connection, copy.id).await?;
    }
    inserted::record(connection, node, message, trail).await?;
    search_key::record(connection, [message]).await?;
    let IncomingMessage { at, record, digest, .. } = message;
    let copy = copy.id;
    let replaced = ReplacedCopy { message: record.id, copy, device: record.device.clone(), digest: **digest };
    let (event, outcome) = match standing {
        Standing::Unfounded => (Event::CopyReplaced(replaced), WriteOutcome::Replaced(copy)),
        Standing::Old | Standing::Sound => (Event::CopyRenewed(replaced), WriteOutcome::Renewed(copy)),
    };
    trail.push((*at, event));
    Ok(outcome)
}

const DELETE: &str = "DELETE FROM message WHERE id = $1";
