//! Queries of subscriptions, and of the notifications of partners.

use jiff::Timestamp;

use crate::audit::ChainRow;
use crate::clients::{Oid, Subscription, SubscriptionName};
use crate::model::{DeviceId, Fingerprint, MessageId, NodeName};
use crate::store::error::StoreError;
use crate::store::read::reader::Reader;
use crate::store::records::partner::{
    Due, EventRow, NotificationFilter, NotificationStep, PartnerCredential, PartnerNotification,
    SubscriptionPosition, SubscriptionStanding, TrailEvent,
};
use crate::store::row::{Row, message_id};
use crate::store::statement::Statement;

impl Reader {
    /// Every subscription, by its name.
    pub(in crate::store) async fn subscriptions(&self) -> Result<Vec<Subscription>, StoreError> {
        self.fetch(Statement::new(SELECT_SUBSCRIPTIONS)).await?.iter().map(subscription).collect()
    }

    /// How far each chain was looked through for each subscription.
    pub(in crate::store) async fn subscription_positions(
        &self,
    ) -> Result<Vec<SubscriptionPosition>, StoreError> {
        let position = |row: &Row| {
            Ok(SubscriptionPosition {
                subscription: row.parsed("subscription", "subscription_position.subscription")?,
                node: row.parsed("node", "subscription_position.node")?,
                number: row.count("number", "subscription_position.number")?,
            })
        };
        self.fetch(Statement::new(SELECT_POSITIONS)).await?.iter().map(position).collect()
    }

    /// The rows of the chain of a node after `number`: at most `limit`.
    pub(in crate::store) async fn events_after(
        &self,
        node: &NodeName,
        number: u64,
        limit: u32,
    ) -> Result<Vec<EventRow>, StoreError> {
        let after = i64::try_from(number).unwrap_or(i64::MAX);
        self.audit_chain(node, Some(after), limit).await?.iter().map(event_row).collect()
    }

    /// The notifications that may be delivered, the one that waits for the longest time first. Each
    /// subscription has its own in that order, so no more are looked at than may be delivered.
    pub(in crate::store) async fn due_notifications(
        &self,
        due: &Due<'_>,
        now: Timestamp,
    ) -> Result<Vec<PartnerNotification>, StoreError> {
        // Of one that is suspended nothing is looked through.
        let active = Statement::new(SELECT_ACTIVE).bind(due.organisation.as_str());
        if self.fetch(active).await?.is_empty() {
            return Ok(Vec::new());
        }
        let portions = due.devices.map(|devices| devices.chunks(DEVICES_OF_A_STATEMENT).collect::<Vec<_>>());
        let mut found = Vec::new();
        for name in due.subscriptions {
            let selects: Vec<_> = match &portions {
                None => vec![select_due(due, name, now)],
                Some(portions) => portions.iter().map(|own| select_due_of(due, (name, own), now)).collect(),
            };
            for select in selects {
                for row in &self.fetch(select).await? {
                    found.push(notification(row)?);
                }
            }
        }
        found.sort_by_key(|own: &PartnerNotification| (own.visible_at, *own.id.as_bytes()));
        found.truncate(usize::try_from(due.limit).unwrap_or(usize::MAX));
        Ok(found)
    }

    /// The organisations that ask for their notifications and may have one now.
    pub(in crate::store) async fn organisations_with_due(
        &self,
        now: Timestamp,
    ) -> Result<Vec<Oid>, StoreError> {
        let rows = self.fetch(Statement::new(SELECT_WITH_DUE).bind(now)).await?;
        rows.iter().map(|row| row.parsed("organisation", "subscription.organisation")).collect()
    }

    /// The ids of the dead notifications of a subscription after `after`, in their order.
    pub(in crate::store) async fn dead_notifications(
        &self,
        subscription: &SubscriptionName,
        after: Option<MessageId>,
    ) -> Result<Vec<MessageId>, StoreError> {
        let after = after.map_or([0; 16], |id| *id.as_bytes());
        let select = Statement::new(SELECT_DEAD)
            .bind(subscription.as_str())
            .bind(after.as_slice())
            .bind(NotificationStep::MAX_ROWS);
        self.fetch(select).await?.iter().map(message_id).collect()
    }

    /// The notifications with these receipts.
    pub(in crate::store) async fn notifications_with(
        &self,
        receipts: &[Fingerprint],
    ) -> Result<Vec<PartnerNotification>, StoreError> {
        if receipts.is_empty() {
            return Ok(Vec::new());
        }
        let mut select = Statement::new(SELECT_NOTIFICATION);
        select.push(" WHERE receipt IN (");
        for (place, receipt) in receipts.iter().enumerate() {
            select.push(if place == 0 { "" } else { ", " }).push_bind(receipt.as_bytes().as_slice());
        }
        select.push(")");
        self.fetch(select).await?.iter().map(notification).collect()
    }

    /// The notification, of this organisation if one is given.
    pub(in crate::store) async fn partner_notification(
        &self,
        organisation: Option<&Oid>,
        id: MessageId,
    ) -> Result<Option<PartnerNotification>, StoreError> {
        let mut select = Statement::new(SELECT_NOTIFICATION);
        select.push(" WHERE id = ").push_bind(id.as_bytes().as_slice());
        if let Some(organisation) = organisation {
            select.push(" AND organisation = ").push_bind(organisation.as_str());
        }
        self.fetch(select).await?.first().map(notification).transpose()
    }

    /// The credentials with this access key.
    pub(in crate::store) async fn partner_credential(
        &self,
        access_key: &str,
    ) -> Result<Option<PartnerCredential>, StoreError> {
        let rows = self.fetch(Statement::new(SELECT_CREDENTIAL).bind(access_key)).await?;
        rows.first().map(credential).transpose()
    }

    /// Notifications of an organisation about messages of these devices, in the order of their ids.
    pub(in crate::store) async fn notifications_with_files(
        &self,
        organisation: &Oid,
        devices: Option<&[DeviceId]>,
        (after, limit): (Option<MessageId>, u32),
    ) -> Result<Vec<PartnerNotification>, StoreError> {
        let after = after.map_or([0; 16], |id| *id.as_bytes());
        let mut select = Statement::new(SELECT_NOTIFICATION);
        select.push(" WHERE organisation = ").push_bind(organisation.as_str());
        select.push(" AND id > ").push_bind(after.as_slice()).push(" AND length(message) = 16");
        if let Some(devices) = devices {
            select.push(" AND device IN (NULL");
            for device in devices {
                select.push(", ").push_bind(device.as_str());
            }
            select.push(")");
        }
        select.push(" ORDER BY id LIMIT ").push_bind(limit);
        self.fetch(select).await?.iter().map(notification).collect()
    }

    /// Notifications, the latest first.
    pub(in crate::store) async fn partner_notifications(
        &self,
        filter: &NotificationFilter,
    ) -> Result<Vec<PartnerNotification>, StoreError> {
        let mut select = Statement::new(SELECT_NOTIFICATION);
        select.push(" WHERE TRUE");
        if let Some(name) = &filter.subscription {
            select.push(" AND subscription = ").push_bind(name.as_str());
        }
        if let Some(state) = filter.state {
            select.push(" AND state = ").push_bind(state.name());
        }
        if let Some(before) = filter.before {
            select.push(" AND id < ").push_bind(before.as_bytes().as_slice());
        }
        select.push(" ORDER BY id DESC LIMIT ").push_bind(filter.limit);
        self.fetch(select).await?.iter().map(notification).collect()
    }

    /// How many notifications of each subscription wait, and how many were given up.
    pub(in crate::store) async fn subscription_standings(
        &self,
    ) -> Result<Vec<SubscriptionStanding>, StoreError> {
        let standing = |row: &Row| {
            let oldest = row.get::<Option<Vec<u8>>>("oldest")?.and_then(|id| id.try_into().ok());
            Ok(SubscriptionStanding {
                subscription: row.parsed("name", "subscription.name")?,
                waiting: row.count("waiting", "partner_notification")?,
                dead: row.count("dead", "partner_notification")?,
                oldest: oldest.map(|id| MessageId::from_bytes(id).time()),
                error: row.get::<Option<String>>("error")?.unwrap_or_default(),
            })
        };
        self.fetch(Statement::new(SELECT_STANDINGS).bind(SubscriptionStanding::COUNTED))
            .await?
            .iter()
            .map(standing)
            .collect()
    }
}

/// What may be delivered of one subscription, by its index.
pub(in crate::store) fn select_due(due: &Due<'_>, name: &SubscriptionName, now: Timestamp) -> Statement {
    let mut select = Statement::new("");
    push_due(&mut select, due, (name, None), now);
    select
}

/// What may be delivered of one subscription about messages of these devices: of each device by its index,
/// however much waits about others.
pub(in crate::store) fn select_due_of(
    due: &Due<'_>,
    (name, devices): (&SubscriptionName, &[DeviceId]),
    now: Timestamp,
) -> Statement {
    let mut select = Statement::new("");
    for (place, device) in devices.iter().enumerate() {
        select.push(if place == 0 { "SELECT * FROM (" } else { " UNION ALL SELECT * FROM (" });
        push_due(&mut select, due, (name, Some(device)), now);
        select.push(") AS own");
    }
    select
}

fn push_due(
    select: &mut Statement,
    due: &Due<'_>,
    (name, device): (&SubscriptionName, Option<&DeviceId>),
    now: Timestamp,
) {
    select.push(SELECT_NOTIFICATION);
    select.push(" WHERE state = 'waiting' AND subscription = ").push_bind(name.as_str());
    if let Some(device) = device {
        select.push(" AND device = ").push_bind(device.as_str());
    }
    select.push(" AND visible_at <= ").push_bind(now);
    select.push(" AND organisation = ").push_bind(due.organisation.as_str());
    select.push(" AND deliveries < ").push_bind(due.max_deliveries).push(OF_ACTIVE);
    if due.is_new {
        select.push(" AND attempts = 0");
    }
    select.push(" ORDER BY visible_at LIMIT ").push_bind(due.limit);
}

fn subscription(row: &Row) -> Result<Subscription, StoreError> {
    let filter = serde_json::from_str(&row.get::<String>("events")?);
    let webhook = serde_json::from_str(&row.get::<String>("receiver")?);
    Ok(Subscription {
        name: row.parsed("name", "subscription.name")?,
        organisation: row.parsed("organisation", "subscription.organisation")?,
        filter: filter.map_err(|_| StoreError::unreadable("subscription.events"))?,
        webhook: webhook.map_err(|_| StoreError::unreadable("subscription.receiver"))?,
        created_at: row.time("created_at", "subscription.created_at")?,
    })
}

fn notification(row: &Row) -> Result<PartnerNotification, StoreError> {
    let message: Vec<u8> = row.get("message")?;
    let device: String = row.get("device")?;
    let receipt: Vec<u8> = row.get("receipt")?;
    let receipt = receipt.try_into().map_err(|_| StoreError::unreadable("partner_notification.receipt"))?;
    Ok(PartnerNotification {
        id: message_id(row)?,
        subscription: row.parsed("subscription", "partner_notification.subscription")?,
        organisation: row.parsed("organisation", "partner_notification.organisation")?,
        event: row.get("event")?,
        device: device.parse::<DeviceId>().ok(),
        message: message.try_into().ok().map(MessageId::from_bytes),
        reason: row.get("reason")?,
        at: row.time("at", "partner_notification.at")?,
        state: row.parsed("state", "partner_notification.state")?,
        deliveries: row.count("deliveries", "partner_notification.deliveries")?,
        attempts: row.count("attempts", "partner_notification.attempts")?,
        visible_at: row.time("visible_at", "partner_notification.visible_at")?,
        receipt: Fingerprint::from_bytes(receipt),
        error: row.get("error")?,
    })
}

fn credential(row: &Row) -> Result<PartnerCredential, StoreError> {
    let hash = |column: &str| {
        let bytes: Vec<u8> = row.get(column)?;
        let bytes = bytes.try_into().map_err(|_| StoreError::unreadable("partner_credential"))?;
        Ok::<_, StoreError>(Fingerprint::from_bytes(bytes))
    };
    Ok(PartnerCredential {
        access_key: row.get("access_key")?,
        token: hash("token")?,
        client: row.parsed("client", "partner_credential.client")?,
        certificate: hash("certificate")?,
        expires: row.time("expires", "partner_credential.expires")?,
    })
}

fn event_row(row: &ChainRow) -> Result<EventRow, StoreError> {
    let is_notifiable =
        [ACCEPTED, RECONSIDERED, SILENT, SILENT_BEHIND, REFUSED].contains(&row.event.as_str());
    let details =
        is_notifiable.then(|| serde_json::from_str::<serde_json::Value>(&row.details).ok()).flatten();
    let details = details.unwrap_or_default();
    let text = |place: &str| details.pointer(place).and_then(serde_json::Value::as_str);
    let event = match row.event.as_str() {
        ACCEPTED | RECONSIDERED => {
            text("/message").and_then(|id| id.parse().ok()).map_or(TrailEvent::Other, TrailEvent::Accepted)
        }
        name @ (SILENT | SILENT_BEHIND) => {
            TrailEvent::Silent(text("/device").and_then(|id| id.parse().ok()), name == SILENT_BEHIND)
        }
        // A peer without a certificate is no device.
        REFUSED if details.get("certificate").is_some() => {
            let device = text("/certificate/common-name").and_then(|name| name.parse().ok());
            TrailEvent::Refused(device, text("/refusal").unwrap_or_default().to_owned())
        }
        _ => TrailEvent::Other,
    };
    Ok(EventRow {
        number: u64::try_from(row.number).map_err(|_| StoreError::unreadable("audit.number"))?,
        at: Timestamp::from_microsecond(row.at).unwrap_or(Timestamp::UNIX_EPOCH),
        event,
    })
}

const ACCEPTED: &str = "message-accepted";
const RECONSIDERED: &str = "message-reconsidered";
const SILENT: &str = "feed-silent";
const SILENT_BEHIND: &str = "feeds-behind-silent";
const REFUSED: &str = "connection-refused";

const SELECT_SUBSCRIPTIONS: &str = "SELECT name, organisation, events, receiver, created_at FROM subscription WHERE removed = 0 ORDER BY name";

const SELECT_POSITIONS: &str = "SELECT subscription, node, number FROM subscription_position";

const SELECT_NOTIFICATION: &str = "
SELECT id, subscription, organisation, event, device, message, reason, at, state, deliveries, attempts, visible_at,
    receipt, error
FROM partner_notification";

/// Devices of one statement: each has a part of its own.
const DEVICES_OF_A_STATEMENT: usize = 64;

const SELECT_ACTIVE: &str = "SELECT 1 FROM organisation WHERE oid = $1 AND suspended = 0";

/// What an organisation gets that is not suspended.
const OF_ACTIVE: &str = "
 AND EXISTS (SELECT 1 FROM organisation WHERE oid = partner_notification.organisation AND suspended = 0)";

const SELECT_CREDENTIAL: &str =
    "SELECT access_key, token, client, certificate, expires FROM partner_credential WHERE access_key = $1";

/// How the subscriptions stand: by an index, and counted as far as $1.
pub(in crate::store) const SELECT_STANDINGS: &str = "
SELECT name,
    (SELECT count(*) FROM (SELECT 1 AS one FROM partner_notification
        WHERE subscription = name AND state = 'waiting' LIMIT $1) AS counted) AS waiting,
    (SELECT count(*) FROM (SELECT 1 AS one FROM partner_notification
        WHERE subscription = name AND state = 'dead' LIMIT $1) AS counted) AS dead,
    (SELECT id FROM partner_notification WHERE subscription = name AND state = 'waiting' ORDER BY id LIMIT 1) AS oldest,
    (SELECT error FROM partner_notification WHERE subscription = name AND state = 'waiting' ORDER BY id LIMIT 1) AS error
FROM subscription WHERE removed = 0 ORDER BY name";

/// `receiver` is JSON: null without a webhook.
const SELECT_WITH_DUE: &str = "
SELECT DISTINCT organisation FROM subscription WHERE removed = 0 AND receiver = 'null' AND EXISTS
    (SELECT 1 FROM partner_notification AS own
     WHERE own.subscription = subscription.name AND own.state = 'waiting' AND own.visible_at <= $1)";

const SELECT_DEAD: &str = "
SELECT id FROM partner_notification WHERE subscription = $1 AND state = 'dead' AND id > $2 ORDER BY id LIMIT $3";
