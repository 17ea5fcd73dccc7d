//! `message outbox` and `message withdraw`: what is for devices.

use anyhow::anyhow;
use serde::Serialize;

use super::super::operator::operator;
use super::super::store::{failed, printable};
use super::super::{Exit, Failure, Output};
use crate::audit::Settlement;
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
        output.print(&View::of(&entry), View::line)?;
    }
    Ok(())
}

pub(super) async fn withdraw(id: MessageId, store: &Store, output: Output) -> Result<(), Failure> {
    let entry = entry(id, store).await?;
    let withdrawn = store.withdraw(id, &entry.device, &operator()).await.map_err(failed)?;
    let now = self::entry(id, store).await?;
    output.print(&View::of(&now), View::line)?;
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

/// A message for a device, as it is printed; never its content.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct View<'a> {
    id: String,
    queued_at: String,
    expires_at: String,
    device: &'a str,
    message_type: &'a str,
    control_id: &'a str,
    queued_by: &'a str,
    /// How often it was begun to be sent.
    attempts: u64,
    sent_at: Option<String>,
    /// `waiting`, or what became of it.
    outcome: &'static str,
    settled_at: Option<String>,
    /// MSA-1 of the device's last answer.
    acknowledgement: Option<&'a str>,
    /// The message with that answer, for `message show`.
    answer: Option<String>,
}

impl<'a> View<'a> {
    pub(super) fn of(entry: &'a OutboxEntry) -> Self {
        Self {
            id: entry.id.to_string(),
            queued_at: entry.queued_at.to_string(),
            expires_at: entry.expires_at.to_string(),
            device: entry.device.as_str(),
            message_type: &entry.message_type,
            control_id: &entry.control_id,
            queued_by: &entry.actor,
            attempts: entry.attempts,
            sent_at: entry.sent_at.map(|at| at.to_string()),
            outcome: entry.settled.map_or("waiting", |(settlement, _)| Settlement::code(settlement)),
            settled_at: entry.settled.map(|(_, at)| at.to_string()),
            acknowledgement: entry.acknowledgement.as_deref(),
            answer: entry.answer.map(|answer| answer.to_string()),
        }
    }

    pub(super) fn line(&self) -> String {
        format!(
            "{}  {:<30}  {:<20}  {:<16}  {:<20}  {:<12}  {:<2}  sent {}",
            self.id,
            self.queued_at,
            printable(self.device),
            printable(self.message_type),
            printable(self.control_id),
            self.outcome,
            self.acknowledgement.unwrap_or_default(),
            match self.attempts {
                0 => "never".to_owned(),
                1 => "once".to_owned(),
                times => format!("{times} times"),
            }
        )
    }
}
