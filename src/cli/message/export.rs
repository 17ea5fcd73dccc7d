//! `message export`.

use jiff::tz::TimeZone;

use crate::audit::Selection;
use crate::cli::context::failed;
use crate::cli::export::{Export, Line, export};
use crate::cli::{Failure, Output};
use crate::model::MessageId;
use crate::store::{MessageFilter, Store, StoreError};
use crate::view::{MessageExport, ReportedAlert};

/// Writes one line for each message that `filter` selects. `zone` is that of times in messages that state
/// none.
pub(super) async fn run(
    filter: MessageFilter,
    limit: Option<u32>,
    zone: TimeZone,
    store: &Store,
    output: Output,
) -> Result<(), Failure> {
    let selection = Selection {
        device: filter.device.clone(),
        kind: filter.kind.clone(),
        since: filter.since,
        rejected: filter.is_for_rejected(),
        limit,
        outbox: false,
    };
    export(Received { filter, zone, store }, selection, store, output).await
}

struct Received<'a> {
    filter: MessageFilter,
    zone: TimeZone,
    store: &'a Store,
}

impl Export for Received<'_> {
    async fn next_page(&mut self, limit: u32) -> Result<Vec<MessageId>, StoreError> {
        self.filter.limit = limit;
        let page: Vec<_> =
            self.store.messages(&self.filter).await?.into_iter().map(|message| message.id).collect();
        self.filter.before = page.last().copied().or(self.filter.before);
        Ok(page)
    }

    async fn line(&self, id: MessageId) -> Result<Option<Line>, Failure> {
        let Some(message) = self.store.message(id).await.map_err(failed)? else { return Ok(None) };
        let alerts = ReportedAlert::all_of(&message, &self.zone, self.store).await.map_err(failed)?;
        let json = serde_json::to_string(&MessageExport::new(&message, &alerts))?;
        Ok(Some(Line { json, is_intact: message.is_intact }))
    }
}
