//! `message export`: everything that is kept of messages, for other programs.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use super::Details;
use super::alert::{self, ReportedAlert};
use crate::audit::{Event, Selection};
use crate::cli::context::failed;
use crate::cli::operator::operator;
use crate::cli::{Failure, Output};
use crate::http::OutboxView;
use crate::model::DeviceId;
use crate::store::{MessageFilter, OutboxFilter, Store, StoredMessage};

/// How many messages are looked up at once; their bytes are read one by one.
const PAGE: u32 = 200;

#[derive(Serialize)]
struct Exported<'a> {
    #[serde(flatten)]
    details: Details<'a>,
    /// What came, byte for byte, in base64.
    raw: String,
    /// The frames that were answered, in base64; empty when there was no answer.
    acknowledgement: String,
}

/// A message for a device.
#[derive(Serialize)]
struct ExportedOutbox<'a> {
    #[serde(flatten)]
    entry: OutboxView<'a>,
    /// The message, byte for byte, in base64.
    raw: String,
}

/// Writes one line for each message for a device; one that is queued meanwhile is not among them.
pub(super) async fn outbox(
    device: Option<DeviceId>,
    limit: Option<u32>,
    store: &Store,
    output: Output,
) -> Result<(), Failure> {
    let selection = Selection { device: device.clone(), limit, outbox: true, ..Selection::default() };
    account(selection, store).await?;
    let mut filter = OutboxFilter { device, ..OutboxFilter::default() };
    let mut left = limit.unwrap_or(u32::MAX);
    while left > 0 {
        filter.limit = left.min(PAGE);
        let page = store.outbox(&filter).await.map_err(failed)?;
        let Some(last) = page.last() else { break };
        filter.before = Some(last.id);
        for entry in page {
            // Between the two questions it may have been settled, or have gone by retention.
            let Some((entry, raw)) = store.outbox_entry(entry.id).await.map_err(failed)? else { continue };
            let line = ExportedOutbox { entry: OutboxView::of(&entry), raw: STANDARD.encode(&raw) };
            output.line(&serde_json::to_string(&line).map_err(anyhow::Error::from)?)?;
            left -= 1;
        }
    }
    Ok(())
}

/// Before the first line: what has left cannot be told afterwards if this process is ended meanwhile.
async fn account(selection: Selection, store: &Store) -> Result<(), Failure> {
    store.audit(Event::MessagesExported { selection, actor: operator() }).await.map_err(failed)
}

/// Writes one line for each message that was received; one that comes meanwhile is not among them.
pub(super) async fn received(
    mut filter: MessageFilter,
    limit: Option<u32>,
    store: &Store,
    output: Output,
) -> Result<(), Failure> {
    let selection = Selection {
        device: filter.device.clone(),
        kind: filter.kind.clone(),
        since: filter.since,
        rejected: filter.rejected,
        limit,
        outbox: false,
    };
    account(selection, store).await?;
    let mut left = limit.unwrap_or(u32::MAX);
    while left > 0 {
        filter.limit = left.min(PAGE);
        let page = store.messages(&filter).await.map_err(failed)?;
        let Some(last) = page.last() else { break };
        filter.before = Some(last.id);
        for summary in page {
            // Between the two questions nothing but retention takes a message away.
            let Some(message) = store.message(summary.id).await.map_err(failed)? else { continue };
            let alerts = alert::of(&message, store).await?;
            let line = serde_json::to_string(&Exported::of(&message, &alerts));
            output.line(&line.map_err(anyhow::Error::from)?)?;
            left -= 1;
        }
    }
    Ok(())
}

impl<'a> Exported<'a> {
    fn of(message: &'a StoredMessage, alerts: &'a [ReportedAlert]) -> Self {
        Self {
            details: Details::of(message, alerts),
            raw: STANDARD.encode(&message.raw),
            acknowledgement: STANDARD.encode(&message.acknowledgement),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::fixtures::TestStore;

    #[tokio::test]
    async fn a_line_holds_every_byte() {
        let place = TestStore::new();
        let store = place.open().await;
        let record = place.rejected("1", b"MSH|\xFF\x00\r");
        store.record(record.clone()).await.unwrap();
        let stored = store.message(record.id).await.unwrap().unwrap();
        let line = serde_json::to_value(Exported::of(&stored, &[])).unwrap();
        let bytes = |key: &str| STANDARD.decode(line[key].as_str().unwrap()).unwrap();
        assert_eq!(bytes("raw"), b"MSH|\xFF\x00\r");
        assert_eq!(bytes("acknowledgement"), record.acknowledgement);
        assert_eq!(
            (&line["rejection"], &line["id"]),
            (&"identity-mismatch".into(), &record.id.to_string().into())
        );
    }
}
