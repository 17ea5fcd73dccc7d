//! `message send`: a message for a device, and what it says to it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use jiff::{SignedDuration, Timestamp};

use super::super::context::{failed, period};
use super::super::operator::operator;
use super::super::{Exit, Failure, Outcome, Output};
use super::outbox::{entry, line};
use crate::audit::Settlement;
use crate::authz::DeviceStatus;
use crate::http::OutboxView;
use crate::model::{Clock, DeviceId, MessageId};
use crate::southbound::Sendable;
use crate::store::{OutboxEntry, QueuedMessage, Store, StoreError};

/// How often it is looked whether the device has answered.
const POLL: Duration = Duration::from_millis(50);

/// What to send to whom.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The Common Name of the device's certificate
    cn: DeviceId,
    /// A file with one HL7 v2 message; lines may end as in a text file
    file: PathBuf,
    /// How long it may be sent and answered; afterwards it is not sent any more
    #[arg(long, default_value = "30s", value_name = "DURATION", value_parser = period)]
    within: SignedDuration,
    /// Queue it only, and print its id
    #[arg(long)]
    no_wait: bool,
}

pub(super) async fn run(arguments: Arguments, store: &Store, output: Output) -> Outcome {
    let clock = Clock::system();
    let Arguments { cn, file, within, no_wait } = arguments;
    let sendable = read(&file).await?;
    let device = store.device(&cn).await.map_err(failed)?;
    let device = device.ok_or_else(|| failed(StoreError::DeviceUnknown(cn.clone())))?;
    if device.status == DeviceStatus::Suspended {
        return Err(anyhow!("device {cn} is suspended and cannot connect: `device resume {cn}` first").into());
    }
    let now = clock.now();
    let id = MessageId::at(now);
    let expires_at = now.saturating_add(within).unwrap_or(Timestamp::MAX);
    let message = QueuedMessage {
        id,
        device: cn.clone(),
        message_type: sendable.message_type,
        control_id: sendable.control_id,
        expires_at,
        actor: operator(),
        raw: sendable.bytes,
    };
    store.queue(message).await.map_err(failed)?;
    if !no_wait {
        tokio::select! {
            settled = settle(id, &cn, store, &clock) => settled?,
            // Whoever does not wait for it does not want it any more.
            _ = tokio::signal::ctrl_c() => {
                store.withdraw(id, &cn, &operator()).await.map_err(failed)?;
            }
        }
    }
    let entry = entry(id, store).await?;
    output.print(&OutboxView::of(&entry), line)?;
    if no_wait { Ok(Exit::Done) } else { judge(&entry) }
}

async fn read(file: &Path) -> Result<Sendable, Failure> {
    let text = tokio::fs::read(file).await.with_context(|| format!("cannot read {}", file.display()))?;
    let sendable = Sendable::read(&text);
    Ok(sendable.with_context(|| format!("{} cannot be sent to a device", file.display()))?)
}

/// Until it is known what became of it.
async fn settle(id: MessageId, device: &DeviceId, store: &Store, clock: &Clock) -> Result<(), Failure> {
    loop {
        let entry = entry(id, store).await?;
        if entry.settled.is_some() {
            return Ok(());
        }
        // No platform may be running that could say so.
        if entry.expires_at <= clock.now() {
            store.expire(id, device).await.map_err(failed)?;
        }
        tokio::time::sleep(POLL).await;
    }
}

fn judge(entry: &OutboxEntry) -> Outcome {
    let OutboxEntry { device, attempts, acknowledgement, .. } = entry;
    let unavailable = |why: String| Err(Failure::new(Exit::Unavailable, anyhow!(why)));
    match entry.settled.map(|(settlement, _)| settlement) {
        Some(Settlement::Acknowledged) => Ok(Exit::Done),
        Some(Settlement::Refused) => {
            let code =
                acknowledgement.as_deref().filter(|code| !code.is_empty()).unwrap_or("no code of table 0008");
            let answer = entry.answer.map(|id| id.to_string()).unwrap_or_default();
            let why = format!(
                "device {device} refused the message: {code}; `message show {answer} --raw` says why"
            );
            Err(Failure::new(Exit::Failed, anyhow!(why)))
        }
        None => unavailable(format!(
            "the message is being sent and may still be until {}: `message outbox` shows what becomes of it",
            entry.expires_at
        )),
        Some(Settlement::Withdrawn) => unavailable("withdrawn: it is not sent any more".to_owned()),
        Some(Settlement::Expired) if acknowledgement.is_some() => unavailable(format!(
            "device {device} has taken the message and has not said in time what came of it"
        )),
        Some(Settlement::Expired) if *attempts > 0 => unavailable(format!(
            "device {device} did not acknowledge in time: it may have the message; it is not sent any more"
        )),
        Some(Settlement::Expired) => unavailable(format!(
            "device {device} was not connected in time, or others were before: the message was not sent, and will not be"
        )),
    }
}
