//! Writes the notifications of partners about what is indexed.
//!
//! Each subscription has a position in each audit chain, which follows that of the index. It moves in the
//! transaction that writes the notifications, so each row of a chain is notified once, also when all rows
//! are indexed again. The node that writes the index writes these too.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use super::messages::ReadMessages;
use crate::clients::{EventKind, NotifiableEvent, ReceiptHandle, Subscription};
use crate::config::ConfigHandle;
use crate::hl7::Message;
use crate::metrics::Metrics;
use crate::model::{Clock, MessageId, NodeName};
use crate::pcd::Transaction;
use crate::store::{
    EventRow, NotificationBatch, NotificationLimits, ProjectedMessage, ProjectionLeader, Store, StoreError,
    SubscriptionBatch, SubscriptionPosition, TrailEvent,
};

/// What is remembered between rounds.
#[derive(Debug, Default)]
pub(super) struct NotificationUpkeep {
    kept_up: Option<Instant>,
}

/// Writes the notifications of partners, while its node leads.
pub(super) struct Notifier<'a> {
    pub(super) config: &'a ConfigHandle,
    pub(super) store: &'a Store,
    pub(super) metrics: &'a Metrics,
    pub(super) clock: &'a Clock,
}

impl Notifier<'_> {
    /// Writes the notifications of the next rows of each chain. True: there are more.
    pub(super) async fn write(
        &self,
        leader: &ProjectionLeader,
        upkeep: &mut NotificationUpkeep,
    ) -> Result<bool, StoreError> {
        let subscriptions = self.store.subscriptions().await?;
        if subscriptions.is_empty() {
            return Ok(false);
        }
        self.keep_up(upkeep).await?;
        let positions = self.store.subscription_positions().await?;
        let projected = self.store.projected_to().await?;
        let mut is_more = false;
        for node in self.store.projected_nodes().await? {
            let until = projected.get(node.as_str()).map_or(0, |position| position.number);
            let from = from(&subscriptions, &positions, &node);
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
        let mut count = 0;
        for row in rows {
            let Some(notice) = notice(&row, &messages) else { continue };
            for ((subscription, number), part) in from.iter().zip(&mut parts) {
                if row.number > *number && subscription.filter.covers(&notice) {
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
        let batch = NotificationBatch { leader: leader.clone(), node: node.clone(), to, parts };
        if !self.store.write_notifications(batch).await? {
            return Ok(false);
        }
        self.metrics.api.partners.count("made", count);
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

    /// Gives up what was delivered too often or waited for too long, every few seconds.
    async fn keep_up(&self, upkeep: &mut NotificationUpkeep) -> Result<(), StoreError> {
        let instant = self.clock.instant();
        let is_due = |last: Instant| instant.saturating_duration_since(last) >= KEPT_UP_EVERY;
        if upkeep.kept_up.is_some_and(|last| !is_due(last)) {
            return Ok(());
        }
        upkeep.kept_up = Some(instant);
        let (config, now) = (self.config.load_full(), self.store.now());
        let ago = |age: SignedDuration| now.saturating_sub(age).unwrap_or(Timestamp::MIN);
        let retained = config.store.retain_messages.age();
        let limits = NotificationLimits {
            max_deliveries: config.notifications.deliveries,
            dead_before: retained.map(ago),
            forget_before: ago(FORGOTTEN_AFTER),
            forget_dead_before: retained.map(|age| ago(age.saturating_add(DEAD_FOR))),
        };
        let dead = self.store.keep_up_notifications(limits).await?;
        self.metrics.api.partners.count("dead", dead);
        let standings = self.store.subscription_standings().await?;
        let age = |oldest: Timestamp| now.duration_since(oldest).as_secs().max(0);
        self.metrics.api.partners.measure(standings.iter().map(|standing| {
            let age = standing.oldest.map_or(0, age);
            (standing.subscription.as_str(), standing.waiting, standing.dead, age)
        }));
        Ok(())
    }
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
        TrailEvent::Silent(device) => Some(about(EventKind::DeviceSilent, device.clone(), String::new())),
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

/// Rows of a chain that are looked through at once.
const MAX_ROWS: u32 = 200;
/// Notifications of one transaction, but for those of its last row: senders wait for it.
const MAX_NOTICES: u64 = 600;
/// Wards of one message.
const MAX_WARDS: usize = 16;
/// How often is looked for what is given up.
const KEPT_UP_EVERY: Duration = Duration::from_secs(5);
/// How long a handle that was acknowledged can be acknowledged again.
const FORGOTTEN_AFTER: SignedDuration = SignedDuration::from_hours(7 * 24);
/// How long what was given up is listed after its message was removed.
const DEAD_FOR: SignedDuration = SignedDuration::from_hours(30 * 24);
