//! `order export`.

use crate::audit::Selection;
use crate::cli::context::failed;
use crate::cli::device::name_in_store;
use crate::cli::export::{Export, Line, export};
use crate::cli::{Failure, Output};
use crate::model::{DeviceId, MessageId};
use crate::store::{OutboxFilter, Store, StoreError};
use crate::view::OrderExport;

/// Writes one line for each order.
pub(super) async fn run(
    device: Option<DeviceId>,
    limit: Option<u32>,
    store: &Store,
    output: Output,
) -> Result<(), Failure> {
    let device = name_in_store(store, device).await?;
    let selection = Selection { device: device.clone(), limit, outbox: true, ..Selection::default() };
    let filter = OutboxFilter { device, ..OutboxFilter::default() };
    export(Orders { filter, store }, selection, store, output).await
}

struct Orders<'a> {
    filter: OutboxFilter,
    store: &'a Store,
}

impl Export for Orders<'_> {
    async fn next_page(&mut self, limit: u32) -> Result<Vec<MessageId>, StoreError> {
        self.filter.limit = limit;
        let page: Vec<_> = self.store.outbox(&self.filter).await?.into_iter().map(|entry| entry.id).collect();
        self.filter.before = page.last().copied().or(self.filter.before);
        Ok(page)
    }

    async fn line(&self, id: MessageId) -> Result<Option<Line>, Failure> {
        // Read again, not taken from the page: it may have been settled since.
        let Some((entry, raw)) = self.store.outbox_entry(id).await.map_err(failed)? else { return Ok(None) };
        // An order has no digest.
        let json = serde_json::to_string(&OrderExport::new(&entry, &raw))?;
        Ok(Some(Line { json, is_intact: true }))
    }
}
