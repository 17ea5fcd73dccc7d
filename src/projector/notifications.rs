//! Writes the notifications of partners about what is indexed.
//!
//! Each subscription has a position in each audit chain, which follows that of the index. It moves in the
//! transaction that writes the notifications, so each row of a chain is notified once, also when all rows
//! are indexed again. The node that writes the index writes these too.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use super::messages::ReadMessages;
use crate::clients::{EventKind, NotifiableEvent, ReceiptHandle, RegistryHandle, Subscription};
use crate::config::ConfigHandle;
use crate::hl7::Message;
use crate::metrics::Metrics;
use crate::model::{Clock, DeviceId, MessageId, NodeName};
use crate::pcd::Transaction;
use crate::store::{
    EventRow, NotificationBatch, NotificationState, NotificationStep, ProjectedMessage, ProjectionLeader,
    Store, StoreError, SubscriptionBatch, SubscriptionPosition, TrailEvent,
};

/// What is remembered between rounds.
#[derive(Debug, Default)]
pub(super) struct NotificationUpkeep {
    /// When the last pass ended; `None`: it has more to do.
    kept_up: Option<Instant>,
    measured: Option<Instant>,
    /// Whether there is no subscription, and nothing left of one.
    is_idle: bool,
}

/// Writes the notifications of partners, while its node leads.
pub(super) struct Notifier<'a> {
    pub(super) config: &'a ConfigHandle,
    pub(super) store: &'a Store,
    pub(super) clients: &'a RegistryHandle,
    pub(super) metrics: &'a Metrics,
    pub(super) clock: &'a Clock,
}

impl Notifier<'_> {
    /// Writes the notifications of the next rows of each chain: behind the index, unless that cannot be
    /// written. True: there are more.
    pub(super) async fn write(
        &self,
        leader: &ProjectionLeader,
        upkeep: &mut NotificationUpkeep,
        is_indexing: bool,
    ) -> Result<bool, StoreError> {
        let subscriptions = self.store.subscriptions().await?;
        upkeep.is_idle &= subscriptions.is_empty();
        if upkeep.is_idle {
            return Ok(false);
        }
        let kept_up = self.keep_up(upkeep).await?;
        upkeep.is_idle = subscriptions.is_empty() && kept_up == Some(false);
        let mut is_more = kept_up == Some(true);
        if subscriptions.is_empty() {
            self.metrics.api.partners.measure([]);
            return Ok(is_more);
        }
        let positions = self.store.subscription_positions().await?;
        let projected = self.store.projected_to().await?;
        for node in self.store.projected_nodes().await? {
            let from = from(&subscriptions, &positions, &node);
            // What is indexed again does not hold it back: that has a position of its own.
            let indexed = projected.get(node.as_str()).map_or(0, |position| position.number);
            let until = if is_indexing { indexed } else { u64::MAX };
            is_more |= self.write_of(&node, &from, until, leader).await?;
        }
        Ok(is_more)
    }

    async fn write_of(
        &self,
        node: &NodeName,
        from: &[(&Subscription, u64)],
        until: u64,
        leader: &ProjectionLeader,
    ) -> Result<bool, StoreError> {
        let first = from.iter().map(|(_, number)| *number).min().unwrap_or(until);
        if first >= until {
            return Ok(false);
        }
        let mut rows = self.store.events_after(node, first, MAX_ROWS).await?;
        rows.retain(|row| row.number <= until);
        let messages = self.messages_of_rows(&mut rows).await?;
        // A row may be missing: an index that was copied knows more than its chain.
        let Some(mut to) = rows.last().map(|row| row.number) else { return Ok(false) };
        let mut parts: Vec<SubscriptionBatch> = from
            .iter()
            .map(|(subscription, number)| SubscriptionBatch {
                subscription: subscription.name.clone(),
                organisation: subscription.organisation.clone(),
                from: *number,
                notices: Vec::new(),
            })
            .collect();
        let registry = self.clients.load();
        let readable: Vec<_> =
            from.iter().map(|(own, _)| registry.notified_devices_of(&own.organisation)).collect();
        let mut count = 0;
        for row in rows {
            let Some(notice) = notice(&row, &messages) else { continue };
            for (((subscription, number), part), readable) in from.iter().zip(&mut parts).zip(&readable) {
                let covers = subscription.filter.covers(&notice) && may_receive(readable.as_deref(), &notice);
                if row.number > *number && covers {
                    let (id, receipt) = (MessageId::at(self.store.now()), ReceiptHandle::generate());
                    let Ok((_, receipt)) = receipt else { return Ok(false) };
                    part.notices.push((id, receipt, notice.clone()));
                    count += 1;
                }
            }
            if count >= MAX_NOTICES {
                to = row.number;
                break;
            }
        }
        parts.retain(|part| part.from < to);
        let started = self.clock.instant();
        let batch = NotificationBatch { leader: leader.clone(), node: node.clone(), to, parts };
        if !self.store.write_notifications(batch).await? {
            return Ok(false);
        }
        self.metrics.api.partners.count("made", count);
        self.store.give_way(started).await;
        Ok(to < until)
    }

    /// The messages of the rows, as far as they fit; the rows behind them are left for the next round.
    async fn messages_of_rows(&self, rows: &mut Vec<EventRow>) -> Result<ReadMessages, StoreError> {
        let id = |row: &EventRow| match row.event {
            TrailEvent::Accepted(id) => Some(id),
            _ => None,
        };
        let ids: Vec<_> = rows.iter().filter_map(id).collect();
        let messages = ReadMessages::read(self.store, &ids).await?;
        let is_unread = |row: &EventRow| id(row).is_some_and(|id| messages.is_unread(id));
        let fitting = rows.iter().position(is_unread).unwrap_or(rows.len());
        rows.truncate(fitting);
        Ok(messages)
    }

    /// Gives up what was delivered too often or waited for too long, and forgets what is settled, every few
    /// seconds and in small parts. True: there is more. `None`: it is not time.
    async fn keep_up(&self, upkeep: &mut NotificationUpkeep) -> Result<Option<bool>, StoreError> {
        let instant = self.clock.instant();
        let is_due = |last: Option<Instant>, every| {
            last.is_none_or(|last| instant.saturating_duration_since(last) >= every)
        };
        if !is_due(upkeep.kept_up, KEPT_UP_EVERY) {
            return Ok(None);
        }
        let mut is_more = false;
        for step in self.steps() {
            let started = self.clock.instant();
            let rows = self.store.keep_up_notifications(step).await?;
            if matches!(step, NotificationStep::NotAcknowledged { .. } | NotificationStep::Expired { .. }) {
                self.metrics.api.partners.count("dead", rows);
            }
            is_more |= rows >= u64::from(NotificationStep::MAX_ROWS);
            self.store.give_way(started).await;
        }
        upkeep.kept_up = (!is_more).then_some(instant);
        if is_due(upkeep.measured, MEASURED_EVERY) {
            upkeep.measured = Some(instant);
            self.measure().await?;
        }
        Ok(Some(is_more))
    }

    fn steps(&self) -> impl Iterator<Item = NotificationStep> {
        let (config, now) = (self.config.load_full(), self.store.believed_now());
        let before = |age: SignedDuration| now.saturating_sub(age).unwrap_or(Timestamp::MIN);
        let max_deliveries = config.notifications.deliveries;
        let retained = config.store.retain_messages.age();
        let longest_wait = SignedDuration::try_from(config.notifications.visibility.max(MAX_PAUSE));
        let forgotten = |state, age| NotificationStep::Forgotten { state, before: before(age) };
        let expired = retained.map(|age| NotificationStep::Expired { before: before(age) });
        let dead = retained.map(|age| forgotten(NotificationState::Dead, age.saturating_add(DEAD_FOR)));
        let acknowledged = forgotten(NotificationState::Acknowledged, FORGOTTEN_AFTER);
        [
            longest_wait.ok().map(|longest_wait| NotificationStep::Distant { longest_wait }),
            Some(NotificationStep::NotAcknowledged { max_deliveries }),
            expired,
            Some(acknowledged),
            dead,
            Some(NotificationStep::Removed),
        ]
        .into_iter()
        .flatten()
    }

    async fn measure(&self) -> Result<(), StoreError> {
        let now = self.store.believed_now();
        let standings = self.store.subscription_standings().await?;
        let age = |oldest: Timestamp| now.duration_since(oldest).as_secs().max(0);
        self.metrics.api.partners.measure(standings.iter().map(|standing| {
            let age = standing.oldest.map_or(0, age);
            (standing.subscription.as_str(), standing.waiting, standing.dead, age)
        }));
        Ok(())
    }
}

/// The time of the oldest row of an audit chain that was not looked through for each subscription; `None`:
/// there is none.
///
/// # Errors
/// When the store cannot be read.
pub(super) async fn oldest_unseen(store: &Store) -> Result<Option<Timestamp>, StoreError> {
    let subscriptions = store.subscriptions().await?;
    if subscriptions.is_empty() {
        return Ok(None);
    }
    let positions = store.subscription_positions().await?;
    let mut oldest: Option<Timestamp> = None;
    for node in store.projected_nodes().await? {
        let numbers = from(&subscriptions, &positions, &node).into_iter().map(|(_, number)| number);
        let next = store.trail_after(&node, numbers.min().unwrap_or_default(), 1).await?;
        oldest = oldest.into_iter().chain(next.first().map(|row| row.at)).min();
    }
    Ok(oldest)
}

/// Each subscription with its position in the chain of a node.
fn from<'s>(
    subscriptions: &'s [Subscription],
    positions: &[SubscriptionPosition],
    node: &NodeName,
) -> Vec<(&'s Subscription, u64)> {
    let of_node: BTreeMap<&str, u64> = positions
        .iter()
        .filter(|position| position.node == *node)
        .map(|position| (position.subscription.as_str(), position.number))
        .collect();
    let number = |own: &Subscription| of_node.get(own.name.as_str()).copied().unwrap_or_default();
    subscriptions.iter().map(|own| (own, number(own))).collect()
}

/// Whether a client of the organisation, whose clients read messages of these devices, may get it. What none
/// may get would wait for as long as its message is kept.
fn may_receive(readable: Option<&[DeviceId]>, notice: &NotifiableEvent) -> bool {
    readable.is_none_or(|devices| notice.device.as_ref().is_some_and(|device| devices.contains(device)))
}

/// The event of a row; `None`: partners are not notified of it, or its message was removed.
fn notice(row: &EventRow, messages: &ReadMessages) -> Option<NotifiableEvent> {
    let about = |kind, device, reason| NotifiableEvent {
        kind,
        device,
        wards: Vec::new(),
        message: None,
        reason,
        at: row.at,
    };
    match &row.event {
        TrailEvent::Accepted(id) => of_message(messages.get(*id)?, row.at),
        TrailEvent::Silent(device, is_behind) => {
            let reason = if *is_behind { BEHIND_GATEWAY } else { "" };
            Some(about(EventKind::DeviceSilent, device.clone(), reason.to_owned()))
        }
        TrailEvent::Refused(device, code) => {
            Some(about(EventKind::CertificateRefused, device.clone(), code.clone()))
        }
        TrailEvent::Other => None,
    }
}

fn of_message(message: &ProjectedMessage, at: Timestamp) -> Option<NotifiableEvent> {
    let parsed = message.is_sound.then(|| Message::parse(&message.raw).ok()).flatten()?;
    let transaction = Transaction::of(&parsed);
    let is_alert = transaction == Some(Transaction::Pcd04);
    Some(NotifiableEvent {
        kind: if is_alert { EventKind::Alert } else { EventKind::Message },
        device: Some(message.device.clone()),
        wards: wards(&parsed),
        message: Some(message.id),
        reason: transaction.map_or("other", Transaction::label).to_owned(),
        at,
    })
}

/// The points of care that the message names (PV1-3.1).
fn wards(message: &Message<'_>) -> Vec<String> {
    let characters = message.header().text_encoding();
    let visits = message.segments().filter(|segment| segment.is(b"PV1"));
    let wards = visits.map(|visit| {
        let ward = visit.field(3).component(1).text();
        characters.decode(&ward).trim().to_owned()
    });
    wards.filter(|ward| !ward.is_empty()).take(MAX_WARDS).collect()
}

/// Devices behind a gateway are silent, and not the gateway.
const BEHIND_GATEWAY: &str = "behind-gateway";
/// Rows of a chain that are looked through at once.
const MAX_ROWS: u32 = 200;
/// Notifications of one transaction, but for those of its last row: senders wait for it.
const MAX_NOTICES: u64 = 600;
/// Wards of one message.
const MAX_WARDS: usize = 16;
/// How often is looked for what is given up.
const KEPT_UP_EVERY: Duration = Duration::from_secs(5);
/// How often the notifications of subscriptions are counted.
const MEASURED_EVERY: Duration = Duration::from_secs(15);
/// The longest pause between attempts to post a notification.
const MAX_PAUSE: Duration = Duration::from_mins(5);
/// How long a handle that was acknowledged can be acknowledged again.
const FORGOTTEN_AFTER: SignedDuration = SignedDuration::from_hours(7 * 24);
/// How long what was given up is listed after its message was removed.
const DEAD_FOR: SignedDuration = SignedDuration::from_hours(30 * 24);
