//! Stores a message, and what follows when it is durable.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt as _};
use futures_util::stream::FuturesUnordered;
use tokio::sync::OwnedSemaphorePermit;

use super::services::{Services, StoreResult};
use crate::contact::Activity;
use crate::hl7::{AcknowledgementCode, Message};
use crate::interface_a::inbound::Relayed;
use crate::interface_a::relay::{PlatformAnswer, PlatformWord};
use crate::interface_a::session::Ticket;
use crate::liveness::SignOfLife;
use crate::mllp::{CR, FS, VT};
use crate::model::MessageId;
use crate::store::{ForwardLane, ForwardState, MessageRecord, RecordOutcome, StoreError};

/// The waits of a session for what the platform of a gateway answers.
pub(in crate::interface_a) type Relays = FuturesUnordered<BoxFuture<'static, (Ticket, PlatformWord)>>;

/// A message to store, and what follows when it is durable.
pub(super) struct Recording {
    pub(super) ticket: Ticket,
    pub(super) record: Box<MessageRecord>,
    pub(super) sign: SignOfLife,
    /// That the device waits for what the platform answers.
    pub(super) relayed: Option<Relayed>,
    /// The turn of the device, if the message is large; released when the message is stored.
    pub(super) turn: Option<OwnedSemaphorePermit>,
}

pub(super) fn record_message(
    services: Arc<Services>,
    activity: Arc<Activity>,
    Recording { ticket, record, sign, relayed, turn }: Recording,
) -> BoxFuture<'static, StoreResult> {
    async move {
        let began = services.clock.instant();
        let (id, received_at) = (record.id, record.received_at);
        let is_accepted = record.verdict.rejection().is_none();
        let accepted = is_accepted.then(|| (record.device.clone(), received_at));
        let lane = record.forward.map(|class| ForwardLane { class, device: record.device.clone() });
        let is_relayed = relayed.is_some();
        let raw = if is_relayed { record.raw.clone() } else { Bytes::new() };
        // Before the message can be forwarded: its answer must find who waits.
        let header = record.raw.iter().position(|byte| *byte == CR).unwrap_or(record.raw.len());
        let mut answer = if is_relayed { services.relay.await_answer(id, header) } else { None };
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
                // The place of the copy is free again.
                drop(answer.take());
                answer = services.relay.await_answer(*original, header);
                let again = Again { original: *original, lane: lane.as_ref(), relayed };
                if !services.answer_again(again, &raw).await {
                    answer = None;
                }
            }
            Ok(RecordOutcome::Resend { original, .. }) if lane.is_some() => {
                services
                    .answer_again(Again { original: *original, lane: lane.as_ref(), relayed }, &raw)
                    .await;
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
        let word = match limit {
            Some(limit) => tokio::time::timeout(limit, answer.wait()).await.unwrap_or(PlatformWord::Late),
            None => answer.wait().await,
        };
        (ticket, word)
    }
    .boxed()
}

impl Services {
    /// Answers a message that came again, if the platform has answered it. One that the platform has refused
    /// goes there again: the reason may be gone. So does one that the gateway has given up, after a pause.
    /// Whether an answer may come.
    async fn answer_again(&self, again: Again<'_>, message: &[u8]) -> bool {
        let original = again.original;
        match self.store.forward_state(original).await {
            Ok(ForwardState::Settled { refused: Some(code), .. }) if code.is_empty() => {
                if self.relay.may_try_again(original, self.clock.instant()) {
                    return self.forward_again(again).await;
                }
                self.relay.refuse(original);
            }
            Ok(ForwardState::Settled { refused: Some(code), .. }) if again.is_asked_again(&code) => {
                return self.forward_again(again).await;
            }
            Ok(ForwardState::Settled { answer, .. }) => {
                self.relay.answer(original, answer.filter(|answer| is_answer_to(message, answer)).as_ref());
            }
            // It is in no queue, and its device waits: the platform recognises what it has, and answers.
            Ok(ForwardState::Absent) if again.holds_place() && again.lane.is_some() => {
                return self.forward_again(again).await;
            }
            Ok(ForwardState::Absent) => self.relay.answer(original, None),
            // The node that has it may be gone. If it is not, the platform recognises the message.
            Ok(ForwardState::Waiting { elsewhere: true }) => return self.take_over(again, message).await,
            Ok(ForwardState::Waiting { elsewhere: false }) => {}
            // The device sends it again.
            Err(error) => {
                log_unread(&error);
                return false;
            }
        }
        true
    }
}

impl Services {
    /// Forwards a message that waits on another node. That one may have its answer by now.
    async fn take_over(&self, again: Again<'_>, message: &[u8]) -> bool {
        let is_tried = self.forward_again(again).await;
        if let Ok(ForwardState::Settled { refused: None, answer }) =
            self.store.forward_state(again.original).await
        {
            let answer = answer.filter(|answer| is_answer_to(message, answer));
            self.relay.answer(again.original, answer.as_ref());
        }
        is_tried
    }

    async fn forward_again(&self, Again { original, lane, .. }: Again<'_>) -> bool {
        let Some(lane) = lane else { return false };
        match self.store.forward_again(original, lane.class).await {
            Ok(is_new) => {
                if is_new {
                    self.relay.arrive(lane.clone());
                }
                true
            }
            // The device sends it again.
            Err(error) => {
                log_unread(&error);
                false
            }
        }
    }
}

/// A message that came again.
#[derive(Clone, Copy)]
struct Again<'a> {
    original: MessageId,
    lane: Option<&'a ForwardLane>,
    relayed: Option<Relayed>,
}

impl Again<'_> {
    /// Whether its device gets nothing but the platform's answer.
    fn holds_place(&self) -> bool {
        self.relayed.is_some_and(|relayed| relayed.holds_place)
    }

    /// Whether the platform is asked again about a message that it has refused with this MSA-1. What it had
    /// accepted (CA) before is done with.
    fn is_asked_again(&self, code: &str) -> bool {
        match AcknowledgementCode::from_bytes(code.as_bytes()) {
            Some(AcknowledgementCode::CE | AcknowledgementCode::CR) => true,
            Some(AcknowledgementCode::AE | AcknowledgementCode::AR) => {
                self.relayed.is_none_or(|relayed| relayed.holds_place)
            }
            _ => false,
        }
    }
}

/// Whether these bytes acknowledge the message. They come from the database, and who writes to the database
/// could make an order of them.
fn is_answer_to(message: &[u8], answer: &[u8]) -> bool {
    let (Ok(message), Ok(read)) = (Message::parse(message), Message::parse(answer)) else { return false };
    let breaks_the_frame = answer.iter().any(|byte| matches!(*byte, VT | FS));
    let named = read.acknowledgement().map(|acknowledgement| acknowledgement.control_id);
    !breaks_the_frame && named == Some(&*message.header().repeated_control_id())
}

fn log_unread(error: &StoreError) {
    let error = crate::model::explained(error);
    tracing::warn!(error, "the answer of the platform cannot be read; the device gets it when it asks again");
}

#[cfg(test)]
mod tests {
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::contact::Contacts;
    use crate::interface_a::relay::Relay;
    use crate::liveness::Liveness;
    use crate::metrics::Metrics;
    use crate::model::Clock;
    use crate::store::fixtures::TestStore;
    use crate::store::{ForwardClass, ForwardOutcome};

    #[test]
    fn only_an_acknowledgement_of_the_message_is_its_answer() {
        let message = b"MSH|^~\\&|A||B||20260101||ORU^R01|7|P|2.6\r";
        let answers = |kind: &str, msa: &str| {
            let answer = format!("MSH|^~\\&|B||A||20260101||{kind}|9|P|2.6\r{msa}\r");
            is_answer_to(message, answer.as_bytes())
        };
        assert!(answers("ACK", "MSA|AA|7") && answers("ACK^R01^ACK", "MSA|AE|7"));
        assert!(!answers("ACK", "MSA|AA|8") && !answers("ACK", "OBX|1"));
        assert!(!answers("RGV^O15^RGV_O15", "MSA|AA|7"), "an order");
        assert!(!answers("ACK", "MSA|AA|7\r\x1C\r\x0BMSH|^~\\&|B"), "a second frame");
        assert!(!is_answer_to(message, b""));
    }

    // The node that had the message may have settled it since it was looked at.
    #[tokio::test]
    async fn a_message_that_another_node_has_answered_meanwhile_is_answered_here() {
        let place = TestStore::new();
        let store = place.open().await;
        let raw = b"MSH|^~\\&|A||B||20260101||ORU^R01|7|P|2.6\r";
        let class = ForwardClass::Data;
        let record = MessageRecord { forward: Some(class), ..place.record("7", raw) };
        let (original, device) = (record.id, record.device.clone());
        store.record(record).await.unwrap();
        let answer = Bytes::from_static(b"MSH|^~\\&|B||A||20260101||ACK|9|P|2.6\rMSA|AA|7\r");
        let outcome = ForwardOutcome {
            is_accepted: true,
            code: "AA".to_owned(),
            reason: None,
            answer: Some(answer.clone()),
        };
        store.settle_forward(original, outcome).await.unwrap();
        let services = Services {
            contacts: Contacts::default(),
            store,
            relay: Relay::default(),
            liveness: Liveness::default(),
            clock: Clock::system(),
            metrics: Metrics::new().unwrap(),
            drain: CancellationToken::new(),
        };
        let waiting = services.relay.await_answer(original, 1).unwrap();
        let lane = ForwardLane { class, device };
        let relayed = Some(Relayed { holds_place: true });
        let again = Again { original, lane: Some(&lane), relayed };
        assert!(services.take_over(again, raw).await);
        assert_eq!(waiting.wait().now_or_never(), Some(PlatformWord::Answered(Some(answer))));
    }
}
