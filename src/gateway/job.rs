//! Some messages of a lane, which one connection forwards one after the other.

use std::collections::VecDeque;
use std::time::Duration;

use crate::model::{MessageId, explained};
use crate::store::{ForwardOutcome, WaitingForward};

use super::queue::Claim;
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

    /// The sender of the messages.
    pub(super) fn device(&self) -> &crate::model::DeviceId {
        &self.claim.lane.device
    }

    /// Records the outcomes of messages that were taken, until the store has them, and reports them to the
    /// sessions that wait. At the end of the gateway it is tried once: what is not recorded is sent again,
    /// and the platform recognises it.
    pub(super) async fn record(&self, settled: Vec<(MessageId, ForwardOutcome)>) {
        let queue = &self.claim.queue;
        for (id, outcome) in settled {
            let answer = outcome.answer.clone();
            while let Err(error) = queue.store.settle_forward(id, outcome.clone()).await {
                let error = explained(&error);
                tracing::error!(message = %id, error, "the platform's answer is not recorded; will retry");
                if queue.done.run_until_cancelled(tokio::time::sleep(RETRY)).await.is_none() {
                    return;
                }
            }
            queue.relay.settle(id, answer.as_ref());
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
}

/// Retry delay after a store error.
const RETRY: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::gateway::queue::Queue;
    use crate::interface_a::Relay;
    use crate::metrics::Metrics;
    use crate::store::fixtures::TestStore;
    use crate::store::{ForwardClass, ForwardLane};

    #[tokio::test]
    async fn a_store_that_takes_nothing_does_not_hold_up_the_end() {
        let place = TestStore::new();
        let store = place.open().await;
        let done = CancellationToken::new();
        let queue = Queue::new(store.clone(), Relay::default(), Metrics::new().unwrap(), done.clone());
        let lane = ForwardLane { class: ForwardClass::Alarm, device: "PUMP-1".parse().unwrap() };
        let claim = Claim { queue: Arc::new(queue), lane, has_more: false };
        let job = Job::new(claim, Vec::new());
        let outcome = ForwardOutcome { is_accepted: true, code: String::new(), reason: None, answer: None };
        let id = MessageId::at(store.now());
        store.close().await;
        let recording = tokio::spawn(async move { job.record(vec![(id, outcome)]).await });
        done.cancel();
        tokio::time::timeout(Duration::from_secs(60), recording).await.expect("it ends").unwrap();
    }
}
