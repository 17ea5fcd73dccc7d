//! Where the sessions of a gateway and its forwarder meet: which messages have come, and what the platform
//! has answered.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::{Notify, oneshot};

use crate::model::{DeviceId, MessageId};
use crate::store::ForwardLane;

/// The place where sessions and the forwarder meet. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Relay(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// Lanes with messages that have come since the forwarder looked.
    arrived: Mutex<BTreeSet<ForwardLane>>,
    news: Notify,
    /// Sessions that wait for what the platform answers.
    waiting: Mutex<Waiting>,
    queued: Mutex<Queued>,
    is_connected: AtomicBool,
    /// Messages that are not tried again for a while.
    given_up: Mutex<HashMap<MessageId, GivenUp>>,
    order_answers: Mutex<OrderAnswers>,
    /// Until when orders of the platform are sent.
    order_limits: Mutex<HashMap<MessageId, Instant>>,
    answered: Notify,
}

/// Messages that the platform has not acknowledged.
#[derive(Debug, Default)]
struct Queued {
    all: usize,
    by_device: HashMap<DeviceId, usize>,
}

/// What devices have answered to orders, and the forwarder has not taken.
#[derive(Debug, Default)]
struct OrderAnswers {
    waiting: VecDeque<OrderAnswer>,
    /// Whether some had no room: the store has them.
    is_incomplete: bool,
}

/// A device has answered an order; that is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderAnswer {
    /// The entry of the outbox.
    pub order: MessageId,
    /// The message that carries the acknowledgement.
    pub answer: MessageId,
    /// Whether no other one is awaited.
    pub is_last: bool,
}

/// Sessions that wait, and what their places hold.
#[derive(Debug, Default)]
struct Waiting {
    messages: HashMap<MessageId, Vec<oneshot::Sender<PlatformWord>>>,
    /// How many places there are, and their bytes.
    places: usize,
    bytes: usize,
}

/// What became of a message whose device waits for the platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::interface_a) enum PlatformWord {
    /// The platform has it: its application acknowledgement, if it sent one.
    Answered(Option<Bytes>),
    /// It has not answered in time. The message stays in the queue.
    Late,
    /// The gateway has given the message up: the platform does not answer it.
    GivenUp,
}

/// A message that the gateway has given up.
#[derive(Debug, Clone, Copy)]
struct GivenUp {
    /// How often.
    times: u32,
    /// Until when it is not tried again.
    until: Instant,
}

/// The place of a session that waits for what the platform answers to a message. Dropped, it is free again.
#[derive(Debug)]
pub(super) struct PlatformAnswer {
    answer: oneshot::Receiver<PlatformWord>,
    message: MessageId,
    bytes: usize,
    relay: Relay,
}

impl PlatformAnswer {
    /// What the platform has answered, or that it does not.
    pub(super) async fn wait(mut self) -> PlatformWord {
        // A sender that is dropped has no answer.
        (&mut self.answer).await.unwrap_or(PlatformWord::Answered(None))
    }
}

impl Drop for PlatformAnswer {
    fn drop(&mut self) {
        self.answer.close();
        let mut waiting = locked(&self.relay.0.waiting);
        waiting.places -= 1;
        waiting.bytes -= self.bytes;
        if let Some(sessions) = waiting.messages.get_mut(&self.message) {
            sessions.retain(|session| !session.is_closed());
            if sessions.is_empty() {
                waiting.messages.remove(&self.message);
            }
        }
    }
}

impl Relay {
    /// A message is stored, and waits to be forwarded.
    pub fn arrive(&self, lane: ForwardLane) {
        let mut queued = locked(&self.0.queued);
        queued.all += 1;
        *queued.by_device.entry(lane.device.clone()).or_default() += 1;
        drop(queued);
        locked(&self.0.arrived).insert(lane);
        self.0.news.notify_one();
    }

    /// The lanes in which messages have come since the last call; waits for one.
    pub async fn arrivals(&self) -> BTreeSet<ForwardLane> {
        loop {
            let lanes = std::mem::take(&mut *locked(&self.0.arrived));
            if !lanes.is_empty() {
                return lanes;
            }
            self.0.news.notified().await;
        }
    }

    /// Whether one more session may wait for an answer of the platform.
    pub(super) fn has_room(&self) -> bool {
        let waiting = locked(&self.0.waiting);
        waiting.places < MAX_AWAITED && waiting.bytes < MAX_AWAITED_BYTES
    }

    /// How many messages wait on open sessions for what the platform answers.
    #[must_use]
    pub fn awaited(&self) -> usize {
        locked(&self.0.waiting).places
    }

    /// Waits for what the platform answers to a message; the place holds so many bytes. `None`: too many
    /// sessions wait already, and the device gets the answer when it sends the message again.
    pub(super) fn await_answer(&self, message: MessageId, bytes: usize) -> Option<PlatformAnswer> {
        if !self.has_room() {
            return None;
        }
        let (sender, answer) = oneshot::channel();
        let mut waiting = locked(&self.0.waiting);
        waiting.messages.entry(message).or_default().push(sender);
        waiting.places += 1;
        waiting.bytes += bytes;
        drop(waiting);
        Some(PlatformAnswer { answer, message, bytes, relay: self.clone() })
    }

    /// The platform has acknowledged a message of this device, or refused it. Sessions that wait for it get
    /// the application acknowledgement.
    pub fn settle(&self, message: MessageId, device: &DeviceId, answer: Option<&Bytes>) {
        self.count_settled(device);
        locked(&self.0.given_up).remove(&message);
        self.answer(message, answer);
    }

    /// The gateway gives a message up that the platform does not answer. Its device may have it tried again,
    /// after a pause that grows each time: such a message ends connections.
    pub fn give_up(&self, message: MessageId, device: &DeviceId, now: Instant) {
        self.count_settled(device);
        let mut all = locked(&self.0.given_up);
        if all.len() >= MAX_GIVEN_UP {
            all.retain(|_, earlier| earlier.until > now);
        }
        if all.len() >= MAX_GIVEN_UP {
            all.clear();
        }
        let one = all.entry(message).or_insert(GivenUp { times: 0, until: now });
        one.until = now + (PAUSE * 2_u32.saturating_pow(one.times)).min(MAX_PAUSE);
        one.times = one.times.saturating_add(1).min(MAX_TIMES);
        drop(all);
        self.refuse(message);
    }

    /// Whether a message that was given up may be tried again.
    pub(super) fn may_try_again(&self, message: MessageId, now: Instant) -> bool {
        locked(&self.0.given_up).get(&message).is_none_or(|one| one.until <= now)
    }

    /// Sessions that wait for this message report to their devices that it is given up.
    pub(super) fn refuse(&self, message: MessageId) {
        self.send(message, &PlatformWord::GivenUp);
    }

    /// A message is settled, and the sessions that wait for it go on waiting: [`Relay::answer`] ends that.
    pub fn count_settled(&self, device: &DeviceId) {
        let mut queued = locked(&self.0.queued);
        queued.all = queued.all.saturating_sub(1);
        if let Some(own) = queued.by_device.get_mut(device) {
            *own = own.saturating_sub(1);
            if *own == 0 {
                queued.by_device.remove(device);
            }
        }
    }

    /// The same for a message that was settled before.
    pub fn answer(&self, message: MessageId, answer: Option<&Bytes>) {
        self.send(message, &PlatformWord::Answered(answer.cloned()));
    }

    fn send(&self, message: MessageId, word: &PlatformWord) {
        let sessions = locked(&self.0.waiting).messages.remove(&message);
        for session in sessions.into_iter().flatten() {
            // The session may have ended.
            let _ = session.send(word.clone());
        }
    }

    /// An order of the platform is sent until then, and no later.
    pub fn limit_order(&self, order: MessageId, until: Instant) {
        let mut limits = locked(&self.0.order_limits);
        // An order of the platform without a limit is not sent.
        limits.retain(|_, earlier| *earlier + LIMIT_KEPT > until);
        limits.insert(order, until);
    }

    /// For how long an order of the platform may still be sent; `None`: it has no limit in this process, or
    /// is one of an operator.
    #[must_use]
    pub fn order_limit(&self, order: MessageId, now: Instant) -> Option<Duration> {
        locked(&self.0.order_limits).get(&order).map(|until| until.saturating_duration_since(now))
    }

    /// A device has answered an order, which may be one of the platform.
    pub fn answer_order(&self, answer: OrderAnswer) {
        let mut answers = locked(&self.0.order_answers);
        if answers.waiting.len() < MAX_ORDER_ANSWERS {
            answers.waiting.push_back(answer);
        } else {
            answers.is_incomplete = true;
        }
        drop(answers);
        self.0.answered.notify_one();
    }

    /// The next answer of a device to an order. `None`: there were too many, and the store has to be asked.
    ///
    /// Cancel safe.
    pub async fn order_answer(&self) -> Option<OrderAnswer> {
        loop {
            {
                let mut answers = locked(&self.0.order_answers);
                if let Some(answer) = answers.waiting.pop_front() {
                    return Some(answer);
                }
                if std::mem::take(&mut answers.is_incomplete) {
                    return None;
                }
            }
            self.0.answered.notified().await;
        }
    }

    /// How many messages the platform has not acknowledged, as this process counts: all, and those of a
    /// device.
    #[must_use]
    pub fn queued(&self, device: &DeviceId) -> (usize, usize) {
        let queued = locked(&self.0.queued);
        (queued.all, queued.by_device.get(device).copied().unwrap_or_default())
    }

    /// Corrects the numbers by what the store says.
    pub fn set_queued(&self, by_device: HashMap<DeviceId, usize>) {
        *locked(&self.0.queued) = Queued { all: by_device.values().sum(), by_device };
    }

    /// Whether a connection to the platform is open.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.0.is_connected.load(Ordering::Relaxed)
    }

    /// Reports whether one is.
    pub fn set_connected(&self, is_connected: bool) {
        self.0.is_connected.store(is_connected, Ordering::Relaxed);
    }
}

fn locked<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Messages whose devices wait for the platform's answer, on all connections.
const MAX_AWAITED: usize = 100_000;
/// Bytes of their headers.
const MAX_AWAITED_BYTES: usize = 64 << 20;
/// How long a limit is remembered that is over.
const LIMIT_KEPT: Duration = Duration::from_mins(2);
/// Messages that are remembered as given up.
const MAX_GIVEN_UP: usize = 10_000;
/// How long a message that was given up is not tried again. It doubles each time.
const PAUSE: Duration = Duration::from_secs(5);
const MAX_PAUSE: Duration = Duration::from_mins(5);
/// After so many the pause grows no more.
const MAX_TIMES: u32 = 16;
/// Answers to orders that wait for the forwarder. Without a gateway nothing takes them.
const MAX_ORDER_ANSWERS: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interface_a::fixtures::clock;
    use crate::store::ForwardClass;

    #[tokio::test]
    async fn an_answer_reaches_every_session_that_waits_for_it() {
        let (relay, message) = (Relay::default(), MessageId::at(clock().now()));
        let [first, again, gone] = [(); 3].map(|()| relay.await_answer(message, 100).unwrap());
        assert_eq!(relay.awaited(), 3);
        drop(gone);
        let [device, other]: [DeviceId; 2] = ["PUMP-1", "PUMP-2"].map(|name| name.parse().unwrap());
        relay.arrive(ForwardLane { class: ForwardClass::Alarm, device: device.clone() });
        assert_eq!((relay.queued(&device), relay.queued(&other)), ((1, 1), (1, 0)));
        assert_eq!(relay.arrivals().await.len(), 1);
        relay.settle(message, &device, Some(&Bytes::from_static(b"AA")));
        assert_eq!(relay.queued(&device), (0, 0));
        for waiting in [first, again] {
            assert_eq!(waiting.wait().await, PlatformWord::Answered(Some(Bytes::from_static(b"AA"))));
        }
        assert_eq!(relay.awaited(), 0);
        relay.settle(message, &device, None);
        assert_eq!(relay.queued(&device), (0, 0), "never below nothing");
        relay.set_queued([(device.clone(), 2), (other, 3)].into());
        assert_eq!(relay.queued(&device), (5, 2));
    }

    #[tokio::test]
    async fn a_message_that_was_given_up_is_tried_again_after_a_pause_that_grows() {
        let (relay, clock, device) = (Relay::default(), clock(), "PUMP-1".parse().unwrap());
        let (message, now) = (MessageId::at(clock.now()), clock.instant());
        assert!(relay.may_try_again(message, now));
        let mut at = now;
        for pause in [5, 10, 20, 40, 80, 160, 300, 300] {
            let waiting = relay.await_answer(message, 1).unwrap();
            relay.give_up(message, &device, at);
            assert_eq!(waiting.wait().await, PlatformWord::GivenUp);
            let until = at + Duration::from_secs(pause);
            assert!(!relay.may_try_again(message, until - Duration::from_millis(1)), "{pause}");
            assert!(relay.may_try_again(message, until), "{pause}");
            at = until;
        }
        relay.settle(message, &device, None);
        assert!(relay.may_try_again(message, now), "the platform has answered it");
        (0..MAX_GIVEN_UP * 2).for_each(|_| relay.give_up(MessageId::at(clock.now()), &device, now));
        assert!(locked(&relay.0.given_up).len() <= MAX_GIVEN_UP);
    }

    #[test]
    fn the_headers_of_messages_that_wait_are_bounded() {
        let relay = Relay::default();
        let message = || MessageId::at(clock().now());
        let large = relay.await_answer(message(), MAX_AWAITED_BYTES).unwrap();
        assert!(!relay.has_room() && relay.await_answer(message(), 1).is_none());
        drop(large);
        assert!(relay.has_room() && locked(&relay.0.waiting).messages.is_empty());
    }

    #[test]
    fn an_order_of_the_platform_is_sent_for_a_time() {
        let (relay, clock) = (Relay::default(), clock());
        let [order, own] = [(); 2].map(|()| MessageId::at(clock.now()));
        let limit = Duration::from_secs(5);
        relay.limit_order(order, clock.instant() + limit);
        assert_eq!(relay.order_limit(order, clock.instant()), Some(limit));
        assert_eq!(relay.order_limit(order, clock.instant() + limit), Some(Duration::ZERO));
        assert_eq!(relay.order_limit(own, clock.instant()), None, "an operator's expires at its time");
        relay.limit_order(own, clock.instant() + limit + LIMIT_KEPT);
        assert_eq!(locked(&relay.0.order_limits).len(), 1);
    }

    #[tokio::test]
    async fn answers_to_orders_beyond_the_limit_are_left_to_the_store() {
        let (relay, id) = (Relay::default(), MessageId::at(clock().now()));
        let answer = OrderAnswer { order: id, answer: id, is_last: true };
        (0..=MAX_ORDER_ANSWERS).for_each(|_| relay.answer_order(answer));
        for _ in 0..MAX_ORDER_ANSWERS {
            assert_eq!(relay.order_answer().await, Some(answer));
        }
        assert_eq!(relay.order_answer().await, None, "one had no room");
        relay.answer_order(answer);
        assert_eq!(relay.order_answer().await, Some(answer));
    }
}
