//! One of the connections of a gateway to its platform, whether or not it is open.

use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt as _};

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
        let (store, relay) = (self.queue.store.clone(), self.queue.relay.clone());
        async move {
            let answer = outcome.answer.clone();
            // What is accepted, and awaited by no device, changes nothing.
            if (!outcome.is_accepted || answer.is_some())
                && let Err(error) = store.correct_forward(id, outcome).await
            {
                let error = explained(&error);
                tracing::error!(message = %id, error, "a late answer of the platform is not recorded");
            }
            relay.answer(id, answer.as_ref());
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

/// Why a message is not sent again that the platform never acknowledges.
const NO_ACKNOWLEDGEMENT: &str = "no-acknowledgement";
