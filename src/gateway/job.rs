//! Some messages of a lane, which one connection forwards one after the other.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::interface_a::Relay;
use crate::model::MessageId;
use crate::store::{ForwardLane, ForwardOutcome, WaitingForward};

use super::queue::Claim;
use super::suspects::{Loss, Next};
use super::window::Run;

/// Messages of a lane. Dropped, it gives back those that are not settled.
#[derive(Debug)]
pub(super) struct Job {
    claim: Claim,
    messages: VecDeque<WaitingForward>,
}

impl Job {
    pub(super) fn new(claim: Claim, messages: Vec<WaitingForward>) -> Self {
        Self { claim, messages: messages.into() }
    }

    /// Gives the lane back, because this connection cannot send its next message at present.
    pub(super) fn leave_to_others(self) -> ForwardLane {
        self.claim.lane.clone()
    }

    /// The platform could not take this message at present. If that goes on, those behind it go first.
    /// Whether that is so.
    pub(super) fn let_others_pass(&self, message: MessageId) -> bool {
        let queue = &self.claim.queue;
        let is_stuck = queue.suspects().is_stuck(message);
        if is_stuck {
            queue.pass(&self.claim.lane, message);
        }
        is_stuck
    }

    pub(super) fn lane(&self) -> &ForwardLane {
        &self.claim.lane
    }

    /// The sender of the messages.
    pub(super) fn device(&self) -> &crate::model::DeviceId {
        &self.claim.lane.device
    }

    /// Records the outcomes of messages that were taken, and reports them to the sessions that wait: that of
    /// `awaits_errors` goes on waiting for a while. What the store cannot take is kept in memory while there
    /// is room. At the end of the gateway it is tried once: what is not recorded is sent again, and the
    /// platform recognises it.
    pub(super) async fn record(
        &self,
        settled: Vec<(MessageId, ForwardOutcome)>,
        awaits_errors: Option<MessageId>,
    ) {
        // Together: one commit is as fast as all.
        let recordings =
            settled.iter().map(|(id, outcome)| self.record_one(*id, outcome, awaits_errors == Some(*id)));
        futures_util::future::join_all(recordings).await;
    }

    async fn record_one(&self, id: MessageId, outcome: &ForwardOutcome, awaits_errors: bool) {
        let (queue, lane) = (&self.claim.queue, &self.claim.lane);
        while !queue.settle(lane, id, outcome).await {
            if queue.done.run_until_cancelled(tokio::time::sleep(RETRY)).await.is_none() {
                return;
            }
        }
        if outcome.is_given_up() {
            queue.relay.give_up(id, &lane.device, queue.clock.instant());
        } else if awaits_errors {
            queue.relay.count_settled(&lane.device);
            tokio::spawn(end_wait(queue.relay.clone(), id));
        } else {
            queue.relay.settle(id, &lane.device, outcome.answer.as_ref());
        }
    }

    /// A connection was lost while these messages of the job were under way. One that ends connections waits,
    /// and is given up in the end.
    pub(super) async fn lost(self, unknown: &[MessageId], how: Loss) {
        let queue = Arc::clone(&self.claim.queue);
        for id in unknown {
            let next = queue.suspects().lost(*id, how);
            match next {
                Next::Again => {}
                Next::After(pause) => {
                    let wait_ms = pause.as_millis();
                    tracing::warn!(message = %id, wait_ms, "a message has ended a connection to the platform");
                    // Its lane waits as well.
                    tokio::spawn(async move {
                        let _ = self.claim.queue.done.run_until_cancelled(tokio::time::sleep(pause)).await;
                        drop(self);
                    });
                    return;
                }
                Next::Never => {
                    let outcome = ForwardOutcome::given_up(ENDS_CONNECTION);
                    self.claim.queue.count(&[(*id, outcome.clone())]);
                    self.record(vec![(*id, outcome)], None).await;
                    return;
                }
            }
        }
    }

    /// The rest of the job, unless something more urgent waits.
    pub(super) fn rest(self) -> Option<Self> {
        let is_interrupted = self.claim.queue.has_more_urgent(self.claim.lane.class);
        (!self.messages.is_empty() && !is_interrupted).then_some(self)
    }
}

impl Run for Job {
    fn head(&self) -> Option<&WaitingForward> {
        self.messages.front()
    }

    fn take_head(&mut self) -> Option<WaitingForward> {
        self.messages.pop_front()
    }

    fn goes_alone(&self) -> bool {
        self.head().is_some_and(|head| self.claim.queue.suspects().goes_alone(head.id))
    }
}

/// The platform says nothing about success: what it says about an error comes soon, or when the device sends
/// the message again.
async fn end_wait(relay: Relay, message: MessageId) {
    tokio::time::sleep(ERRORS_AWAITED).await;
    relay.answer(message, None);
}

/// How long a device that asks for an application acknowledgement of errors alone waits for it after CA.
const ERRORS_AWAITED: Duration = Duration::from_secs(5);
/// Why a message is not sent again that makes the platform end each connection.
const ENDS_CONNECTION: &str = "ends-connection";
/// Retry delay after a store error.
const RETRY: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::gateway::queue::Queue;
    use crate::metrics::Metrics;
    use crate::model::Clock;
    use crate::store::fixtures::TestStore;
    use crate::store::{ForwardClass, MessageRecord};

    // While a connection is closed for a proof, alarms wait for it.
    #[tokio::test]
    async fn outcomes_are_recorded_together() {
        let place = TestStore::new();
        let store = place.open().await;
        let (metrics, clock) = (Metrics::new().unwrap(), Clock::system());
        let queue = Queue::new(store.clone(), Relay::default(), metrics, clock, CancellationToken::new());
        let lane = ForwardLane { class: ForwardClass::Data, device: "PUMP-1".parse().unwrap() };
        let mut outcomes = Vec::new();
        for number in 0..100 {
            let record = place.record(&number.to_string(), b"MSH|^~\\&|A\r");
            let taken = ForwardOutcome { is_accepted: true, code: String::new(), reason: None, answer: None };
            outcomes.push((record.id, taken));
            store.record(MessageRecord { forward: Some(lane.class), ..record }).await.unwrap();
        }
        let claim = Claim { queue: Arc::new(queue), lane, has_more: false, memory: None };
        let last = outcomes.pop().unwrap();
        // All of them are with the store before the first one is durable.
        assert!(Job::new(claim, Vec::new()).record(outcomes, None).now_or_never().is_none());
        store.settle_forward(last.0, last.1).await.unwrap();
        assert_eq!(store.forward_backlog().await.unwrap().messages, 0);
    }

    #[tokio::test]
    async fn a_store_that_takes_nothing_does_not_hold_up_the_end() {
        let place = TestStore::new();
        let store = place.open().await;
        let done = CancellationToken::new();
        let (metrics, clock) = (Metrics::new().unwrap(), Clock::system());
        let queue = Queue::new(store.clone(), Relay::default(), metrics, clock, done.clone());
        let lane = ForwardLane { class: ForwardClass::Alarm, device: "PUMP-1".parse().unwrap() };
        let claim = Claim { queue: Arc::new(queue), lane, has_more: false, memory: None };
        let job = Job::new(claim, Vec::new());
        let outcome = ForwardOutcome { is_accepted: true, code: String::new(), reason: None, answer: None };
        let id = MessageId::at(store.now());
        store.close().await;
        let recording = tokio::spawn(async move { job.record(vec![(id, outcome)], None).await });
        done.cancel();
        tokio::time::timeout(Duration::from_secs(60), recording).await.expect("it ends").unwrap();
    }
}
