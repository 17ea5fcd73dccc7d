//! Sends the orders of the outbox to the devices that are connected to this node, and records their answers.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::task::{AbortHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use super::Sendable;
use crate::hl7::AcknowledgementCode;
use crate::interface_a::{Acknowledgement, Exchange, Registry};
use crate::metrics::Metrics;
use crate::model::{Clock, DeviceId, MessageId, explained};
use crate::store::{Store, StoreError, WaitingMessage};

/// Sends waiting orders to the devices that have a session on this node. Cheap to clone; clones share their
/// state.
#[derive(Debug, Clone)]
pub struct Dispatcher {
    /// The outbox.
    pub store: Store,
    /// The open sessions.
    pub registry: Registry,
    /// The metrics.
    pub metrics: Metrics,
    /// The time.
    pub clock: Clock,
    /// Cancelled on shutdown: no further order is sent.
    pub drain: CancellationToken,
}

/// Orders in flight: at most one for each device.
#[derive(Debug, Default)]
struct UnderWay {
    tasks: JoinSet<()>,
    devices: HashMap<DeviceId, Following>,
}

/// An order in flight.
#[derive(Debug)]
struct Following {
    message: MessageId,
    task: AbortHandle,
    /// Cancelled when the order is settled.
    over: CancellationToken,
}

/// The meaning of an answer.
#[derive(Debug, Clone, Copy)]
enum Heard {
    /// The device has the order; its application acknowledgement is outstanding.
    Accepted,
    Acknowledged,
    Refused,
}

impl Heard {
    /// The metric label of the outcome.
    const fn outcome(self) -> Option<&'static str> {
        match self {
            Self::Accepted => None,
            Self::Acknowledged => Some("acknowledged"),
            Self::Refused => Some("refused"),
        }
    }
}

impl Dispatcher {
    /// Begins; the returned work ends after `done`, which comes when the sessions are over. What devices have
    /// taken before is waited for on return: they may say what came of it as soon as they are connected.
    pub async fn start(self, done: CancellationToken) -> impl Future<Output = ()> + Send + 'static {
        for outcome in ["acknowledged", "refused", "expired"] {
            self.metrics.southbound_messages_total.with_label_values(&[outcome]);
        }
        let (mut under_way, mut failing) = (UnderWay::default(), false);
        self.look(&mut under_way, &mut failing, &done).await;
        async move {
            while !done.is_cancelled() {
                tokio::select! {
                    () = done.cancelled() => {}
                    () = tokio::time::sleep(POLL) => {}
                    Some(ended) = under_way.tasks.join_next() => report(ended),
                }
                if !self.drain.is_cancelled() {
                    self.look(&mut under_way, &mut failing, &done).await;
                }
            }
            while let Some(ended) = under_way.tasks.join_next().await {
                report(ended);
            }
        }
    }

    async fn look(&self, under_way: &mut UnderWay, failing: &mut bool, done: &CancellationToken) {
        match self.dispatch(under_way, done).await {
            Ok(waiting) => {
                *failing = false;
                self.metrics.southbound_pending.set(i64::try_from(waiting).unwrap_or(i64::MAX));
            }
            // Logged once, not at every attempt.
            Err(error) => {
                if !std::mem::replace(failing, true) {
                    let error = explained(&error);
                    tracing::error!(error, "the outbox cannot be read; will retry");
                }
            }
        }
    }

    /// Starts the orders that can be sent now; returns how many wait.
    async fn dispatch(
        &self,
        under_way: &mut UnderWay,
        done: &CancellationToken,
    ) -> Result<usize, StoreError> {
        under_way.devices.retain(|_, following| !following.task.is_finished());
        let (mut waiting, mut behind, mut after) = (HashSet::new(), HashSet::new(), None);
        loop {
            let page = self.store.waiting_messages(after, PAGE).await?;
            after = page.last().map(|message| message.id);
            let is_last = page.len() < PAGE as usize;
            for message in page {
                waiting.insert(message.id);
                let now = self.clock.now();
                let elsewhere = message.elsewhere_until.is_some_and(|until| now < until);
                if elsewhere || under_way.devices.contains_key(&message.device) {
                    behind.insert(message.device);
                } else if message.expires_at <= now {
                    self.expire(message.id, &message.device).await?;
                } else if behind.insert(message.device.clone())
                    && (message.accepted || self.registry.is_connected(&message.device))
                {
                    self.follow(message, under_way, done);
                }
            }
            if is_last {
                break;
            }
        }
        // The device may have answered to another node.
        let settled = under_way.devices.values().filter(|following| !waiting.contains(&following.message));
        settled.for_each(|following| following.over.cancel());
        Ok(waiting.len())
    }

    fn follow(&self, message: WaitingMessage, under_way: &mut UnderWay, done: &CancellationToken) {
        let (device, id, over) = (message.device.clone(), message.id, done.child_token());
        let task = under_way.tasks.spawn(self.clone().send(message, over.clone()));
        under_way.devices.insert(device, Following { message: id, task, over });
    }

    async fn send(self, message: WaitingMessage, over: CancellationToken) {
        if let Err(error) = self.exchange(&message, &over).await {
            tracing::error!(
                message = %message.id,
                error = %explained(&error),
                "an order could not be sent; will retry"
            );
            // The order stays in the outbox and is read again when the store may have recovered.
            pause(PAUSE, &over).await;
        }
    }

    /// From the first byte sent to the last answer.
    async fn exchange(&self, message: &WaitingMessage, over: &CancellationToken) -> Result<(), StoreError> {
        let WaitingMessage { id, device, expires_at, .. } = message;
        let Some((_, raw)) = self.store.outbox_entry(*id).await? else { return Ok(()) };
        let sendable = match Sendable::read(&raw) {
            Ok(sendable) => sendable,
            Err(unsendable) => {
                tracing::error!(
                    message = %id,
                    error = %explained(&unsendable),
                    "outbox entry is not a sendable HL7 message; leaving it until it expires"
                );
                self.until(*expires_at, over).await;
                return self.expire(*id, device).await;
            }
        };
        let mut accepted = message.accepted;
        let mut until = *expires_at;
        if !accepted {
            until = until.min(self.clock.now().saturating_add(ANSWER_TIMEOUT).unwrap_or(until));
        }
        let Some(mut exchange) = self.begin(message, &sendable, until).await? else {
            pause(POLL, over).await;
            return Ok(());
        };
        loop {
            let answer = tokio::select! {
                biased;
                answer = exchange.answer() => answer,
                () = self.until(until, over) => None,
            };
            let Some(answer) = answer else { break };
            let heard = match answer.code {
                Some(AcknowledgementCode::CA) if sendable.application => Heard::Accepted,
                Some(code) if code.is_positive() => Heard::Acknowledged,
                _ => Heard::Refused,
            };
            self.write_down(message, heard, answer, over).await?;
            match heard {
                Heard::Accepted => (accepted, until) = (true, *expires_at),
                Heard::Acknowledged | Heard::Refused => return Ok(()),
            }
        }
        if !accepted {
            self.store.release(*id).await?;
        }
        if *expires_at <= self.clock.now() {
            self.expire(*id, device).await?;
        }
        Ok(())
    }

    /// Sends the order, or waits for the application acknowledgement of an order that the device has
    /// accepted. `None` when another node has claimed the order, or the device cannot receive it at present.
    async fn begin(
        &self,
        message: &WaitingMessage,
        sendable: &Sendable,
        until: Timestamp,
    ) -> Result<Option<Exchange>, StoreError> {
        let WaitingMessage { id, device, accepted, .. } = message;
        let control_id = sendable.control_id.as_bytes();
        let exchange = if *accepted {
            self.registry.await_application(device, control_id)
        } else {
            if !self.store.claim(*id, device, until).await? {
                return Ok(None);
            }
            self.registry.deliver(device, control_id, sendable.application, sendable.frame())
        };
        if exchange.is_err() {
            self.store.release(*id).await?;
        }
        Ok(exchange.ok())
    }

    async fn expire(&self, id: MessageId, device: &DeviceId) -> Result<(), StoreError> {
        if self.store.expire(id, device).await? {
            self.count("expired");
        }
        Ok(())
    }

    /// The device will not repeat its answer, so the outcome is written until the store accepts it.
    async fn write_down(
        &self,
        WaitingMessage { id, device, .. }: &WaitingMessage,
        heard: Heard,
        Acknowledgement { code, message: answer }: Acknowledgement,
        over: &CancellationToken,
    ) -> Result<(), StoreError> {
        let code = code.map_or("", AcknowledgementCode::as_str);
        loop {
            let settled = match heard {
                Heard::Accepted => self.store.note_accepted(*id, code, answer).await.map(|()| false),
                Heard::Acknowledged => self.store.settle(*id, device, true, code, answer).await,
                Heard::Refused => self.store.settle(*id, device, false, code, answer).await,
            };
            match settled {
                Err(error) if !over.is_cancelled() => unwritten(*id, &error),
                settled => {
                    if let (true, Some(outcome)) = (settled?, heard.outcome()) {
                        self.count(outcome);
                    }
                    return Ok(());
                }
            }
            pause(PAUSE, over).await;
        }
    }

    fn count(&self, outcome: &str) {
        self.metrics.southbound_messages_total.with_label_values(&[outcome]).inc();
    }

    /// Waits until that time, or until the order is settled.
    async fn until(&self, time: Timestamp, over: &CancellationToken) {
        // A clock that steps back makes it wait longer, never shorter.
        while let Ok(left) = Duration::try_from(time.duration_since(self.clock.now()))
            && !left.is_zero()
            && !over.is_cancelled()
        {
            pause(left, over).await;
        }
    }
}

async fn pause(time: Duration, over: &CancellationToken) {
    let _ = tokio::time::timeout(time, over.cancelled()).await;
}

fn unwritten(id: MessageId, error: &StoreError) {
    let error = explained(error);
    tracing::error!(message = %id, error, "the answer of a device could not be recorded; will retry");
}

fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(panic) = ended {
        tracing::error!(
            error = %explained(&panic),
            "an order is no longer tracked; its outcome is unknown"
        );
    }
}

/// How often the outbox is read; another process, on another machine, may have queued an order.
const POLL: Duration = Duration::from_millis(250);

/// How long a device may take to answer before an order is sent again, if it may be.
const ANSWER_TIMEOUT: SignedDuration = SignedDuration::from_secs(30);

/// Retry delay after a store error.
const PAUSE: Duration = Duration::from_secs(1);

/// Rows of one page.
const PAGE: u32 = 500;
