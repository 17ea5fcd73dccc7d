//! Sends the orders of the outbox to the devices that are connected to this node, and records their answers.

use std::collections::{HashMap, HashSet};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::task::{AbortHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use super::desk::Desk;
use super::exchange;
use crate::audit::Settlement;
use crate::authz::{Device, DeviceKind, DirectoryHandle, order_addressee};
use crate::hl7::Message;
use crate::model::{DeviceId, MessageId, explained};
use crate::pcd::DeviceIdentity;
use crate::store::{StoreError, WaitingMessage};

/// Sends waiting orders to the devices that have a session on this node. Cheap to clone; clones share their
/// state.
#[derive(Debug, Clone)]
pub struct Dispatcher {
    /// What orders need.
    pub desk: Desk,
    /// Which devices are gateways.
    pub directory: DirectoryHandle,
    /// Cancelled on shutdown: no further order is sent.
    pub drain: CancellationToken,
}

/// Orders in flight: at most one for each device, also of those behind a gateway.
#[derive(Debug, Default)]
struct UnderWay {
    tasks: JoinSet<()>,
    devices: HashMap<DeviceId, HashMap<Addressee, Following>>,
    /// Whom waiting orders for gateways name.
    addressees: HashMap<MessageId, Addressee>,
    /// Answers that no order in flight awaits, while they are recorded.
    unawaited: JoinSet<()>,
}

/// The device behind a gateway that an order names; `None` for the connected device itself.
type Addressee = Option<DeviceIdentity>;

/// An order in flight.
#[derive(Debug)]
struct Following {
    message: MessageId,
    task: AbortHandle,
    /// Cancelled when the order is settled.
    over: CancellationToken,
}

/// The outbox at one moment.
#[derive(Debug, Default)]
struct Look {
    waiting: HashSet<MessageId>,
    /// Devices for which an order is in flight, or is not yet to be sent: later ones wait.
    behind: HashSet<(DeviceId, Addressee)>,
    /// When the next one is settled by its time.
    next_lapse: Option<Timestamp>,
}

impl Dispatcher {
    /// Begins; the returned work ends after `done`, which comes when the sessions are over. What devices have
    /// taken before is waited for on return: they may say what came of it as soon as they are connected.
    pub async fn start(self, done: CancellationToken) -> impl Future<Output = ()> + Send + 'static {
        let metrics = &self.desk.metrics;
        for outcome in Settlement::ALL {
            if outcome != Settlement::Withdrawn {
                metrics.southbound_messages_total.with_label_values(&[outcome.code()]);
            }
            if outcome != Settlement::Expired {
                metrics.southbound_corrections_total.with_label_values(&[outcome.code()]);
            }
        }
        let (mut under_way, mut failing) = (UnderWay::default(), false);
        let pause = self.look(&mut under_way, &mut failing, &done).await;
        async move {
            let mut next = pin!(tokio::time::sleep(pause));
            while !done.is_cancelled() {
                let has_capacity = under_way.unawaited.len() < MAX_UNAWAITED;
                tokio::select! {
                    () = done.cancelled() => {}
                    // A device that answers without end must not put off the next look.
                    () = &mut next => {}
                    Some(ended) = under_way.tasks.join_next() => report(ended),
                    Some(ended) = under_way.unawaited.join_next() => {
                        report(ended);
                        continue;
                    }
                    answer = self.desk.registry.unawaited_answer(), if has_capacity => {
                        under_way.unawaited.spawn(self.desk.clone().hear_unawaited(answer, done.clone()));
                        continue;
                    }
                }
                let pause = self.look(&mut under_way, &mut failing, &done).await;
                next.set(tokio::time::sleep(pause));
            }
            self.finish(under_way, &done).await;
        }
    }

    /// The sessions are over: records what they have heard.
    async fn finish(&self, mut under_way: UnderWay, done: &CancellationToken) {
        while let Some(ended) = under_way.tasks.join_next().await {
            report(ended);
        }
        while let Some(ended) = under_way.unawaited.join_next().await {
            report(ended);
        }
        while let Some(answer) = self.desk.registry.try_unawaited_answer() {
            self.desk.clone().hear_unawaited(answer, done.clone()).await;
        }
    }

    /// Returns how long the outbox may be left alone.
    async fn look(&self, under_way: &mut UnderWay, failing: &mut bool, done: &CancellationToken) -> Duration {
        match self.dispatch(under_way, done).await {
            Ok(Look { waiting, next_lapse, .. }) => {
                *failing = false;
                let count = i64::try_from(waiting.len()).unwrap_or(i64::MAX);
                self.desk.metrics.southbound_pending.set(count);
                let now = self.desk.store.now();
                let oldest = waiting.iter().min().map_or(0, |id| now.duration_since(id.time()).as_secs());
                self.desk.metrics.operation.southbound_oldest_seconds.set(oldest.max(0));
                let left = next_lapse.map(|time| Duration::try_from(time.duration_since(now)));
                left.map_or(POLL, |left| left.unwrap_or_default().clamp(AT_ONCE, POLL))
            }
            Err(error) => {
                // Logged once, not at every attempt.
                if !std::mem::replace(failing, true) {
                    let error = explained(&error);
                    tracing::error!(error, "the outbox cannot be read; will retry");
                }
                POLL
            }
        }
    }

    /// Starts the orders that can be sent now, and settles those whose time is over.
    async fn dispatch(&self, under_way: &mut UnderWay, done: &CancellationToken) -> Result<Look, StoreError> {
        under_way.forget_finished();
        let (mut look, mut after) = (Look::default(), None);
        loop {
            let page = self.desk.store.waiting_messages(after, PAGE).await?;
            after = page.last().map(|message| message.id);
            let is_last = page.len() < PAGE as usize;
            for message in page {
                look.waiting.insert(message.id);
                let addressee = self.addressee(&message, under_way).await?;
                if self.consider(&message, &addressee, &mut look, under_way).await? {
                    self.follow(message, addressee, under_way, done);
                }
            }
            if is_last {
                break;
            }
        }
        // The device may have answered to another node, or an operator has withdrawn the order.
        let settled = under_way.all().filter(|following| !look.waiting.contains(&following.message));
        settled.for_each(|following| following.over.cancel());
        under_way.addressees.retain(|message, _| look.waiting.contains(message));
        Ok(look)
    }

    /// Which device behind a gateway an order is for. Its bytes are read once.
    async fn addressee(
        &self,
        message: &WaitingMessage,
        under_way: &mut UnderWay,
    ) -> Result<Addressee, StoreError> {
        let directory = self.directory.load();
        let is_gateway = |device: &&Arc<Device>| device.kind == DeviceKind::Gateway;
        let Some(gateway) = directory.find(&message.device).filter(is_gateway) else { return Ok(None) };
        if let Some(known) = under_way.addressees.get(&message.id) {
            return Ok(known.clone());
        }
        let entry = self.desk.store.outbox_entry(message.id).await?;
        let order = entry.as_ref().and_then(|(_, raw)| Message::parse(raw).ok());
        let addressee = order.and_then(|order| order_addressee(gateway, &order));
        under_way.addressees.insert(message.id, addressee.clone());
        Ok(addressee)
    }

    /// Whether the order is to be sent, or awaited, now.
    async fn consider(
        &self,
        message: &WaitingMessage,
        addressee: &Addressee,
        look: &mut Look,
        under_way: &UnderWay,
    ) -> Result<bool, StoreError> {
        let device = &message.device;
        let own = under_way.devices.get(device);
        let in_flight = own.and_then(|own| own.get(addressee)).map(|following| following.message);
        if in_flight == Some(message.id) {
            look.behind.insert((device.clone(), addressee.clone()));
            return Ok(false);
        }
        let now = self.desk.store.now();
        let (lapses_at, settlement) = message.lapse();
        // Also behind others: what is ahead must not keep an order alive.
        if lapses_at <= now {
            self.desk.lapse(message.id, device, settlement).await?;
            look.waiting.remove(&message.id);
            return Ok(false);
        }
        look.next_lapse = Some(look.next_lapse.map_or(lapses_at, |next| next.min(lapses_at)));
        // A claim of this very process is left too if the dispatcher was restarted: the device may have the
        // order and be about to answer.
        let is_claimed = message.claimed_until.is_some_and(|until| now < until);
        let is_first = look.behind.insert((device.clone(), addressee.clone()));
        let has_room = || own.is_none_or(|own| own.len() < MAX_BEHIND_GATEWAY);
        Ok(is_first
            && in_flight.is_none()
            && !is_claimed
            && (message.result.is_some()
                || (!self.drain.is_cancelled()
                    && !message.is_too_soon(now)
                    && has_room()
                    && self.desk.registry.is_connected(device))))
    }

    fn follow(
        &self,
        message: WaitingMessage,
        addressee: Addressee,
        under_way: &mut UnderWay,
        done: &CancellationToken,
    ) {
        let (device, id, over) = (message.device.clone(), message.id, done.child_token());
        let entry = self.directory.load().find(&device).cloned();
        let is_gateway = entry.is_some_and(|entry| entry.kind == DeviceKind::Gateway);
        let sending = exchange::send(self.desk.clone(), message, is_gateway, over.clone());
        let task = under_way.tasks.spawn(sending);
        let following = Following { message: id, task, over };
        under_way.devices.entry(device).or_default().insert(addressee, following);
    }
}

impl UnderWay {
    fn forget_finished(&mut self) {
        self.devices.retain(|_, own| {
            own.retain(|_, following| !following.task.is_finished());
            !own.is_empty()
        });
    }

    fn all(&self) -> impl Iterator<Item = &Following> {
        self.devices.values().flat_map(HashMap::values)
    }
}

fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(panic) = ended {
        tracing::error!(
            error = %explained(&panic),
            "an order is no longer tracked; its outcome is unknown"
        );
    }
}

/// How often the outbox is read; another process, on another machine, may have queued an order.
const POLL: Duration = Duration::from_millis(250);

/// The least pause between two looks: a clock may be coarser than a timer.
const AT_ONCE: Duration = Duration::from_millis(1);

/// Orders that are in flight to one gateway.
const MAX_BEHIND_GATEWAY: usize = 1000;

/// Unawaited answers that are recorded at a time.
const MAX_UNAWAITED: usize = 64;

/// Rows of one page.
const PAGE: u32 = 500;
