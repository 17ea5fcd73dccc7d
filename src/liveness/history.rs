//! What the store knows of the liveness of devices, at the start.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use jiff::Timestamp;

use super::feed::FeedState;
use super::heartbeat::Heartbeat;
use super::rules::DeviceLiveness;
use super::sign_of_life::SignOfLife;
use super::table::Liveness;
use crate::authz::{Device, DeviceKind, Directory};
use crate::hl7::Message;
use crate::model::{DeviceId, MessageId};
use crate::pcd::Transaction;
use crate::store::{Feed, MessageFilter, MessageSummary, RECONSIDERED, Store, StoreError};

/// Learns from the newest accepted messages of each device. The content is read of heartbeats, and of the
/// messages of those that send for others.
pub(super) async fn restore(store: &Store, liveness: &Liveness, now: Timestamp) -> Result<(), StoreError> {
    for device in store.devices().await? {
        restore_device(store, liveness, &device, now).await?;
    }
    // A silence outlasts a restart, and so does a device behind a gateway whose others sent more since.
    for feed in store.feeds().await? {
        let Feed { via, identity, last, pause, heartbeat, is_silent, has_left, .. } = feed;
        let identity = identity.map(Arc::from);
        let feed = FeedState { via, identity, last, pause, heartbeat, is_silent, has_left };
        liveness.remember(&feed, now);
    }
    Ok(())
}

/// Learns from the newest messages of one device, to which the platform listens from `now`.
async fn restore_device(
    store: &Store,
    liveness: &Liveness,
    device: &Device,
    now: Timestamp,
) -> Result<(), StoreError> {
    let limit = if is_for_others(device) { MESSAGES_FOR_OTHERS } else { MESSAGES };
    let filter = MessageFilter { device: Some(device.id.clone()), limit, ..MessageFilter::default() };
    let messages = store.messages(&filter).await?;
    let mut own = Vec::new();
    let mut behind: BTreeMap<String, Vec<(Timestamp, Option<Heartbeat>)>> = BTreeMap::new();
    for message in messages.iter().rev().filter(|message| is_sign_of_life(message)) {
        let sign = sign(store, message, device).await?;
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
    Ok(())
}

/// The entries of the directory: of one that is added again, what is stored of it counts again.
#[derive(Debug, Default)]
pub(super) struct Entries {
    /// `None` before the first look: a start restores every entry.
    known: Option<BTreeSet<DeviceId>>,
    waiting: VecDeque<Arc<Device>>,
}

impl Entries {
    /// Notices entries that are new.
    pub(super) fn see(&mut self, directory: &Directory) {
        let present: BTreeSet<_> = directory.devices().map(|device| device.id.clone()).collect();
        if let Some(known) = &self.known {
            let added = directory.devices().filter(|device| !known.contains(&device.id));
            self.waiting.extend(added.map(Arc::clone));
        }
        self.known = Some(present);
    }

    /// Restores some of them.
    ///
    /// # Errors
    /// When the store cannot be read; the entry is tried again.
    pub(super) async fn restore(
        &mut self,
        store: &Store,
        liveness: &Liveness,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        for _ in 0..MAX_RESTORED {
            let Some(device) = self.waiting.front() else { break };
            restore_device(store, liveness, device, now).await?;
            self.waiting.pop_front();
        }
        Ok(())
    }
}

/// Learns from the messages of `device` that came to another node since `since`.
pub(super) async fn catch_up(
    store: &Store,
    liveness: &Liveness,
    device: &Device,
    since: Timestamp,
    now: Timestamp,
) -> Result<(), StoreError> {
    let filter = MessageFilter {
        device: Some(device.id.clone()),
        since: Some(since),
        limit: MESSAGES_FOR_OTHERS,
        ..MessageFilter::default()
    };
    let messages = store.messages(&filter).await?;
    let missed = messages.iter().rev().filter(|message| message.received_at > since);
    for message in missed.filter(|message| is_sign_of_life(message)) {
        let sign = sign(store, message, device).await?;
        liveness.hear_elsewhere(&device.id, message.received_at, now, &sign);
    }
    Ok(())
}

fn is_for_others(device: &Device) -> bool {
    device.kind == DeviceKind::Gateway || !device.speaks_for.is_empty()
}

/// A rejected message is none. One that was reconsidered came earlier than its place in the list says.
fn is_sign_of_life(message: &MessageSummary) -> bool {
    let is_late = message.warnings.iter().any(|code| code == RECONSIDERED);
    message.verdict.rejection().is_none() && !is_late
}

async fn sign(store: &Store, message: &MessageSummary, device: &Device) -> Result<SignOfLife, StoreError> {
    if is_for_others(device) || is_watchdog(message) {
        read(store, message.id, device).await
    } else {
        Ok(SignOfLife::default())
    }
}

fn is_watchdog(message: &MessageSummary) -> bool {
    let transaction = message.transaction.as_deref();
    transaction.is_some_and(|transaction| transaction.eq_ignore_ascii_case(Transaction::Watchdog.label()))
}

/// What a stored message says; nothing when it is gone or cannot be read.
async fn read(store: &Store, id: MessageId, device: &Device) -> Result<SignOfLife, StoreError> {
    let message = store.message(id).await?;
    let parsed = message.as_ref().and_then(|message| Message::parse(&message.raw).ok());
    let key = store.patient_key().await;
    Ok(parsed.map(|parsed| SignOfLife::read(&parsed, device, &key)).unwrap_or_default())
}

/// New entries that are looked up in one check.
const MAX_RESTORED: usize = 32;
/// Messages of a device that are read: one more than the gaps from which a threshold is learned.
const MESSAGES: u32 = 17;
/// The same of a certificate that sends for others, and of what another node received.
const MESSAGES_FOR_OTHERS: u32 = 256;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::SilentAfter;
    use crate::store::MessageRecord;
    use crate::store::fixtures::{TestStore, gateway};

    /// A store with ten messages of PUMP-1 at intervals of thirty seconds; between them come messages that
    /// were rejected, and one that was reconsidered.
    async fn with_history(place: &TestStore) -> (Store, Timestamp) {
        let store = place.open().await;
        let device = Device { kind: DeviceKind::Device, speaks_for: Vec::new(), ..gateway("PUMP-1") };
        store.add_device(device, "alice").await.unwrap();
        let mut last = place.clock.now();
        for number in 0..10 {
            last = place.clock.now();
            store.record(place.record(&number.to_string(), b"MSH|")).await.unwrap();
            place.clock.advance(Duration::from_secs(10));
            store.record(place.rejected(&format!("R{number}"), b"MSH|")).await.unwrap();
            place.clock.advance(Duration::from_secs(20));
        }
        place.clock.advance(Duration::from_mins(10));
        let warnings = vec![RECONSIDERED.to_owned()];
        store.record(MessageRecord { warnings, ..place.record("LATE", b"MSH|") }).await.unwrap();
        store.record(place.rejected("LAST", b"MSH|")).await.unwrap();
        (store, last)
    }

    #[tokio::test]
    async fn what_was_rejected_or_reconsidered_is_no_sign_of_life_after_a_start() {
        let place = TestStore::new();
        let (store, last) = with_history(&place).await;
        let liveness = Liveness::default();
        restore(&store, &liveness, place.clock.now()).await.unwrap();
        let known = liveness.device(&"PUMP-1".parse().unwrap()).unwrap();
        let threshold = known.silence_threshold(SilentAfter::Learned);
        assert_eq!((known.last_heard(), threshold), (last, Some(Duration::from_secs(90))));
    }

    #[tokio::test]
    async fn what_came_to_another_node_is_learned_once() {
        let place = TestStore::new();
        let (store, last) = with_history(&place).await;
        let (liveness, id) = (Liveness::default(), "PUMP-1".parse().unwrap());
        let device = store.device(&id).await.unwrap().unwrap();
        let first = last - jiff::SignedDuration::from_secs(270);
        liveness.hear(&id, first, &SignOfLife::default());
        // The clock was ahead when the messages came, and has been put back.
        let before = last - jiff::SignedDuration::from_hours(24);
        catch_up(&store, &liveness, &device, first, before).await.unwrap();
        assert_eq!(liveness.device(&id).unwrap().last_heard(), first);
        for _ in 0..2 {
            catch_up(&store, &liveness, &device, first, place.clock.now()).await.unwrap();
            let known = liveness.device(&id).unwrap();
            let threshold = known.silence_threshold(SilentAfter::Learned);
            assert_eq!((known.last_heard(), threshold), (last, Some(Duration::from_secs(90))));
        }
    }
}
