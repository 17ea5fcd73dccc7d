//! `order send`: queues an order and waits for its outcome.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::entry::{find, views};
use super::text;
use crate::audit::Settlement;
use crate::authz::{Device, DeviceStatus, Directory, OrderTarget, order_target};
use crate::cli::context::failed;
use crate::cli::input;
use crate::cli::operator::{interrupted, operator};
use crate::cli::time::parse_duration;
use crate::cli::{Exit, Failure, Outcome, Output};
use crate::config::{Config, Conformance, Identity};
use crate::hl7::{Message, Rejection};
use crate::model::{DeviceId, MessageId};
use crate::pcd::Transaction;
use crate::southbound::{Sendable, check_alert_status, name_alert};
use crate::store::{OutboxEntry, QueuedMessage, Store, StoreError};
use crate::view::{OrderView, ReportedAlert};

/// Options of `order send`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The Common Name of the device's certificate
    cn: DeviceId,
    /// A file with one HL7 v2 message; line feeds become carriage returns
    file: PathBuf,
    /// How long the platform may send the order, between 1s and 7d: 30s, 5m, 1h. A device that has accepted
    /// it in this time has `orders.acknowledgement-timeout` to report the result
    #[arg(long, default_value = "30s", value_name = "DURATION", value_parser = parse_duration)]
    within: SignedDuration,
    /// A message that reported the alert of a PCD-05: MSA-2, if it is empty, becomes the control id that
    /// reported the alert first
    #[arg(long, value_name = "ID")]
    alert: Option<MessageId>,
    /// Refuse a message that does not name the device as its target (MSH-5, OBX-18, PRT-10)
    #[arg(long)]
    must_name_device: bool,
    /// Queue the order, print it, and do not wait for the device
    #[arg(long)]
    no_wait: bool,
}

pub(super) async fn run(arguments: Arguments, config: &Config, store: &Store, output: Output) -> Outcome {
    let Arguments { cn, file, within, alert, must_name_device, no_wait } = arguments;
    let sendable = read(&file).await?;
    let device = store.device(&cn).await.map_err(failed)?;
    let device = device.ok_or_else(|| failed(StoreError::DeviceUnknown(cn)))?;
    let cn = device.id.clone();
    let sendable = match alert {
        Some(alert) => about_alert(&sendable, alert, &device, store).await?,
        None => sendable,
    };
    check_alert_status(&sendable.bytes).context("the order was not queued")?;
    check_profile(&sendable, config.messages.conformance, output)?;
    check_receiver(&device)?;
    let directory = Directory::from(store.devices().await.map_err(failed)?);
    check_target(&sendable, (&device, &directory), (config, must_name_device), output)?;
    let now = store.now();
    // Orders are sent in the order of their identifiers.
    store.continue_identifiers(now, MAX_LEAD).await.map_err(failed)?;
    let id = MessageId::at(now);
    let message = QueuedMessage {
        id,
        device: cn.clone(),
        message_type: sendable.message_type,
        control_id: sendable.control_id,
        expires_at: now.saturating_add(within).unwrap_or(Timestamp::MAX),
        actor: operator(),
        raw: sendable.bytes,
        is_relayed: false,
    };
    store.queue(message).await.map_err(failed)?;
    if !no_wait {
        tokio::select! {
            settled = wait(id, &cn, store) => settled?,
            () = interrupted() => {
                store.withdraw(id, &cn, &operator()).await.map_err(failed)?;
            }
        }
    }
    let (entry, _) = find(id, store).await?;
    let views = views(std::slice::from_ref(&entry), store).await?;
    let why = views.first().map(refusal).unwrap_or_default();
    for view in views {
        output.print(&view, |order| text::line(order, output))?;
    }
    if no_wait {
        return Ok(Exit::Done);
    }
    if entry.device_removed {
        let why = format!("device {cn} was removed from the directory: {}", withdrawn(&entry));
        return Err(Failure::new(Exit::Unavailable, anyhow!(why)));
    }
    outcome(&entry, &why)
}

/// What is known of a refusal besides its code: of which device behind a gateway it is, and why.
fn refusal(order: &OrderView<'_>) -> String {
    let device = order.addressee.as_ref().map(|device| format!(" for {device}")).unwrap_or_default();
    let reason = order.refusal.as_ref().map(|code| format!(" ({code})")).unwrap_or_default();
    device + &reason
}

/// Refuses a device that gets no orders.
fn check_receiver(device: &Device) -> Result<(), Failure> {
    let cn = &device.id;
    if device.status == DeviceStatus::Suspended {
        return Err(anyhow!("device {cn} is suspended and cannot connect: `device resume {cn}` first").into());
    }
    if !device.receives_orders {
        let why = format!(
            "device {cn} receives no orders by its entry in the directory: the order was not queued; \
             `device change {cn} --receives-orders yes` allows orders"
        );
        return Err(anyhow!(why).into());
    }
    Ok(())
}

/// The PCD-05 with the control id of its alert. `alert` is any message that reported it.
async fn about_alert(
    sendable: &Sendable,
    alert: MessageId,
    device: &Device,
    store: &Store,
) -> Result<Sendable, Failure> {
    let message = store.message(alert).await.map_err(failed)?;
    let message = message.ok_or_else(|| anyhow!("no message {alert} is stored: the order was not queued"))?;
    if message.summary.device != device.id {
        let why = format!(
            "message {alert} is of another device: what is reported of an alert goes to the device that \
             reported it; the order was not queued"
        );
        return Err(anyhow!(why).into());
    }
    if !message.is_intact {
        return Err(anyhow!("message {alert} was altered in the store; the order was not queued").into());
    }
    let alerts = ReportedAlert::all_of(&message, &TimeZone::UTC, store).await.map_err(failed)?;
    let origins: BTreeSet<_> = alerts.into_iter().filter_map(|alert| alert.first_control_id).collect();
    let (Some(control_id), 1) = (origins.first(), origins.len()) else {
        let why = match origins.len() {
            0 => "reports no alert that the store knows",
            _ => "reports several alerts: write the control id of the one that is meant into MSA-2",
        };
        return Err(anyhow!("message {alert} {why}; the order was not queued").into());
    };
    let named = name_alert(&sendable.bytes, control_id).context("the order was not queued")?;
    Ok(Sendable::read(&named).context("the order was not queued")?)
}

async fn read(file: &Path) -> Result<Sendable, Failure> {
    let text = input::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let sendable = Sendable::read(&text);
    Ok(sendable.with_context(|| format!("cannot send {} to a device", file.display()))?)
}

/// Reports what the order lacks by the profile of its transaction.
fn check_profile(sendable: &Sendable, conformance: Conformance, output: Output) -> Result<(), Failure> {
    let findings = sendable.findings();
    for finding in &findings {
        output.warn(&Rejection::from(*finding).to_string())?;
    }
    if conformance == Conformance::Strict && findings.iter().any(|finding| !finding.is_advice) {
        let why = "the order breaks the profile of its transaction, and `messages.conformance` is strict: \
                   the order was not queued";
        return Err(anyhow!(why).into());
    }
    Ok(())
}

/// Refuses an order that says itself that it is for another device.
fn check_target(
    sendable: &Sendable,
    (device, directory): (&Device, &Directory),
    (config, must_name_device): (&Config, bool),
    output: Output,
) -> Result<(), Failure> {
    let Ok(order) = Message::parse(&sendable.bytes) else { return Ok(()) };
    let (why, is_refused) = match order_target(device, directory, &order) {
        OrderTarget::Own => return Ok(()),
        OrderTarget::Unnamed if must_name_device => {
            ("the message does not name the device: fill MSH-5, OBX-18 or PRT-10".to_owned(), true)
        }
        OrderTarget::Unnamed if Transaction::of(&order) != Some(Transaction::Pcd03) => return Ok(()),
        OrderTarget::Unnamed => (
            "the order names no pump: fill OBX-18 of the OBX 69986 (MDC_DEV_PUMP_INFUS_VMD)".to_owned(),
            config.messages.conformance == Conformance::Strict,
        ),
        OrderTarget::Other(location) => (
            format!(
                "the order names another device than {cn} at {location}: if {cn} passes orders on to that device, \
                 `device change {cn} --also-speaks-for ID`",
                cn = device.id
            ),
            config.devices.identity != Identity::Record,
        ),
    };
    if is_refused {
        return Err(anyhow!("{why}; the order was not queued").into());
    }
    Ok(output.warn(&why)?)
}

/// Waits until the order has an outcome.
async fn wait(id: MessageId, device: &DeviceId, store: &Store) -> Result<(), Failure> {
    loop {
        let (entry, _) = find(id, store).await?;
        let (end, settlement) = entry.lapse();
        // There may be no running platform to settle it.
        if end <= store.now() {
            store.lapse(id, device, settlement).await.map_err(failed)?;
        }
        if entry.settled.is_some() {
            return Ok(());
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// The exit code for the outcome, and the explanation on stderr.
fn outcome(entry: &OutboxEntry, refusal: &str) -> Outcome {
    let OutboxEntry { id, device, attempts, acknowledgement, .. } = entry;
    let unavailable = |why: String| Err(Failure::new(Exit::Unavailable, anyhow!(why)));
    match entry.settled.map(|(settlement, _)| settlement) {
        Some(Settlement::Acknowledged) => Ok(Exit::Done),
        Some(Settlement::Refused) => {
            let code = acknowledgement.as_deref().filter(|code| !code.is_empty());
            let code = code.unwrap_or("no code of table 0008");
            let answer = entry.answer.map(|id| id.to_string()).unwrap_or_default();
            let why = format!(
                "device {device} refused the order{refusal}: {code}; `message show {answer} --raw` shows its answer"
            );
            Err(Failure::new(Exit::Failed, anyhow!(why)))
        }
        None => unavailable(format!(
            "the order is being sent and may be sent until {}; `order show {id}` shows its outcome",
            entry.expires_at
        )),
        Some(Settlement::Withdrawn) => unavailable(withdrawn(entry)),
        Some(Settlement::Unconfirmed) => unavailable(format!(
            "device {device} has the order and did not report a clear result in time: \
             look at the device; `order show {id}` shows a later answer"
        )),
        Some(Settlement::Expired) if *attempts > 0 => unavailable(format!(
            "device {device} did not acknowledge in time: it may have the order; the order will not be sent again"
        )),
        Some(Settlement::Expired) => unavailable(format!(
            "device {device} was not connected in time, or earlier orders were not settled: \
             the order was not sent and will not be sent"
        )),
    }
}

/// What is known of the device when its order was withdrawn.
pub(super) fn withdrawn(OutboxEntry { device, attempts, acknowledgement, .. }: &OutboxEntry) -> String {
    match (acknowledgement, attempts) {
        (Some(code), _) if code == "CA" => {
            format!("the order was withdrawn after device {device} had accepted it: look at the device")
        }
        (Some(code), _) => format!("the order was withdrawn; device {device} answered it with {code}"),
        (None, 0) => "the order was withdrawn and will not be sent".to_owned(),
        (None, _) => format!(
            "the order was withdrawn and will not be sent again; device {device} may have it: look at the device"
        ),
    }
}

/// How often the outcome is read from the store.
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// A newer order of a time that is further ahead than this is the mistake of a clock.
const MAX_LEAD: Duration = Duration::from_hours(3 * 24);
