//! `message outbox` and `message withdraw`: what is for devices.

use anyhow::anyhow;

use super::super::context::{self, failed, printable};
use super::super::operator::operator;
use super::super::{Exit, Failure, Output};
use crate::http::OutboxView;
use crate::model::{DeviceId, MessageId};
use crate::store::{OutboxEntry, OutboxFilter, Store};

/// Which messages for devices.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Only those for the device with this Common Name
    #[arg(long, value_name = "CN")]
    device: Option<DeviceId>,
    /// Only those that wait: not sent, or not answered
    #[arg(long)]
    waiting: bool,
    /// Only what was queued before this message: the last one of the page before
    #[arg(long, value_name = "MESSAGE")]
    before: Option<MessageId>,
    /// At most so many
    #[arg(long, default_value_t = 100, value_name = "N")]
    limit: u32,
}

pub(super) async fn list(arguments: Arguments, store: &Store, output: Output) -> Result<(), Failure> {
    let Arguments { device, waiting, before, limit } = arguments;
    for entry in store.outbox(&OutboxFilter { device, waiting, before, limit }).await.map_err(failed)? {
        output.print(&OutboxView::of(&entry), line)?;
    }
    Ok(())
}

pub(super) async fn withdraw(id: MessageId, store: &Store, output: Output) -> Result<(), Failure> {
    let entry = entry(id, store).await?;
    let withdrawn = store.withdraw(id, &entry.device, &operator()).await.map_err(failed)?;
    let now = self::entry(id, store).await?;
    output.print(&OutboxView::of(&now), line)?;
    if withdrawn {
        return Ok(());
    }
    let why = match (now.settled, now.acknowledgement) {
        (Some((settlement, _)), _) => format!("it is {} already", settlement.code()),
        (None, Some(_)) => "the device has taken it".to_owned(),
        (None, None) => "it is being sent; try again when the device has not answered".to_owned(),
    };
    Err(Failure::new(Exit::Failed, anyhow!("message {id} cannot be withdrawn: {why}")))
}

/// What is known of a message for a device.
pub(super) async fn entry(id: MessageId, store: &Store) -> Result<OutboxEntry, Failure> {
    let found = store.outbox_entry(id).await.map_err(failed)?;
    let (entry, _) = found.ok_or_else(|| anyhow!("no message for a device has the id {id}"))?;
    Ok(entry)
}

pub(super) fn paragraph(view: &OutboxView<'_>) -> String {
    let last = view.sent_at.as_ref().map(|at| format!(", last at {at}")).unwrap_or_default();
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    context::paragraph(&[
        ("id", view.id.clone()),
        ("outcome", view.outcome.to_owned()),
        ("settled", text(view.settled_at.as_deref())),
        ("answered", text(view.acknowledgement)),
        ("answer", text(view.answer.as_deref())),
        ("device", view.device.to_owned()),
        ("type", view.message_type.to_owned()),
        ("control id", view.control_id.to_owned()),
        ("queued", view.queued_at.clone()),
        ("queued by", view.queued_by.to_owned()),
        ("expires", view.expires_at.clone()),
        ("sent", sent(view) + &last),
    ])
}

pub(super) fn line(view: &OutboxView<'_>) -> String {
    format!(
        "{}  {:<30}  {:<20}  {:<16}  {:<20}  {:<12}  {:<2}  sent {}",
        view.id,
        view.queued_at,
        printable(view.device),
        printable(view.message_type),
        printable(view.control_id),
        view.outcome,
        view.acknowledgement.unwrap_or_default(),
        sent(view)
    )
}

fn sent(view: &OutboxView<'_>) -> String {
    match view.attempts {
        0 => "never".to_owned(),
        1 => "once".to_owned(),
        times => format!("{times} times"),
    }
}
