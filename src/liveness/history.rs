//! What the store knows of the liveness of devices, at the start.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::heartbeat::Heartbeat;
use super::rules::DeviceLiveness;
use super::sign_of_life::SignOfLife;
use super::table::Liveness;
use crate::authz::{Device, DeviceKind};
use crate::hl7::Message;
use crate::model::MessageId;
use crate::pcd::Transaction;
use crate::store::{MessageFilter, MessageSummary, RECONSIDERED, Store, StoreError};

/// Learns from the newest accepted messages of each device. The content is read of heartbeats, and of the
/// messages of those that send for others.
pub(super) async fn restore(store: &Store, liveness: &Liveness, now: Timestamp) -> Result<(), StoreError> {
    for device in store.devices().await? {
        let is_for_others = device.kind == DeviceKind::Gateway || !device.speaks_for.is_empty();
        let limit = if is_for_others { MESSAGES_FOR_OTHERS } else { MESSAGES };
        let filter = MessageFilter { device: Some(device.id.clone()), limit, ..MessageFilter::default() };
        let messages = store.messages(&filter).await?;
        let mut own = Vec::new();
        let mut behind: BTreeMap<String, Vec<(Timestamp, Option<Heartbeat>)>> = BTreeMap::new();
        // A message that was reconsidered came earlier than its place in the list says.
        let is_sign = |message: &&MessageSummary| {
            let is_late = message.warnings.iter().any(|code| code == RECONSIDERED);
            message.verdict.rejection().is_none() && !is_late
        };
        for message in messages.iter().rev().filter(is_sign) {
            let is_read = is_for_others || is_watchdog(message);
            let sign = if is_read { read(store, message.id, &device).await? } else { SignOfLife::default() };
            let heartbeat = sign.heartbeat.filter(|_| sign.devices.is_empty());
            own.push((message.received_at, heartbeat));
            for name in sign.devices {
                behind.entry(name).or_default().push((message.received_at, sign.heartbeat));
            }
        }
        let own = own.split_off(own.len().saturating_sub(MESSAGES as usize));
        if let Some(known) = DeviceLiveness::from_history(own, now) {
            liveness.restore(&device.id, known);
        }
        for (name, messages) in behind {
            if let Some(known) = DeviceLiveness::from_history(messages, now) {
                liveness.restore_behind(&device.id, &name, known);
            }
        }
    }
    Ok(())
}

fn is_watchdog(message: &MessageSummary) -> bool {
    let transaction = message.transaction.as_deref();
    transaction.is_some_and(|transaction| transaction.eq_ignore_ascii_case(Transaction::Watchdog.label()))
}

/// What a stored message says; nothing when it is gone or cannot be read.
async fn read(store: &Store, id: MessageId, device: &Device) -> Result<SignOfLife, StoreError> {
    let message = store.message(id).await?;
    let parsed = message.as_ref().and_then(|message| Message::parse(&message.raw).ok());
    Ok(parsed.map(|parsed| SignOfLife::read(&parsed, device)).unwrap_or_default())
}

/// Messages of a device that are read: one more than the gaps from which a threshold is learned.
const MESSAGES: u32 = 17;
/// The same of a certificate that sends for others.
const MESSAGES_FOR_OTHERS: u32 = 256;
