//! What is forwarded next.
//!
//! A lane has the messages of one device and class. One of them is under way at a time, so that the platform
//! gets them in the order in which they came. Among the lanes the most urgent class is first, and within a
//! class each lane has its turn. Lanes are few (three for each device); messages stay in the store until
//! their turn.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinError;
use tokio_util::sync::CancellationToken;

use super::log_limit::LogLimit;
use super::suspects::Suspects;
use super::unrecorded::Unrecorded;
use crate::interface_a::Relay;
use crate::metrics::Metrics;
use crate::model::{Clock, DeviceId, MessageId, explained};
use crate::store::{ForwardClass, ForwardLane, ForwardOutcome, Store, StoreError, WaitingForward};

/// The lanes with messages that wait.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) store: Store,
    pub(super) relay: Relay,
    metrics: Metrics,
    pub(super) clock: Clock,
    lanes: Mutex<Lanes>,
    changed: Notify,
    /// For those who have room for alarms alone.
    alarms: Notify,
    suspects: Mutex<Suspects>,
    unrecorded: Mutex<Unrecorded>,
    /// Lanes that go on behind a message which the platform cannot take, and until when.
    passed: Mutex<HashMap<ForwardLane, (MessageId, Instant)>>,
    /// A message that was sent then had no acknowledgement in its time: connections on which nothing has come
    /// since may be dead too.
    distrusted: Mutex<Option<Instant>>,
    /// Late answers that the store could not take.
    pub(super) corrections: Arc<Semaphore>,
    /// What the log gets of refusals, and of frames that cannot be read.
    refusals: LogLimit,
    broken: LogLimit,
    /// What messages in memory may have, in KiB: alarms, and all others.
    memory: [Arc<Semaphore>; 2],
    /// What one message may have of that.
    largest: u32,
    /// Cancelled when the gateway is to end.
    pub(super) done: CancellationToken,
}

#[derive(Debug, Default)]
struct Lanes {
    state: HashMap<ForwardLane, LaneState>,
    /// The lanes that no connection works on, in the order of their turns.
    ready: BTreeMap<(ForwardClass, u64), ForwardLane>,
    turn: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LaneState {
    Ready,
    /// A connection works on it. `again`: something has come meanwhile.
    Taken {
        again: bool,
    },
}

/// The right to forward the messages of a lane. Dropped, it gives the lane back.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) queue: Arc<Queue>,
    pub(super) lane: ForwardLane,
    /// Whether the lane may have further messages.
    pub(super) has_more: bool,
    /// The memory of the messages that were read.
    pub(super) memory: Option<OwnedSemaphorePermit>,
}

impl Queue {
    pub(super) fn new(
        store: Store,
        relay: Relay,
        metrics: Metrics,
        clock: Clock,
        done: CancellationToken,
    ) -> Self {
        let (lanes, changed, alarms, suspects, unrecorded) = Default::default();
        let (passed, distrusted, refusals, broken) = Default::default();
        Self {
            store,
            relay,
            metrics,
            clock,
            lanes,
            changed,
            alarms,
            suspects,
            unrecorded,
            passed,
            distrusted,
            corrections: Arc::new(Semaphore::new(MAX_CORRECTIONS)),
            refusals,
            broken,
            memory: [ALARM_MEMORY, MEMORY].map(|kib| Arc::new(Semaphore::new(kib as usize))),
            largest: LARGEST,
            done,
        }
    }

    /// This queue, whose messages have up to so many bytes.
    pub(super) fn with_max_frame(self, bytes: usize) -> Self {
        let largest = u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX);
        Self { largest: largest.max(LARGEST), ..self }
    }

    /// What a lane may need of this memory; a message that is larger than all of it has it alone.
    const fn share(&self, of: u32) -> u32 {
        if self.largest < of { self.largest } else { of }
    }

    /// A lane has messages that wait.
    pub(super) fn add(&self, lane: ForwardLane) {
        let mut lanes = self.lanes();
        match lanes.state.get_mut(&lane) {
            Some(LaneState::Taken { again }) => *again = true,
            // Who was notified may be busy: another connection takes it.
            Some(LaneState::Ready) => self.notify(lane.class),
            None => {
                let class = lane.class;
                lanes.make_ready(lane);
                drop(lanes);
                self.notify(class);
            }
        }
    }

    /// The next messages to forward, the oldest of a lane; waits for some. `least` is the least urgent class
    /// for which there is room, and `avoided` are lanes whose next message cannot be sent on this connection.
    ///
    /// Cancel safe: a lane that was taken is given back.
    pub(super) async fn next(
        self: &Arc<Self>,
        least: ForwardClass,
        avoided: &HashSet<ForwardLane>,
    ) -> (Claim, Vec<WaitingForward>) {
        let is_for_alarms = least == ForwardClass::Alarm;
        let changed = if is_for_alarms { &self.alarms } else { &self.changed };
        let [of_alarms, of_others] = &self.memory;
        let mut memory = None;
        loop {
            // Before the look: what is given back for others has one notification, for all who wait then.
            let (notified, alarm) = (changed.notified(), self.alarms.notified());
            if !is_for_alarms && memory.is_none() {
                memory = Arc::clone(of_others).try_acquire_many_owned(self.share(MEMORY)).ok();
            }
            // An alarm does not wait for the memory of other messages.
            let reach = if memory.is_some() { least } else { ForwardClass::Alarm };
            if let Some(claim) = self.claim(reach, avoided) {
                let own = match claim.lane.class {
                    ForwardClass::Alarm => {
                        Arc::clone(of_alarms).acquire_many_owned(self.share(ALARM_MEMORY)).await.ok()
                    }
                    _ => memory.take(),
                };
                if let Some(taken) = self.read(claim, own).await {
                    return taken;
                }
            } else if is_for_alarms || memory.take().is_some() {
                notified.await;
            } else {
                tokio::select! {
                    () = alarm => {}
                    free = Arc::clone(of_others).acquire_many_owned(self.share(MEMORY)) => memory = free.ok(),
                }
            }
        }
    }

    /// Counts what the platform has answered, and logs what it refused.
    pub(super) fn count(&self, settled: &[(MessageId, ForwardOutcome)]) {
        let is_heard = |(_, outcome): &&(_, ForwardOutcome)| outcome.is_accepted || !outcome.code.is_empty();
        self.suspects().acquit(settled.iter().filter(is_heard).map(|(id, _)| *id));
        for (id, outcome) in settled {
            self.metrics.gateway.settled(outcome.is_accepted, outcome.answer.is_some());
            if !outcome.is_accepted {
                self.log_refusal(*id, outcome, "the platform refused a message; it is kept");
            }
        }
    }

    pub(super) fn log_refusal(&self, message: MessageId, outcome: &ForwardOutcome, what: &str) {
        if let Some(left_out) = self.refusals.take(self.clock.instant()) {
            let (code, reason) = (&outcome.code, outcome.reason.as_deref().unwrap_or_default());
            tracing::warn!(%message, code, reason, left_out, "{what}");
        }
    }

    pub(super) fn log_broken(&self) {
        if let Some(left_out) = self.broken.take(self.clock.instant()) {
            tracing::warn!(left_out, "a frame of the platform cannot be read");
        }
    }

    /// Records what became of a message, or keeps it until the store can take it. Whether that was possible.
    pub(super) async fn settle(&self, lane: &ForwardLane, id: MessageId, outcome: &ForwardOutcome) -> bool {
        // What the store refuses to one it refuses to all; `record_held` tries again.
        if !self.unrecorded().is_empty() {
            return self.unrecorded().hold(lane, id, outcome);
        }
        let Err(error) = self.store.settle_forward(id, outcome.clone()).await else { return true };
        let (error, is_held) = (explained(&error), self.unrecorded().hold(lane, id, outcome));
        tracing::error!(message = %id, error, is_held, "the platform's answer is not recorded; will retry");
        is_held
    }

    /// Records what the store could not take before, until `done`.
    pub(super) async fn record_held(self: Arc<Self>) {
        while self.done.run_until_cancelled(tokio::time::sleep(RETRY)).await.is_some() {
            while self.record_some().await {}
        }
    }

    /// Whether there were some, and the store has taken them all.
    async fn record_some(&self) -> bool {
        let some = self.unrecorded().some();
        let writes = some.iter().map(|(_, id, outcome)| self.store.settle_forward(*id, outcome.clone()));
        let written = futures_util::future::join_all(writes).await;
        // The failure is in the log since the first one was held.
        let are_all = !written.is_empty() && written.iter().all(Result::is_ok);
        for ((lane, id, outcome), _) in some.into_iter().zip(written).filter(|(_, written)| written.is_ok()) {
            self.unrecorded().recorded(lane, id);
            // A device that sent the message again meanwhile found it waiting.
            if !outcome.is_given_up() {
                self.relay.answer(id, outcome.answer.as_ref());
            }
        }
        are_all
    }

    /// Whether outcomes wait for the store.
    pub(super) fn has_unrecorded(&self) -> bool {
        !self.unrecorded().is_empty()
    }

    fn unrecorded(&self) -> MutexGuard<'_, Unrecorded> {
        self.unrecorded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The messages that the platform does not take.
    pub(super) fn suspects(&self) -> MutexGuard<'_, Suspects> {
        self.suspects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A message that was sent at `since` was not acknowledged in time on its connection.
    pub(super) fn distrust(&self, since: Instant) {
        let mut distrusted = self.distrusted.lock().unwrap_or_else(PoisonError::into_inner);
        *distrusted = (*distrusted).max(Some(since));
    }

    /// Whether a connection may be dead on which something last came at `heard`.
    pub(super) fn distrusts(&self, heard: Instant) -> bool {
        self.distrusted.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|since| heard < since)
    }

    /// The lane goes on behind this message for a while.
    pub(super) fn pass(&self, lane: &ForwardLane, message: MessageId) {
        let until = self.clock.instant() + PASSED;
        let mut passed = self.passed.lock().unwrap_or_else(PoisonError::into_inner);
        passed.insert(lane.clone(), (message, until));
    }

    /// The message behind which the lane goes on.
    fn passed(&self, lane: &ForwardLane) -> Option<MessageId> {
        let mut passed = self.passed.lock().unwrap_or_else(PoisonError::into_inner);
        let (message, until) = *passed.get(lane)?;
        if until <= self.clock.instant() {
            passed.remove(lane);
            return None;
        }
        Some(message)
    }

    /// Whether a lane of a more urgent class is ready.
    pub(super) fn has_more_urgent(&self, than: ForwardClass) -> bool {
        self.lanes().ready.keys().next().is_some_and(|(class, _)| *class < than)
    }

    /// A lane of this class is ready. Who is notified may be busy, or have no room.
    fn notify(&self, class: ForwardClass) {
        // One who waits may avoid this lane, so all who do look; one who is busy finds it later.
        self.changed.notify_one();
        self.changed.notify_waiters();
        if class == ForwardClass::Alarm {
            self.alarms.notify_one();
            self.alarms.notify_waiters();
        }
    }

    fn claim(self: &Arc<Self>, least: ForwardClass, avoided: &HashSet<ForwardLane>) -> Option<Claim> {
        let mut lanes = self.lanes();
        let mut urgent = lanes.ready.iter().take_while(|((class, _), _)| *class <= least);
        let turn = *urgent.find(|(_, lane)| !avoided.contains(*lane))?.0;
        let lane = lanes.ready.remove(&turn)?;
        lanes.state.insert(lane.clone(), LaneState::Taken { again: false });
        let next = lanes.ready.keys().next().map(|(class, _)| *class);
        drop(lanes);
        // One notification may stand for several lanes.
        next.into_iter().for_each(|class| self.notify(class));
        Some(Claim { queue: Arc::clone(self), lane, has_more: true, memory: None })
    }

    /// Reads the messages of a lane. `memory` is what they may have: a backlog of documents is not to fill it
    /// all, and a lane may have one that is as large as a frame.
    async fn read(
        self: &Arc<Self>,
        mut claim: Claim,
        mut memory: Option<OwnedSemaphorePermit>,
    ) -> Option<(Claim, Vec<WaitingForward>)> {
        match self.waiting(&claim.lane).await {
            Ok(messages) if messages.is_empty() => {
                claim.has_more = false;
                None
            }
            Ok(messages) => {
                let kib = messages.iter().map(|message| message.raw.len()).sum::<usize>().div_ceil(1024);
                claim.memory = memory.as_mut().and_then(|all| all.split(kib.min(all.num_permits())));
                Some((claim, messages))
            }
            Err(error) => {
                tracing::warn!(error = %explained(&error), "the forward queue cannot be read; will retry");
                tokio::time::sleep(RETRY).await;
                None
            }
        }
    }

    /// The oldest messages of a lane; empty when nothing waits. Those that are damaged are settled, when they
    /// have been read twice: what a disk gave wrong once may be right.
    async fn waiting(self: &Arc<Self>, lane: &ForwardLane) -> Result<Vec<WaitingForward>, StoreError> {
        let mut seen = HashSet::new();
        loop {
            let after = self.unrecorded().last_of(lane).max(self.passed(lane));
            let page = self.store.waiting_forwards(lane, after, RUN, RUN_BYTES).await?;
            let (again, first): (Vec<_>, Vec<_>) = page.altered.iter().partition(|id| seen.contains(*id));
            for id in again {
                let (queue, device) = (Arc::clone(self), lane.device.clone());
                // The session that waits gets its answer, whatever becomes of this connection meanwhile.
                let settling = tokio::spawn(async move { queue.give_up(id, &device).await });
                match settling.await.map_err(JoinError::try_into_panic) {
                    Ok(settled) => settled?,
                    Err(Ok(panic)) => std::panic::resume_unwind(panic),
                    Err(Err(_)) => return Err(StoreError::Closed),
                }
            }
            if first.is_empty() && (page.altered.is_empty() || !page.messages.is_empty()) {
                return Ok(page.messages);
            }
            if !first.is_empty() {
                tokio::time::sleep(RETRY).await;
            }
            seen.extend(first);
        }
    }

    /// Settles a message whose bytes are not those that its device sent: it must not hold up those behind it.
    async fn give_up(&self, message: MessageId, device: &DeviceId) -> Result<(), StoreError> {
        if self.store.settle_forward(message, ForwardOutcome::given_up(ALTERED)).await? {
            self.metrics.gateway.settled(false, false);
            tracing::error!(%message, "a message for the platform was altered in the store; it is not forwarded");
            self.relay.give_up(message, device, self.clock.instant());
        }
        Ok(())
    }

    fn release(&self, Claim { lane, has_more, .. }: &Claim) {
        let mut lanes = self.lanes();
        let again = matches!(lanes.state.remove(lane), Some(LaneState::Taken { again: true }));
        if *has_more || again {
            lanes.make_ready(lane.clone());
            drop(lanes);
            self.notify(lane.class);
        }
    }

    fn lanes(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lanes {
    fn make_ready(&mut self, lane: ForwardLane) {
        self.turn += 1;
        self.ready.insert((lane.class, self.turn), lane.clone());
        self.state.insert(lane, LaneState::Ready);
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.queue.release(self);
    }
}

/// Messages of a lane that are read at once.
const RUN: u32 = 32;
/// Bytes of them. At most 64 connections work on 16 lanes each.
const RUN_BYTES: usize = 256 << 10;
/// Memory, in KiB, that is kept for the messages of a lane while they are read, or as much as a frame may
/// have.
const LARGEST: u32 = 16 << 10;
/// What the messages of alarm lanes may have in memory, in KiB.
const ALARM_MEMORY: u32 = 64 << 10;
/// What those of all other lanes may have.
const MEMORY: u32 = 192 << 10;
/// Late answers that wait for the store.
const MAX_CORRECTIONS: usize = 1024;
/// Why a message is not forwarded whose bytes do not have their digest.
const ALTERED: &str = "altered";
/// For how long a lane goes on behind a message which the platform cannot take, before it is tried again.
const PASSED: Duration = Duration::from_mins(1);
/// Delay before the queue is read again after an error.
const RETRY: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MessageRecord;
    use crate::store::fixtures::TestStore;

    // What the store does on a full disk.
    #[tokio::test]
    async fn a_lane_goes_on_while_the_store_records_nothing() {
        let place = TestStore::new();
        let store = place.open().await;
        let [first, second] = ["1", "2"].map(|id| MessageRecord {
            forward: Some(ForwardClass::Alarm),
            ..place.record(id, b"MSH|^~\\&|A\r")
        });
        let lane = ForwardLane { class: ForwardClass::Alarm, device: first.device.clone() };
        let (metrics, done) = (Metrics::new().unwrap(), CancellationToken::new());
        let queue = Arc::new(Queue::new(store.clone(), Relay::default(), metrics, Clock::system(), done));
        for record in [&first, &second] {
            store.record(record.clone()).await.unwrap();
        }
        queue.add(lane.clone());
        let (claim, messages) = queue.next(ForwardClass::Data, &HashSet::new()).await;
        assert_eq!(messages.len(), 2);
        let full = "CREATE TRIGGER full BEFORE DELETE ON forward BEGIN SELECT RAISE(ABORT, 'full'); END";
        place.execute(full).await.unwrap();
        let taken = ForwardOutcome { is_accepted: true, code: "CA".to_owned(), reason: None, answer: None };
        assert!(queue.settle(&lane, first.id, &taken).await, "its lane goes on");
        drop(claim);
        let (_claim, messages) = queue.next(ForwardClass::Data, &HashSet::new()).await;
        assert_eq!(messages.iter().map(|message| message.id).collect::<Vec<_>>(), [second.id]);
        assert!(!queue.record_some().await);
        assert_eq!(store.forward_backlog().await.unwrap().messages, 2);
        place.execute("DROP TRIGGER full").await.unwrap();
        assert!(queue.record_some().await && !queue.record_some().await);
        let backlog = store.forward_backlog().await.unwrap();
        assert_eq!((backlog.messages, backlog.oldest), (1, Some(second.id)));
    }

    #[tokio::test]
    async fn an_alarm_does_not_wait_for_the_memory_of_other_messages() {
        use futures_util::FutureExt as _;

        let place = TestStore::new();
        let store = place.open().await;
        let (metrics, done) = (Metrics::new().unwrap(), CancellationToken::new());
        let queue = Arc::new(Queue::new(store.clone(), Relay::default(), metrics, Clock::system(), done));
        let [_, of_others] = &queue.memory;
        let used = Arc::clone(of_others).acquire_many_owned(MEMORY).await.unwrap();
        let classes = [("1", ForwardClass::Data), ("2", ForwardClass::Alarm)];
        let [data, alarm] = classes
            .map(|(id, class)| MessageRecord { forward: Some(class), ..place.record(id, b"MSH|^~\\&|A\r") });
        let lane = |class| ForwardLane { class, device: data.device.clone() };
        store.record(data.clone()).await.unwrap();
        queue.add(lane(ForwardClass::Data));
        let avoided = HashSet::new();
        let mut next = Box::pin(queue.next(ForwardClass::Data, &avoided));
        assert!(next.as_mut().now_or_never().is_none(), "no memory is free");
        store.record(alarm.clone()).await.unwrap();
        queue.add(lane(ForwardClass::Alarm));
        let (claim, messages) = next.await;
        assert_eq!((claim.lane.class, messages[0].id), (ForwardClass::Alarm, alarm.id));
        drop(used);
        let (claim, messages) = queue.next(ForwardClass::Data, &avoided).await;
        assert_eq!((claim.lane.class, messages[0].id), (ForwardClass::Data, data.id));
    }

    // `interface-a.max-frame` may be as large as the memory.
    #[tokio::test]
    async fn a_lane_is_read_when_there_is_memory_for_the_largest_message() {
        use futures_util::FutureExt as _;

        let place = TestStore::new();
        let store = place.open().await;
        let (metrics, done) = (Metrics::new().unwrap(), CancellationToken::new());
        let queue = Queue::new(store.clone(), Relay::default(), metrics, Clock::system(), done);
        let queue = Arc::new(queue.with_max_frame(64 << 20));
        let [_, of_others] = &queue.memory;
        let used = Arc::clone(of_others).acquire_many_owned(MEMORY - (64 << 10) + 1).await.unwrap();
        let record =
            MessageRecord { forward: Some(ForwardClass::Data), ..place.record("1", b"MSH|^~\\&|A\r") };
        let lane = ForwardLane { class: ForwardClass::Data, device: record.device.clone() };
        store.record(record).await.unwrap();
        queue.add(lane);
        let avoided = HashSet::new();
        let mut next = Box::pin(queue.next(ForwardClass::Data, &avoided));
        assert!(next.as_mut().now_or_never().is_none(), "there is not enough");
        drop(used);
        let (claim, messages) = next.await;
        assert_eq!((messages.len(), of_others.available_permits()), (1, MEMORY as usize - 1));
        drop(claim);
        assert_eq!(of_others.available_permits(), MEMORY as usize);
    }

    // Data of many devices may wait for a slow answer; an alarm is not to wait behind it.
    #[tokio::test]
    async fn room_for_alarms_alone_takes_no_other_lane_and_what_is_given_up_goes_to_others() {
        use futures_util::FutureExt as _;

        let place = TestStore::new();
        let store = place.open().await;
        let [data, alarm] = [ForwardClass::Data, ForwardClass::Alarm].map(|class| {
            let id = if class == ForwardClass::Data { "1" } else { "2" };
            MessageRecord { forward: Some(class), ..place.record(id, b"MSH|^~\\&|A\r") }
        });
        let lane = |class| ForwardLane { class, device: data.device.clone() };
        let (metrics, done) = (Metrics::new().unwrap(), CancellationToken::new());
        let queue = Arc::new(Queue::new(store.clone(), Relay::default(), metrics, Clock::system(), done));
        for record in [&data, &alarm] {
            store.record(record.clone()).await.unwrap();
        }
        queue.add(lane(ForwardClass::Data));
        assert!(
            queue.next(ForwardClass::Alarm, &HashSet::new()).now_or_never().is_none(),
            "it has room for alarms alone"
        );
        // A connection that has no room any more gives its lane back.
        drop(queue.next(ForwardClass::Data, &HashSet::new()).now_or_never());
        let waiting = tokio::spawn({
            let queue = Arc::clone(&queue);
            async move { queue.next(ForwardClass::Alarm, &HashSet::new()).await.1 }
        });
        queue.add(lane(ForwardClass::Alarm));
        assert_eq!(waiting.await.unwrap()[0].id, alarm.id);
        store.settle_forward(alarm.id, ForwardOutcome::given_up("x")).await.unwrap();
        assert_eq!(queue.next(ForwardClass::Data, &HashSet::new()).await.1[0].id, data.id);
    }
}
