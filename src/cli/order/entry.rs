//! Looks an order up by its id.

use anyhow::anyhow;
use bytes::Bytes;

use crate::cli::Failure;
use crate::cli::context::failed;
use crate::model::MessageId;
use crate::store::{OutboxEntry, Store};

/// The order and its bytes.
///
/// # Errors
/// When there is none; the text names the right command if `id` is a received message.
pub(super) async fn find(id: MessageId, store: &Store) -> Result<(OutboxEntry, Bytes), Failure> {
    if let Some(found) = store.outbox_entry(id).await.map_err(failed)? {
        return Ok(found);
    }
    Err(match store.message(id).await.map_err(failed)? {
        Some(_) => anyhow!("{id} is a received message: use `message show {id}`"),
        None => anyhow!("no order has the id {id}"),
    }
    .into())
}
