//! Looks an order up by its id.

use anyhow::anyhow;
use bytes::Bytes;

use crate::cli::Failure;
use crate::cli::context::failed;
use crate::model::MessageId;
use crate::southbound::OrderFacts;
use crate::store::{OutboxEntry, Store};
use crate::view::OrderView;

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

/// The orders with what they and their answers say.
///
/// # Errors
/// When the store cannot be read.
pub(super) async fn views<'a>(
    entries: &'a [OutboxEntry],
    store: &Store,
) -> Result<Vec<OrderView<'a>>, Failure> {
    let facts = OrderFacts::read(store, entries).await.map_err(failed)?;
    let with_facts =
        |(entry, facts): (_, OrderFacts)| OrderView::from(entry).with_facts(facts.addressee, facts.refusal);
    Ok(entries.iter().zip(facts).map(with_facts).collect())
}
