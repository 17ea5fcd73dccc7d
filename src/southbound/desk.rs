//! What every order needs, and how its outcome is recorded.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use super::sendable::{OwedResult, Sendable};
use super::verdict::{Heard, after_late_answer, awaited};
use crate::audit::Settlement;
use crate::config::ConfigHandle;
use crate::hl7::{AcknowledgementCode, answers_mode};
use crate::interface_a::{Acknowledgement, OrderAnswer, Registry, UnawaitedAnswer};
use crate::metrics::Metrics;
use crate::model::{Clock, DeviceId, MessageId, explained};
use crate::store::{AwaitedResult, Store, StoreError};

/// The parts of the platform that orders need. Cheap to clone; clones share their state.
#[derive(Debug, Clone)]
pub struct Desk {
    /// The outbox.
    pub store: Store,
    /// The open sessions.
    pub registry: Registry,
    /// The current configuration.
    pub config: ConfigHandle,
    /// The metrics.
    pub metrics: Metrics,
    /// The time.
    pub clock: Clock,
}

/// Where the order of an answer is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject<'a> {
    pub(super) id: MessageId,
    pub(super) device: &'a DeviceId,
    pub(super) owed: OwedResult,
}

impl Desk {
    /// Records an answer until the store accepts it, because the device will not repeat it. Returns what is
    /// awaited next, if the device has accepted the order now.
    pub(super) async fn write_down(
        &self,
        subject: Subject<'_>,
        heard: Heard,
        answer: Acknowledgement,
        over: &CancellationToken,
    ) -> Result<Option<AwaitedResult>, StoreError> {
        let timeout = self.config.load().orders.acknowledgement_timeout;
        let timeout = SignedDuration::try_from(timeout).unwrap_or(SignedDuration::MAX);
        let result = awaited(subject.owed, self.store.now(), timeout);
        loop {
            match self.record(subject, heard, answer, result).await {
                Err(error) if !over.is_cancelled() => unwritten(subject.id, &error),
                recorded => {
                    if recorded.is_ok() {
                        let (order, is_last) = (subject.id, heard != Heard::Accepted);
                        let answer = OrderAnswer { order, answer: answer.message, is_last };
                        // It may be an order of the platform of this gateway.
                        self.registry.relay().answer_order(answer);
                    }
                    return recorded.map(|is_new| (is_new && heard == Heard::Accepted).then_some(result));
                }
            }
            pause(PAUSE, over).await;
        }
    }

    async fn record(
        &self,
        Subject { id, device, .. }: Subject<'_>,
        heard: Heard,
        answer: Acknowledgement,
        result: AwaitedResult,
    ) -> Result<bool, StoreError> {
        let code = word(answer.code);
        let is_recorded = match heard {
            Heard::Accepted => self.store.note_accepted(id, code, answer.message, result).await?,
            Heard::Acknowledged => self.settle(id, device, true, answer).await?,
            Heard::Refused => self.settle(id, device, false, answer).await?,
        };
        if !is_recorded {
            // It was withdrawn, or its time was over, before the device answered.
            self.correct(id, heard, answer).await?;
        }
        Ok(is_recorded)
    }

    async fn settle(
        &self,
        id: MessageId,
        device: &DeviceId,
        acknowledged: bool,
        answer: Acknowledgement,
    ) -> Result<bool, StoreError> {
        let is_settled =
            self.store.settle(id, device, acknowledged, word(answer.code), answer.message).await?;
        if is_settled {
            self.count(Settlement::answered(acknowledged));
        }
        Ok(is_settled)
    }

    /// An answer that no exchange of this node awaits: it comes after the outcome, or the order was sent by
    /// another node, or by a dispatcher that has ended.
    pub(super) async fn hear_unawaited(self, unawaited: UnawaitedAnswer, over: CancellationToken) {
        while let Err(error) = self.take_unawaited(&unawaited, &over).await {
            tracing::error!(
                answer = %unawaited.acknowledgement.message,
                error = %explained(&error),
                "a late answer of a device could not be recorded; will retry"
            );
            if over.is_cancelled() {
                return;
            }
            pause(PAUSE, &over).await;
        }
    }

    async fn take_unawaited(
        &self,
        UnawaitedAnswer { device, control_id, acknowledgement, mode }: &UnawaitedAnswer,
        over: &CancellationToken,
    ) -> Result<(), StoreError> {
        let Some((entry, raw)) = self.store.latest_sent(device, control_id).await? else { return Ok(()) };
        let Ok(Sendable { result: owed, mode: own, .. }) = Sendable::read(&raw) else { return Ok(()) };
        if !answers_mode(mode, &own) {
            tracing::warn!(
                message = %entry.id,
                answer = %acknowledgement.message,
                "a late answer has another MSH-11 than its order; the outcome of the order stays"
            );
            return Ok(());
        }
        let (subject, heard) =
            (Subject { id: entry.id, device, owed }, Heard::new(acknowledgement.code, owed));
        self.write_down(subject, heard, *acknowledgement, over).await.map(drop)
    }

    /// Changes the outcome of a settled order, if the answer says something new.
    async fn correct(&self, id: MessageId, heard: Heard, answer: Acknowledgement) -> Result<(), StoreError> {
        // Another node may hear another answer at the same time.
        for _ in 0..MAX_CORRECTIONS {
            let Some((entry, _)) = self.store.outbox_entry(id).await? else { return Ok(()) };
            let Some((from, _)) = entry.settled else { return Ok(()) };
            let Some(to) = after_late_answer(&entry, from, heard) else { return Ok(()) };
            if self.store.correct(&entry, (from, to), word(answer.code), answer.message).await? {
                self.metrics.southbound_corrections_total.with_label_values(&[to.code()]).inc();
                tracing::warn!(
                    message = %id,
                    answer = %answer.message,
                    was = from.code(),
                    outcome = to.code(),
                    "a device answered an order after its outcome"
                );
                return Ok(());
            }
        }
        Ok(())
    }

    /// Settles an order whose time is over.
    pub(super) async fn lapse(
        &self,
        id: MessageId,
        device: &DeviceId,
        settlement: Settlement,
    ) -> Result<(), StoreError> {
        if self.store.lapse(id, device, settlement).await? {
            self.count(settlement);
        }
        Ok(())
    }

    fn count(&self, settlement: Settlement) {
        self.metrics.southbound_messages_total.with_label_values(&[settlement.code()]).inc();
    }

    /// Waits until that time, or until the order is settled.
    pub(super) async fn until(&self, time: Timestamp, over: &CancellationToken) {
        // A clock that steps back makes it wait longer, never shorter.
        while let Ok(left) = Duration::try_from(time.duration_since(self.store.now()))
            && !left.is_zero()
            && !over.is_cancelled()
        {
            pause(left, over).await;
        }
    }
}

pub(super) async fn pause(time: Duration, over: &CancellationToken) {
    let _ = tokio::time::timeout(time, over.cancelled()).await;
}

fn word(code: Option<AcknowledgementCode>) -> &'static str {
    code.map_or("", AcknowledgementCode::as_str)
}

fn unwritten(id: MessageId, error: &StoreError) {
    let error = explained(error);
    tracing::error!(message = %id, error, "the answer of a device could not be recorded; will retry");
}

/// Attempts to change an outcome that others change as well.
const MAX_CORRECTIONS: usize = 3;

/// Retry delay after a store error.
pub(super) const PAUSE: Duration = Duration::from_secs(1);
