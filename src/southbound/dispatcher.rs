//! Takes from the outbox what is for devices that are connected here, and writes down what they answer.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::task::{AbortHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use super::Sendable;
use crate::hl7::AcknowledgementCode;
use crate::interface_a::{Acknowledgement, Registry};
use crate::metrics::Metrics;
use crate::model::{Clock, DeviceId, MessageId};
use crate::store::{Store, StoreError, WaitingMessage};

/// How often the outbox is looked at: whoever queues may be another process, on another machine.
const POLL: Duration = Duration::from_millis(250);
/// How long a device has to answer before a message is sent again, if it may be.
const ANSWER_TIMEOUT: SignedDuration = SignedDuration::from_secs(30);
/// How soon it is tried again what the store did not do.
const PAUSE: Duration = Duration::from_secs(1);
/// Rows that are read at once.
const PAGE: u32 = 500;

/// Sends what waits for the devices that have a session on this node. Cheap to clone; clones share everything.
#[derive(Debug, Clone)]
pub struct Dispatcher {
    /// Where messages wait.
    pub store: Store,
    /// Who is connected.
    pub registry: Registry,
    /// What is counted.
    pub metrics: Metrics,
    /// The time.
    pub clock: Clock,
    /// Cancelled when the platform stops: nothing more is sent.
    pub drain: CancellationToken,
}

/// What is under way: one message for a device at a time.
#[derive(Debug, Default)]
struct UnderWay {
    tasks: JoinSet<()>,
    devices: HashMap<DeviceId, Following>,
}

/// A message that is followed to its end.
#[derive(Debug)]
struct Following {
    message: MessageId,
    task: AbortHandle,
    /// Cancelled when there is nothing more to wait for.
    over: CancellationToken,
}

/// What an answer means.
#[derive(Debug, Clone, Copy)]
enum Heard {
    /// The device has the message, and is still to say what comes of it.
    Accepted,
    Acknowledged,
    Refused,
}

impl Heard {
    /// The label of what is settled by it.
    const fn outcome(self) -> Option<&'static str> {
        match self {
            Self::Accepted => None,
            Self::Acknowledged => Some("acknowledged"),
            Self::Refused => Some("refused"),
        }
    }
}

impl Dispatcher {
    /// Begins; the returned work ends after `done`, which comes when the sessions are over. What devices have taken before is
    /// waited for on return: they may say what came of it as soon as they are connected.
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
            // Said once, not every time.
            Err(error) => {
                if !std::mem::replace(failing, true) {
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(error, "messages for devices cannot be looked for");
                }
            }
        }
    }

    /// Begins what can be begun now; how many wait.
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
        // A device may have told another node what came of it.
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
                error = &error as &dyn std::error::Error,
                "a message for a device could not be sent"
            );
            // It waits as before, and is looked at again when the store may have recovered.
            pause(PAUSE, &over).await;
        }
    }

    /// From the first byte that is sent to the last answer that comes.
    async fn exchange(&self, message: &WaitingMessage, over: &CancellationToken) -> Result<(), StoreError> {
        let WaitingMessage { id, device, expires_at, .. } = message;
        let Some((_, raw)) = self.store.outbox_entry(*id).await? else { return Ok(()) };
        let sendable = match Sendable::read(&raw) {
            Ok(sendable) => sendable,
            Err(unsendable) => {
                tracing::error!(
                    message = %id,
                    error = &unsendable as &dyn std::error::Error,
                    "the outbox holds what cannot be sent"
                );
                self.until(*expires_at, over).await;
                return self.expire(*id, device).await;
            }
        };
        let mut accepted = message.accepted;
        let mut until = *expires_at;
        let begun = if accepted {
            self.registry.await_application(device, sendable.control_id.as_bytes())
        } else {
            until = until.min(self.clock.now().saturating_add(ANSWER_TIMEOUT).unwrap_or(until));
            if !self.store.claim(*id, device, until).await? {
                pause(POLL, over).await;
                return Ok(());
            }
            let (control_id, frame) = (sendable.control_id.as_bytes(), sendable.frame());
            self.registry.deliver(device, control_id, sendable.application, frame)
        };
        let mut exchange = match begun {
            Ok(exchange) => exchange,
            // It has left since, or takes no bytes at present.
            Err(_) => {
                self.store.release(*id).await?;
                pause(POLL, over).await;
                return Ok(());
            }
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

    async fn expire(&self, id: MessageId, device: &DeviceId) -> Result<(), StoreError> {
        if self.store.expire(id, device).await? {
            self.count("expired");
        }
        Ok(())
    }

    /// The device has said it and will not say it again: while the store fails, it is tried again and again.
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

    /// Until it is that time, or there is nothing more to wait for.
    async fn until(&self, time: Timestamp, over: &CancellationToken) {
        // A clock that is set back meanwhile makes it wait longer, never shorter.
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
    let error = error as &dyn std::error::Error;
    tracing::error!(message = %id, error, "what a device answered could not be written down yet");
}

fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(panic) = ended {
        tracing::error!(
            error = &panic as &dyn std::error::Error,
            "a message for a device was not followed to its end"
        );
    }
}
