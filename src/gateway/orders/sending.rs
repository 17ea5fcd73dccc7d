//! For how long an order of the platform is sent to its device, and what follows then.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use jiff::SignedDuration;

use super::{Known, Orders, Queued, is_last};
use crate::authz::Device;
use crate::gateway::desk::Gateway;
use crate::hl7::{Message, Rejection};
use crate::model::{DeviceId, MessageId, explained};
use crate::southbound::Sendable;
use crate::store::{OutboxEntry, QueuedBefore, QueuedMessage, StoreError};

impl Orders {
    /// Queues an order. Another one with the same MSH-10 that the device has not answered goes first: the
    /// device's answer names MSH-10 alone. The platform waits for its answer so long, and no longer. A device
    /// that may have the order from before has a while to come back: its answer is the only one that is true.
    pub(super) async fn queue_in_turn(
        &self,
        device: &Device,
        sendable: &Sendable,
    ) -> Result<Queued, StoreError> {
        let clock = &self.0.gateway.clock;
        let began = clock.instant();
        loop {
            let queued = self.queue(device, sendable).await?;
            let limit = match queued {
                Queued::Reused => REUSED_TIMEOUT,
                Queued::InDoubt => SENT_WITHIN,
                queued => return Ok(queued),
            };
            if clock.instant().saturating_duration_since(began) >= limit {
                return Ok(queued);
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }

    /// Puts an order of the platform into the outbox. One that the device has answered before is answered
    /// from the store: the platform did not get the answer. One that is open is sent again if its session has
    /// ended: the platform, which repeats it, has not given it up.
    async fn queue(&self, device: &Device, sendable: &Sendable) -> Result<Queued, StoreError> {
        let Gateway { store, registry, .. } = &self.0.gateway;
        let turn = self.0.turn.lock().await;
        let queued = store.queued_before(&device.id, &sendable.control_id, &sendable.bytes).await?;
        let QueuedBefore { latest, sent } = queued;
        if let Some(entry) = &sent
            && let Some(answer) = entry.answer
        {
            drop(turn);
            self.open().insert(entry.id, known(device, sendable));
            self.pass_on(entry.id, answer, is_last(entry)).await;
            return Ok(Queued::AnsweredBefore);
        }
        if let Some((open, raw)) = store.unsettled_order(&device.id, &sendable.control_id).await? {
            if raw != sendable.bytes {
                return Ok(Queued::Reused);
            }
            self.allow(open.id);
            return Ok(Queued::Repeated);
        }
        // Also one that had expired here: the platform repeats it.
        let is_withdrawn = latest.as_ref().is_some_and(OutboxEntry::is_withdrawn);
        let is_away = !device.receives_orders || !registry.is_connected(&device.id);
        let refused =
            latest.filter(|latest| is_away && !is_withdrawn && self.open().contains_key(&latest.id));
        let kept = sent.as_ref().map(|sent| sent.id);
        self.replace(device, sendable, kept, refused.as_ref().map(|refused| refused.id)).await;
        if is_withdrawn {
            return Ok(Queued::Withdrawn { is_sent: kept.is_some() });
        }
        match (is_away, kept, refused) {
            (true, Some(_), _) => return Ok(Queued::InDoubt),
            (true, None, Some(refused)) => return Ok(Queued::RefusedBefore(refused.id)),
            _ if self.open().len() >= MAX_OPEN => return Ok(Queued::Full),
            _ => {}
        }
        let message = self.message(device, sendable);
        let id = message.id;
        // Before it can be sent, or answered. One without a limit is not sent: it is in the store so that it
        // is withdrawn with its device, if the platform goes on to repeat it.
        if !is_away {
            self.allow(id);
        }
        self.open().insert(id, known(device, sendable));
        match store.queue(message).await {
            Ok(()) => {
                // One that the device may have from before is refused for no reason.
                self.end_in_time(id, device.id.clone(), kept.is_none());
                Ok(if is_away { Queued::DeviceAway } else { Queued::Waits })
            }
            Err(error) => {
                self.open().remove(&id);
                match error {
                    // Another one with this MSH-10 came at the same moment.
                    StoreError::AlreadyWaiting(_) => Ok(Queued::Reused),
                    error => Err(error),
                }
            }
        }
    }

    /// MSH-10 is all that an answer has. So what devices answer later to earlier orders with this one, of
    /// other devices, with other bytes, or of this one before its latest attempt (`sent`), is not passed on:
    /// the platform would take it for the answer to this order. `refused` stays.
    async fn replace(
        &self,
        device: &Device,
        sendable: &Sendable,
        sent: Option<MessageId>,
        refused: Option<MessageId>,
    ) {
        let is_kept = |id: MessageId| sent.map_or(refused == Some(id), |sent| id >= sent);
        let is_replaced = |(id, known): &(&MessageId, &Known)| {
            known.control_id == sendable.control_id && (known.device != device.id || !is_kept(**id))
        };
        let of_map = |all: MutexGuard<'_, BTreeMap<MessageId, Known>>| -> Vec<_> {
            all.iter().filter(&is_replaced).map(|(id, known)| (*id, known.device.clone())).collect()
        };
        let (open, arrived) = (of_map(self.open()), of_map(self.arrived()));
        let end = async |(id, device): &(MessageId, DeviceId)| {
            // Without its mark it would be an order of an operator, for the next process.
            if let Err(error) = self.0.gateway.store.end_sending(*id, device, true).await {
                tracing::warn!(order = %id, error = %explained(&error), "a replaced order cannot be settled");
            }
        };
        futures_util::future::join_all(open.iter().map(end)).await;
        self.finish(open.into_iter().chain(arrived).map(|(id, _)| id).collect()).await;
    }

    fn message(&self, device: &Device, sendable: &Sendable) -> QueuedMessage {
        let Gateway { store, config, .. } = &self.0.gateway;
        let now = store.now();
        let config = config.load();
        let platform = config.gateway.as_ref().map(|gateway| &gateway.platform);
        let actor = platform.map_or_else(String::new, |at| format!("platform {}:{}", at.host, at.port));
        QueuedMessage {
            id: MessageId::at(now),
            device: device.id.clone(),
            message_type: sendable.message_type.clone(),
            control_id: sendable.control_id.clone(),
            expires_at: now.saturating_add(ANSWER_TIMEOUT).unwrap_or(now),
            actor,
            raw: sendable.bytes.clone(),
            is_relayed: true,
        }
    }

    /// The order is sent from now on, for a short time.
    fn allow(&self, order: MessageId) {
        let Gateway { registry, clock, .. } = &self.0.gateway;
        registry.relay().limit_order(order, clock.instant() + SENT_WITHIN);
    }

    /// Settles an order that is sent no more and that no session has: it must not hold up later orders of its
    /// device, and a later answer counts all the same. `is_own`: this process has taken it.
    pub(super) fn end_in_time(&self, order: MessageId, device: DeviceId, is_own: bool) {
        self.unanswered().entry(device.clone()).or_default().insert(order);
        let orders = self.clone();
        tokio::spawn(async move {
            let done = orders.0.done.clone();
            done.run_until_cancelled(orders.end(order, &device, is_own)).await;
            let mut unanswered = orders.unanswered();
            if let Some(own) = unanswered.get_mut(&device) {
                own.remove(&order);
                if own.is_empty() {
                    unanswered.remove(&device);
                }
            }
        });
    }

    async fn end(&self, order: MessageId, device: &DeviceId, is_own: bool) {
        let mut pause = Duration::ZERO;
        loop {
            tokio::time::sleep(self.time_left(order).max(pause)).await;
            pause = INTERVAL;
            match self.is_over(order, device, is_own).await {
                Ok(true) => return,
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(%order, error = %explained(&error), "an order cannot be settled; will retry");
                }
            }
        }
    }

    /// Whether the order is settled, or accepted by its device; settles it if it is sent no more.
    async fn is_over(&self, order: MessageId, device: &DeviceId, is_own: bool) -> Result<bool, StoreError> {
        let store = &self.0.gateway.store;
        // A repetition that comes at this moment is queued before, or behind it.
        let turn = self.0.turn.lock().await;
        if !self.time_left(order).is_zero() {
            return Ok(false);
        }
        let Some((entry, raw)) = store.outbox_entry(order).await? else { return Ok(true) };
        if is_own
            && entry.is_withdrawn()
            && entry.attempts == 0
            && let Ok(message) = Message::parse(&raw)
        {
            drop(turn);
            self.count("withdrawn");
            self.refuse(&message, Rejection::OrderWithdrawn, None).await;
            self.finish(vec![order]).await;
            return Ok(true);
        }
        if entry.settled.is_some() || entry.answer.is_some() {
            return Ok(true);
        }
        // While a session has it, the device may answer. A platform sends a later order for the device when
        // the one before is settled there.
        let is_followed =
            self.unanswered().get(device).and_then(BTreeSet::last).is_some_and(|last| *last > order);
        if !store.end_sending(order, device, is_followed).await? {
            return Ok(false);
        }
        drop(turn);
        if is_own
            && entry.attempts == 0
            && let Ok(message) = Message::parse(&raw)
        {
            // A device gets one at a time.
            let (outcome, rejection) = if self.gets_orders(device) {
                ("device-busy", Rejection::OrderDeviceBusy)
            } else {
                ("device-away", Rejection::OrderDeviceAway)
            };
            self.count(outcome);
            self.refuse(&message, rejection, Some(order)).await;
        }
        Ok(true)
    }

    fn gets_orders(&self, device: &DeviceId) -> bool {
        let Gateway { directory, registry, .. } = &self.0.gateway;
        let gets_them = directory.load().active(device).is_ok_and(|entry| entry.receives_orders);
        gets_them && registry.is_connected(device)
    }

    fn unanswered(&self) -> MutexGuard<'_, HashMap<DeviceId, BTreeSet<MessageId>>> {
        self.0.unanswered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn time_left(&self, order: MessageId) -> Duration {
        let Gateway { registry, clock, .. } = &self.0.gateway;
        registry.relay().order_limit(order, clock.instant()).unwrap_or_default()
    }
}

fn known(device: &Device, sendable: &Sendable) -> Known {
    let (device, control_id) = (device.id.clone(), sendable.control_id.clone());
    Known { device, control_id, passed: None, last: None }
}

/// How long a device may take for its first answer: less than a platform waits for it, which then sends it
/// again. Beside an open order its repetition would be taken for the same.
const ANSWER_TIMEOUT: SignedDuration = SignedDuration::from_secs(28);
/// How long an order is sent to its device, also again after a lost connection. The platform may give it up
/// at any time, and has no way to say so; it repeats an order that it has not given up.
const SENT_WITHIN: Duration = Duration::from_secs(5);
/// How long an order waits for another one with its MSH-10: less than a platform waits for the first answer.
const REUSED_TIMEOUT: Duration = Duration::from_secs(20);
/// How often it is looked whether an order can be queued, or is over.
const INTERVAL: Duration = Duration::from_millis(250);
/// Orders whose last answer has not arrived at the platform.
const MAX_OPEN: usize = 10_000;
