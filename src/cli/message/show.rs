//! `message show`.

use anyhow::anyhow;
use jiff::tz::TimeZone;

use super::text;
use crate::cli::content::{self, Content, Subject};
use crate::cli::context::failed;
use crate::cli::{Failure, Output};
use crate::model::MessageId;
use crate::store::{Store, StoredMessage};
use crate::view::{MessageDetails, ReportedAlert};

/// Shows a received message, or its content in the form that `content` asks for. `zone` is that of times in
/// messages that state none.
pub(super) async fn run(
    id: MessageId,
    content: Content,
    zone: TimeZone,
    store: &Store,
    output: Output,
) -> Result<(), Failure> {
    let message = find(id, store).await?;
    let shown = if let Some(form) = content.form() {
        let (device, bytes) = (&message.summary.device, &message.raw);
        content::show(Subject { id, device, bytes, command: "message" }, form, zone, store, output).await
    } else {
        let alerts = ReportedAlert::all_of(&message, &zone, store).await.map_err(failed)?;
        let forward = store.forwarding(id).await.map_err(failed)?;
        let details = MessageDetails::new(&message, &alerts).with_forward(forward);
        output.print(&details, |shown| text::details(shown, output)).map_err(Failure::from)
    };
    // What was shown may not be what the device sent, or is no message at all.
    if message.is_intact { shown } else { Err(Altered(id).into()) }
}

/// The bytes of a message are not those that were received.
#[derive(Debug, thiserror::Error)]
#[error(
    "the stored bytes of message {0} do not have the SHA-256 that was stored with them: they were changed or damaged after \
     they were received; do not rely on what is shown, and run `store check`"
)]
pub(super) struct Altered(MessageId);

async fn find(id: MessageId, store: &Store) -> Result<StoredMessage, Failure> {
    if let Some(message) = store.message(id).await.map_err(failed)? {
        return Ok(message);
    }
    Err(match store.outbox_entry(id).await.map_err(failed)? {
        Some(_) => anyhow!("{id} is an order: use `order show {id}`"),
        None => anyhow!("no message has the id {id}"),
    }
    .into())
}
