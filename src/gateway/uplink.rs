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
use crate::store::ForwardOutcome;

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
            let (code, reason) = (&outcome.code, outcome.reason.as_deref().unwrap_or_default());
            tracing::warn!(message = %id, code, reason, "the platform refused a message after CA; it is kept");
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
        if queue.store.correct_forward(id, outcome.clone()).await.is_ok() {
            return;
        }
    }
}

/// Retry delay after a store error.
const RETRY: Duration = Duration::from_secs(1);
/// Why a message is not sent again that the platform never acknowledges.
const NO_ACKNOWLEDGEMENT: &str = "no-acknowledgement";
