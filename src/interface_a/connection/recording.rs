//! Stores a message, and what follows when it is durable.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt as _};
use futures_util::stream::FuturesUnordered;
use tokio::sync::OwnedSemaphorePermit;

use super::services::{Services, StoreResult};
use crate::contact::Activity;
use crate::interface_a::relay::PlatformAnswer;
use crate::interface_a::session::{PlatformWord, Ticket};
use crate::liveness::SignOfLife;
use crate::store::{ForwardLane, ForwardState, MessageRecord, RecordOutcome, StoreError};

/// The waits of a session for what the platform of a gateway answers.
pub(in crate::interface_a) type Relays = FuturesUnordered<BoxFuture<'static, (Ticket, PlatformWord)>>;

/// A message to store, and what follows when it is durable.
pub(super) struct Recording {
    pub(super) ticket: Ticket,
    pub(super) record: Box<MessageRecord>,
    pub(super) sign: SignOfLife,
    /// Whether the device waits for what the platform answers.
    pub(super) is_relayed: bool,
    /// The turn of the device, if the message is large; released when the message is stored.
    pub(super) turn: Option<OwnedSemaphorePermit>,
}

pub(super) fn record_message(
    services: Arc<Services>,
    activity: Arc<Activity>,
    Recording { ticket, record, sign, is_relayed, turn }: Recording,
) -> BoxFuture<'static, StoreResult> {
    async move {
        let began = services.clock.instant();
        let (id, received_at) = (record.id, record.received_at);
        let is_accepted = record.verdict.rejection().is_none();
        let accepted = is_accepted.then(|| (record.device.clone(), received_at));
        let lane = record.forward.map(|class| ForwardLane { class, device: record.device.clone() });
        // Before the message can be forwarded: its answer must find who waits.
        let mut answer = if is_relayed { services.relay.await_answer(id) } else { None };
        let outcome = services.store.record_or_log(record).await;
        match &outcome {
            // A message that was stored before says nothing new: a device that only repeats it is silent.
            Ok(RecordOutcome::Stored(_)) => {
                if let Some(lane) = lane {
                    services.relay.arrive(lane);
                }
                activity.message(received_at, is_accepted);
                if let Some((device, at)) = accepted {
                    services.liveness.hear(&device, at, &sign);
                }
            }
            Ok(RecordOutcome::Resend { original, .. }) if is_relayed => {
                answer = services.relay.await_answer(*original);
                services.answer_again(*original).await;
            }
            _ => answer = None,
        }
        services.observe("stored", began);
        drop(turn);
        StoreResult::Recorded(ticket, outcome, answer)
    }
    .boxed()
}

/// Waits for what the platform answers, for `limit` at most.
pub(super) fn wait_for_platform(
    ticket: Ticket,
    answer: PlatformAnswer,
    limit: Option<Duration>,
) -> BoxFuture<'static, (Ticket, PlatformWord)> {
    async move {
        // A sender that is dropped has no answer.
        let answered = async { PlatformWord::Answered(answer.await.unwrap_or(None)) };
        let word = match limit {
            Some(limit) => tokio::time::timeout(limit, answered).await.unwrap_or(PlatformWord::Late),
            None => answered.await,
        };
        (ticket, word)
    }
    .boxed()
}

impl Services {
    /// Answers a message that came again, if the platform has answered it.
    async fn answer_again(&self, original: crate::model::MessageId) {
        match self.store.forward_state(original).await {
            Ok(ForwardState::Settled(answer)) => self.relay.answer(original, answer.as_ref()),
            Ok(ForwardState::Absent) => self.relay.answer(original, None),
            Ok(ForwardState::Waiting) => {}
            // The device sends it again.
            Err(error) => log_unread(&error),
        }
    }
}

fn log_unread(error: &StoreError) {
    let error = crate::model::explained(error);
    tracing::warn!(error, "the answer of the platform cannot be read; the device gets it when it asks again");
}
