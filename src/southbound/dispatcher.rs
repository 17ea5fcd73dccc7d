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
    devices: HashMap<DeviceId, AbortHandle>,
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
    /// Runs until `done`, which comes when the sessions are over.
    pub async fn run(self, done: CancellationToken) {
        let mut under_way = UnderWay::default();
        let mut failing = false;
        loop {
            if !self.drain.is_cancelled() {
                match self.look(&mut under_way, &done).await {
                    Ok(waiting) => {
                        failing = false;
                        self.metrics.southbound_pending.set(waiting);
                    }
                    // Said once, not every time.
                    Err(error) => {
                        if !std::mem::replace(&mut failing, true) {
                            let error = &error as &dyn std::error::Error;
                            tracing::error!(error, "messages for devices cannot be looked for");
                        }
                    }
                }
            }
            tokio::select! {
                () = done.cancelled() => break,
                () = tokio::time::sleep(POLL) => {}
                Some(ended) = under_way.tasks.join_next() => report(ended),
            }
        }
        while let Some(ended) = under_way.tasks.join_next().await {
            report(ended);
        }
    }

    /// Begins to send what can be sent now; how much waits.
    async fn look(&self, under_way: &mut UnderWay, done: &CancellationToken) -> Result<i64, StoreError> {
        let (mut waiting, mut after, mut behind) = (0, None, HashSet::new());
        under_way.devices.retain(|_, task| !task.is_finished());
        loop {
            let page = self.store.waiting_messages(after, PAGE).await?;
            after = page.last().map(|message| message.id);
            let is_last = page.len() < PAGE as usize;
            for message in page {
                waiting += 1;
                let now = self.clock.now();
                let elsewhere = message.elsewhere_until.is_some_and(|until| now < until);
                if elsewhere || under_way.devices.contains_key(&message.device) {
                    behind.insert(message.device);
                } else if message.expires_at <= now {
                    self.expire(message.id, &message.device).await?;
                } else if behind.insert(message.device.clone()) && self.registry.is_connected(&message.device)
                {
                    let device = message.device.clone();
                    let task = under_way.tasks.spawn(self.clone().send(message, done.clone()));
                    under_way.devices.insert(device, task);
                }
            }
            if is_last {
                return Ok(waiting);
            }
        }
    }

    async fn send(self, message: WaitingMessage, done: CancellationToken) {
        if let Err(error) = self.exchange(&message, &done).await {
            tracing::error!(
                message = %message.id,
                error = &error as &dyn std::error::Error,
                "a message for a device could not be sent"
            );
            // It waits as before, and is looked at again when the store may have recovered.
            let _ = tokio::time::timeout(PAUSE, done.cancelled()).await;
        }
    }

    /// From the first byte that is sent to the last answer that comes.
    async fn exchange(&self, message: &WaitingMessage, done: &CancellationToken) -> Result<(), StoreError> {
        let WaitingMessage { id, device, expires_at, .. } = message;
        let Some((_, raw)) = self.store.outbox_entry(*id).await? else { return Ok(()) };
        let sendable = match Sendable::read(&raw) {
            Ok(sendable) => sendable,
            Err(unsendable) => {
                tracing::error!(message = %id, error = &unsendable as &dyn std::error::Error, "the outbox holds what cannot be sent");
                self.until(*expires_at, done).await;
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
                return Ok(());
            }
            let (control_id, frame) = (sendable.control_id.as_bytes(), sendable.frame());
            self.registry.deliver(device, control_id, sendable.application, frame)
        };
        let mut exchange = match begun {
            Ok(exchange) => exchange,
            // It has left since, or takes no bytes at present.
            Err(_) => return self.store.release(*id).await,
        };
        loop {
            let answer = tokio::select! {
                biased;
                answer = exchange.answer() => answer,
                () = self.until(until, done) => None,
            };
            let Some(answer) = answer else { break };
            let heard = match answer.code {
                Some(AcknowledgementCode::CA) if sendable.application => Heard::Accepted,
                Some(code) if code.is_positive() => Heard::Acknowledged,
                _ => Heard::Refused,
            };
            self.write_down(message, heard, answer, done).await?;
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
        done: &CancellationToken,
    ) -> Result<(), StoreError> {
        let code = code.map_or("", AcknowledgementCode::as_str);
        loop {
            let written = match heard {
                Heard::Accepted => self.store.note_accepted(*id, code, answer).await,
                Heard::Acknowledged => self.store.settle(*id, device, true, code, answer).await.map(drop),
                Heard::Refused => self.store.settle(*id, device, false, code, answer).await.map(drop),
            };
            match written {
                Err(error) if !done.is_cancelled() => unwritten(*id, &error),
                outcome => {
                    heard.outcome().into_iter().for_each(|outcome| self.count(outcome));
                    return outcome;
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn count(&self, outcome: &str) {
        self.metrics.southbound_messages_total.with_label_values(&[outcome]).inc();
    }

    /// Until it is that time, or everything is `done`.
    async fn until(&self, time: Timestamp, done: &CancellationToken) {
        // A clock that is set back meanwhile makes it wait longer, never shorter.
        while let Ok(left) = Duration::try_from(time.duration_since(self.clock.now()))
            && !left.is_zero()
            && !done.is_cancelled()
        {
            let _ = tokio::time::timeout(left, done.cancelled()).await;
        }
    }
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
