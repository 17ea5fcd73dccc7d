//! One of the connections of a gateway to its platform, whether or not it is open.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt as _};
use tokio::sync::OwnedSemaphorePermit;

use super::desk::Gateway;
use super::job::Job;
use super::orders::Orders;
use super::platform::SharedConnector;
use super::queue::Queue;
use crate::hl7::AcknowledgeAs;
use crate::model::{MessageId, explained};
use crate::store::{ForwardOutcome, ForwardState};

/// One of the connections of a gateway to its platform.
#[derive(Debug)]
pub(super) struct Uplink {
    pub(super) gateway: Gateway,
    pub(super) number: usize,
    pub(super) queue: Arc<Queue>,
    pub(super) orders: Orders,
    pub(super) connector: SharedConnector,
}
impl Uplink {
    /// Which of the messages that the platform has not acknowledged, though it had them, are given up: a
    /// message that it never acknowledges, while it acknowledges others, must not hold up those behind it
    /// forever.
    pub(super) fn give_up(
        &self,
        unanswered: &[MessageId],
    ) -> impl Iterator<Item = (MessageId, ForwardOutcome)> {
        let is_over = |id: &&MessageId| self.queue.suspects().is_never_answered(**id);
        unanswered.iter().filter(is_over).map(|id| (*id, ForwardOutcome::given_up(NO_ACKNOWLEDGEMENT)))
    }

    /// Records the application acknowledgement of a message that was settled before. A device that waits gets
    /// it, and one that sends the message again.
    pub(super) fn correct(&self, id: MessageId, outcome: ForwardOutcome) -> BoxFuture<'static, Option<Job>> {
        if !outcome.is_accepted {
            self.queue.log_refusal(id, &outcome, "the platform refused a message after CA; it is kept");
        }
        self.gateway.metrics.gateway.late(outcome.is_accepted);
        let queue = Arc::clone(&self.queue);
        async move {
            let answer = outcome.answer.clone();
            // What is accepted, and awaited by no device, changes nothing.
            if (!outcome.is_accepted || answer.is_some())
                && let Err(error) = queue.store.correct_forward(id, outcome.clone()).await
            {
                let (error, permit) =
                    (explained(&error), Arc::clone(&queue.corrections).try_acquire_owned().ok());
                let is_held = permit.is_some();
                tracing::error!(message = %id, error, is_held, "a late answer of the platform is not recorded");
                if let Some(permit) = permit {
                    tokio::spawn(correct_later(Arc::clone(&queue), id, outcome, permit));
                }
            }
            queue.relay.answer(id, answer.as_ref());
            None
        }
        .boxed()
    }

    /// How the directory has a device acknowledged.
    pub(super) fn acknowledge(&self, job: &Job) -> AcknowledgeAs {
        let directory = self.gateway.directory.load();
        directory.active(job.device()).map_or(AcknowledgeAs::AsAsked, |device| device.acknowledge)
    }
}

/// Records a late answer when the store can take it: a disk may be full.
async fn correct_later(
    queue: Arc<Queue>,
    id: MessageId,
    outcome: ForwardOutcome,
    _permit: OwnedSemaphorePermit,
) {
    while queue.done.run_until_cancelled(tokio::time::sleep(RETRY)).await.is_some() {
        // The one before may be among them.
        if queue.has_unrecorded() {
            continue;
        }
        match queue.store.forward_state(id).await {
            // Its device has sent it again, and the platform is asked again.
            Ok(ForwardState::Waiting { .. }) => return,
            Ok(_) if queue.store.correct_forward(id, outcome.clone()).await.is_ok() => return,
            _ => {}
        }
    }
}

/// Retry delay after a store error.
const RETRY: Duration = Duration::from_secs(1);
/// Why a message is not sent again that the platform never acknowledges.
const NO_ACKNOWLEDGEMENT: &str = "no-acknowledgement";

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::interface_a::Relay;
    use crate::metrics::Metrics;
    use crate::model::Clock;
    use crate::store::fixtures::TestStore;
    use crate::store::{ForwardClass, ForwardLane, MessageRecord};

    // A disk may be full, and devices send messages again meanwhile.
    #[tokio::test]
    async fn a_late_answer_that_was_held_counts_unless_its_message_waits_again() {
        let place = TestStore::new();
        let store = place.open().await;
        let (metrics, clock) = (Metrics::new().unwrap(), Clock::system());
        let queue = Queue::new(store.clone(), Relay::default(), metrics, clock, CancellationToken::new());
        let queue = Arc::new(queue);
        let records = ["1", "2"].map(|id| MessageRecord {
            forward: Some(ForwardClass::Alarm),
            ..place.record(id, b"MSH|^~\\&|A\r")
        });
        let lane = ForwardLane { class: ForwardClass::Alarm, device: records[0].device.clone() };
        let [refused, again] = records.clone().map(|record| record.id);
        for record in records {
            store.record(record).await.unwrap();
        }
        let taken = ForwardOutcome { is_accepted: true, code: "CA".to_owned(), reason: None, answer: None };
        place
            .execute("CREATE TRIGGER full BEFORE DELETE ON forward BEGIN SELECT RAISE(ABORT, 'full'); END")
            .await
            .unwrap();
        assert!(queue.settle(&lane, refused, &taken).await && queue.has_unrecorded());
        let late = ForwardOutcome {
            is_accepted: false,
            code: "AE".to_owned(),
            answer: Some(Bytes::from_static(b"MSA|AE|1")),
            ..taken
        };
        let correct = |id| {
            let permit = Arc::clone(&queue.corrections).try_acquire_owned().unwrap();
            tokio::spawn(correct_later(Arc::clone(&queue), id, late.clone(), permit))
        };
        let corrections = [correct(refused), correct(again)];
        tokio::time::sleep(RETRY * 2).await;
        place.execute("DROP TRIGGER full").await.unwrap();
        let recording = tokio::spawn(Arc::clone(&queue).record_held());
        for correction in corrections {
            correction.await.unwrap();
        }
        recording.abort();
        let state = async |id| store.forward_state(id).await.unwrap();
        let expected = ForwardState::Settled { refused: Some("AE".to_owned()), answer: late.answer.clone() };
        assert_eq!(state(refused).await, expected);
        assert_eq!(state(again).await, ForwardState::Waiting { elsewhere: false });
    }
}
