//! Messages of the platform for devices. They go through the outbox, as every order does, so that the device
//! gets each of them in its turn, and once after it has accepted it. What the device answers travels back.
//!
//! The platform may give an order up at any time, and has no way to say so; it repeats one that it has not
//! given up. So `sending` sends an order for a short time only, and then makes room for later ones.
//!
//! An order of the platform is marked in the store until its last answer has arrived at the platform, so a
//! gateway that is killed passes on afterwards what devices have answered meanwhile. So is one that was
//! refused: until the platform has the refusal, it repeats the order, which must not reach another device
//! that gets the name of the first one.

mod sending;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use super::desk::Gateway;
use super::log_limit::LogLimit;
use crate::authz::order_device;
use crate::hl7::{Message, Rejection};
use crate::interface_a::OrderAnswer;
use crate::interface_b::{Reply, answers};
use crate::model::{DeviceId, MessageId, explained};
use crate::southbound::{Sendable, Unsendable};
use crate::store::{OutboxEntry, RelayedOrder};

/// Hands messages of the platform to devices. The answers go out on whichever connection is open: MSA-2 alone
/// says to what they belong. Clones share everything.
#[derive(Debug, Clone)]
pub(super) struct Orders(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    gateway: Gateway,
    done: CancellationToken,
    answers: mpsc::Sender<OrderReply>,
    waiting: tokio::sync::Mutex<mpsc::Receiver<OrderReply>>,
    permits: Arc<Semaphore>,
    /// The orders whose last answer has not arrived at the platform.
    open: Mutex<BTreeMap<MessageId, Known>>,
    /// The latest of those whose last answer has arrived there: a device may say something else later.
    arrived: Mutex<BTreeMap<MessageId, Known>>,
    /// The orders of each device that are sent at present, or were sent and have no answer.
    unanswered: Mutex<HashMap<DeviceId, BTreeSet<MessageId>>>,
    /// Held while an order is queued, or settled because it is sent no more.
    turn: tokio::sync::Mutex<()>,
    /// Orders of a node that is gone were taken over.
    adopted: Notify,
    /// What the log gets of orders that are refused.
    log: LogLimit,
}

/// What is known of an order of the platform.
#[derive(Debug, Clone)]
struct Known {
    device: DeviceId,
    /// MSH-10: all that an answer names.
    control_id: String,
    /// The latest answer that this process has passed on.
    passed: Option<MessageId>,
    /// The latest of its last answers, once there is one.
    last: Option<MessageId>,
}

/// An answer after which a device owes no other one to an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Last {
    pub(super) order: MessageId,
    /// The message that carries it. The order itself: it is a refusal of the gateway, which no device sent.
    pub(super) answer: MessageId,
}

#[cfg(test)]
impl Last {
    /// What a device has answered to the order: no refusal of the gateway itself.
    pub(super) fn of_device(order: MessageId) -> Self {
        let mut answer = *order.as_bytes();
        answer[15] ^= 1;
        Self { order, answer: MessageId::from_bytes(answer) }
    }
}

impl Last {
    const fn refusal(order: MessageId) -> Self {
        Self { order, answer: order }
    }

    pub(super) fn is_refusal(&self) -> bool {
        self.order == self.answer
    }
}

/// An answer for the platform.
#[derive(Debug, Clone)]
pub(super) struct OrderReply {
    /// The acknowledgement, without its frame.
    pub(super) raw: Bytes,
    /// Whether it is the last one to an order.
    pub(super) finishes: Option<Last>,
    /// Whether a connection on which it was sent has ended without close_notify, when the gateway closed it.
    pub(super) is_closed: bool,
}

impl Orders {
    pub(super) fn new(gateway: &Gateway, done: CancellationToken) -> Self {
        let (answers, waiting) = mpsc::channel(MAX_ANSWERS);
        Self(Arc::new(Shared {
            gateway: gateway.clone(),
            done,
            answers,
            waiting: tokio::sync::Mutex::new(waiting),
            permits: Arc::new(Semaphore::new(MAX_ORDERS)),
            open: Mutex::default(),
            arrived: Mutex::default(),
            unanswered: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
            adopted: Notify::new(),
            log: LogLimit::default(),
        }))
    }

    /// Passes on what devices answer, until the end.
    pub(super) async fn run(self) {
        let done = self.0.done.clone();
        // Also while an answer waits for a connection: there may be none any more.
        done.run_until_cancelled(self.pass_on_answers()).await;
    }

    async fn pass_on_answers(&self) {
        let mut looks = tokio::time::interval(LOOK);
        let mut count = 0_u32;
        loop {
            let is_read = tokio::select! {
                _ = looks.tick() => {
                    count = count.wrapping_add(1);
                    self.catch_up(count % AGAIN == 1).await
                }
                () = self.0.adopted.notified() => self.catch_up(true).await,
                answer = self.0.gateway.registry.relay().order_answer() => match answer {
                    Some(answer) => self.hear(answer).await,
                    None => self.catch_up(true).await,
                },
            };
            if !is_read {
                looks.reset_after(RETRY);
            }
        }
    }

    /// Orders of a node that is gone are those of this one now.
    pub(super) fn adopt(&self) {
        self.0.adopted.notify_one();
    }

    /// A device has answered. Whether the store could be read.
    async fn hear(&self, OrderAnswer { order, answer, is_last }: OrderAnswer) -> bool {
        // Its last word counts, also at the platform.
        let known = if is_last { self.arrived().remove(&order) } else { None };
        if let Some(known) = known {
            self.open().insert(order, known);
        }
        // Others are of an operator of this gateway.
        let is_relayed = self.open().contains_key(&order);
        !is_relayed || self.pass_on(order, answer, is_last).await
    }

    /// Takes a message of the platform. While too many are under way it is dropped, and the platform, which
    /// gets no answer, sends it again.
    pub(super) fn take(&self, message: Bytes) {
        let Ok(permit) = Arc::clone(&self.0.permits).try_acquire_owned() else {
            return self.count("pending");
        };
        let orders = self.clone();
        tokio::spawn(async move {
            let done = orders.0.done.clone();
            tokio::select! {
                () = done.cancelled() => {}
                () = orders.carry(message) => {}
            }
            drop(permit);
        });
    }

    /// An order is not passed on: the platform, which gets no answer, sends it again.
    pub(super) fn drop_one(&self) {
        self.count("dropped");
    }

    /// The next answer for the platform.
    ///
    /// Cancel safe.
    pub(super) async fn answer(&self) -> OrderReply {
        let mut waiting = self.0.waiting.lock().await;
        // One that was given back may have arrived on another way, or be given up; or the device has given
        // another answer since, which must not be sent before it.
        let is_awaited = |reply: &OrderReply| reply.finishes.is_none_or(|last| self.is_latest(last));
        while let Some(answer) = waiting.recv().await {
            if is_awaited(&answer) {
                return answer;
            }
        }
        // This value holds a sender.
        std::future::pending().await
    }

    /// Where answers go that may not have arrived: the next connection sends them.
    pub(super) fn returned(&self) -> mpsc::Sender<OrderReply> {
        self.0.answers.clone()
    }

    /// The answers of these orders are sent no more: they end connections, or nothing proves that they
    /// arrive.
    pub(super) async fn give_up(&self, answers: Vec<Last>) {
        let mut orders = Vec::new();
        for last @ Last { order, .. } in self.latest(answers) {
            tracing::error!(%order, "the answer to an order is not sent to the platform any more");
            self.count("answer-given-up");
            // A platform that may not have a refusal may repeat the order.
            orders.extend((!last.is_refusal()).then_some(order));
        }
        self.finish(orders).await;
    }

    /// The platform has these answers.
    pub(super) async fn arrive(&self, answers: Vec<Last>) {
        for last @ Last { order, answer } in self.latest(answers) {
            if last.is_refusal() {
                self.finish(vec![order]).await;
                continue;
            }
            let Some(known) = self.open().remove(&order) else { continue };
            self.remember(order, known);
            if let Err(error) = self.0.gateway.store.note_arrived(order, answer).await {
                // The next start passes the answer on again.
                tracing::warn!(%order, error = %explained(&error), "an answer is not marked as arrived");
            }
        }
    }

    /// The device may say something else later.
    fn remember(&self, order: MessageId, known: Known) {
        let mut arrived = self.arrived();
        arrived.insert(order, known);
        while arrived.len() > MAX_ARRIVED {
            arrived.pop_first();
        }
    }

    /// Whether the device has given no other answer since.
    fn is_latest(&self, Last { order, answer }: Last) -> bool {
        self.open().get(&order).is_some_and(|known| known.last == Some(answer))
    }

    fn latest(&self, answers: Vec<Last>) -> Vec<Last> {
        answers.into_iter().filter(|last| self.is_latest(*last)).collect()
    }

    /// Nothing is passed on of these orders any more.
    pub(super) async fn finish(&self, orders: Vec<MessageId>) {
        let finish = async |order: MessageId| {
            self.open().remove(&order);
            self.arrived().remove(&order);
            if let Err(error) = self.0.gateway.store.finish_relayed(order).await {
                // The next start passes the answer on again.
                tracing::warn!(%order, error = %explained(&error), "a relayed order is not marked as finished");
            }
        };
        // Together: one commit is as fast as all.
        futures_util::future::join_all(orders.into_iter().map(finish)).await;
    }

    async fn carry(&self, bytes: Bytes) {
        let Ok(message) = Message::parse(&bytes) else {
            tracing::warn!(bytes = bytes.len(), "the platform sent a message that cannot be read");
            return self.count("unsendable");
        };
        let directory = self.0.gateway.directory.load_full();
        let Some(device) = order_device(&directory, &message) else {
            self.count("device-unknown");
            return self.refuse(&message, Rejection::OrderDeviceUnknown, None).await;
        };
        let sendable = match Sendable::read(&bytes) {
            Ok(sendable) => sendable,
            Err(unsendable) => {
                self.count("unsendable");
                let error = explained(&unsendable);
                tracing::warn!(error, "the platform sent a message that cannot be passed on");
                return self.refuse(&message, reason(&unsendable, &message), None).await;
            }
        };
        match self.queue_in_turn(&device, &sendable).await {
            Ok(Queued::Waits) => self.count("sent"),
            Ok(Queued::AnsweredBefore | Queued::Repeated | Queued::InDoubt) => self.count("pending"),
            Ok(Queued::Full) => {
                let device = &device.id;
                tracing::error!(%device, "too many orders of the platform are open; one is not passed on");
                self.count("pending");
            }
            // It is refused as soon as it is durable.
            Ok(Queued::DeviceAway) => {}
            Ok(Queued::RefusedBefore(order)) => {
                self.count("device-away");
                self.refuse(&message, Rejection::OrderDeviceAway, Some(order)).await;
            }
            Ok(Queued::Withdrawn { is_sent: false }) => {
                self.count("withdrawn");
                self.refuse(&message, Rejection::OrderWithdrawn, None).await;
            }
            // The device may have it: no answer would be true.
            Ok(Queued::Withdrawn { is_sent: true }) => self.count("withdrawn"),
            Ok(Queued::Reused) => {
                self.count("control-id-reused");
                self.refuse(&message, Rejection::OrderIdReused, None).await;
            }
            // Without an answer the platform sends it again.
            Err(error) => {
                tracing::error!(error = %explained(&error), "a message of the platform cannot be queued");
            }
        }
    }

    /// Passes on an answer of a device. Whether the store could be read.
    async fn pass_on(&self, order: MessageId, answer: MessageId, is_last: bool) -> bool {
        match self.0.gateway.store.message(answer).await {
            Ok(Some(stored)) if !stored.is_intact => {
                tracing::error!(%order, message = %answer, "the answer of a device was altered in the store; it is not passed on");
                if is_last {
                    self.finish(vec![order]).await;
                }
                true
            }
            Ok(Some(stored)) => {
                let finishes = is_last.then_some(Last { order, answer });
                if let Some(known) = self.open().get_mut(&order) {
                    known.passed = Some(answer);
                    known.last = if is_last { Some(answer) } else { known.last };
                }
                let reply = OrderReply { raw: stored.raw, finishes, is_closed: false };
                // The receiver lives as long as this value.
                let _ = self.0.answers.send(reply).await;
                true
            }
            // An operator has removed it.
            Ok(None) => true,
            Err(error) => {
                let error = explained(&error);
                tracing::error!(%order, error, "the answer of a device cannot be read; will retry");
                false
            }
        }
    }

    /// Reads which orders are open, and passes on what their devices have answered, also to another node or a
    /// process before this one; and once more what was passed on, and has not arrived (`again`). Whether that
    /// could be read. Orders that are not answered within a day are given up.
    async fn catch_up(&self, again: bool) -> bool {
        let store = &self.0.gateway.store;
        let Ok(orders) = store.relayed_orders(again).await else { return false };
        let oldest = store.now().saturating_sub(GIVEN_UP).unwrap_or(Timestamp::UNIX_EPOCH);
        for RelayedOrder { id: order, entry, arrived } in orders {
            let Some(entry) = entry.filter(|_| order.time() >= oldest) else {
                self.finish(vec![order]).await;
                continue;
            };
            let (device, control_id) = (entry.device.clone(), entry.control_id.clone());
            let found = Known { device, control_id, passed: None, last: None };
            let known = self.open().get(&order).cloned();
            if arrived.is_some() && arrived == entry.answer {
                if known.is_none() {
                    self.remember(order, found);
                }
                continue;
            }
            if known.is_none() {
                self.open().insert(order, found);
                // Of a process before this one, or of another node: it has no limit here, and is not sent.
                self.end_in_time(order, entry.device.clone(), false);
            }
            let passed = known.and_then(|known| known.passed);
            if let Some(answer) = entry.answer.filter(|answer| again || passed != Some(*answer))
                && !self.pass_on(order, answer, is_last(&entry)).await
            {
                return false;
            }
        }
        true
    }

    /// Answers the platform in the place of a device. `order`: what it is in the outbox, until the refusal
    /// has arrived.
    async fn refuse(&self, message: &Message<'_>, rejection: Rejection, order: Option<MessageId>) {
        if let Some(left_out) = self.0.log.take(self.0.gateway.clock.instant()) {
            let code = rejection.code();
            tracing::warn!(code, left_out, "a message of the platform is not passed on to a device");
        }
        let finishes = order.map(Last::refusal);
        if let Some(last) = finishes
            && let Some(known) = self.open().get_mut(&last.order)
        {
            known.last = Some(last.answer);
        }
        for raw in answers(message, Reply::Refuse(rejection)) {
            // The receiver lives as long as this value.
            let _ = self.0.answers.send(OrderReply { raw, finishes, is_closed: false }).await;
        }
    }

    fn count(&self, outcome: &str) {
        self.0.gateway.metrics.gateway.orders_total.with_label_values(&[outcome]).inc();
    }

    fn open(&self) -> MutexGuard<'_, BTreeMap<MessageId, Known>> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn arrived(&self) -> MutexGuard<'_, BTreeMap<MessageId, Known>> {
        self.0.arrived.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What became of an order of the platform.
enum Queued {
    Waits,
    AnsweredBefore,
    /// The same message is open: its answers come.
    Repeated,
    /// Another message with the same MSH-10 is open.
    Reused,
    /// An operator of this gateway has withdrawn it. `is_sent`: the device may have it.
    Withdrawn {
        is_sent: bool,
    },
    /// The device does not have it, and is away.
    DeviceAway,
    /// The same, and this is its entry from before.
    RefusedBefore(MessageId),
    /// The device is away, and may have it from before.
    InDoubt,
    Full,
}

/// Whether no other answer of the device is awaited.
fn is_last(entry: &OutboxEntry) -> bool {
    entry.settled.is_some()
}

/// What the platform is answered, where it asks for an answer to an error.
fn reason(unsendable: &Unsendable, message: &Message<'_>) -> Rejection {
    match unsendable {
        Unsendable::NoType => Rejection::NoMessageType,
        Unsendable::ControlId if message.header().control_id().is_empty() => Rejection::NoControlId,
        Unsendable::ControlId => Rejection::OrderControlId,
        Unsendable::Unreadable(why) => Rejection::Unreadable(*why),
        Unsendable::Several | Unsendable::Frame | Unsendable::Ambiguous => Rejection::AmbiguousStructure,
        Unsendable::NoAcknowledgement | Unsendable::Acknowledgement => Rejection::OrderUnconfirmable,
    }
}

/// Messages of the platform that are read and queued at a time.
const MAX_ORDERS: usize = 256;
/// Answers of devices that wait for a connection.
const MAX_ANSWERS: usize = 1024;
/// When the answer of a device is no longer awaited.
const GIVEN_UP: SignedDuration = SignedDuration::from_hours(24);
/// Orders that are remembered when the platform has their answers.
const MAX_ARRIVED: usize = 10_000;
/// How often the store is asked for them, besides the answers that come: a device may answer on another node,
/// and an operator may hand over the orders of one.
const LOOK: Duration = Duration::from_secs(10);
/// How often that is done for all of them: each hour.
const AGAIN: u32 = 360;
/// Retry delay after a store error.
const RETRY: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
