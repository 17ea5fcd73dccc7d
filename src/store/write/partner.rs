//! Writes what partners are notified of: subscriptions and notifications. The same on both databases.
//!
//! The position of a subscription in an audit chain moves in the transaction that writes its notifications,
//! and only from where the writer found it: each row of the chain is notified once. A leader that was paused
//! finds another fence, and writes nothing.

use std::ops::RangeInclusive;

use jiff::{SignedDuration, Timestamp};

use crate::audit::{Event, PartnerServed, SubscriptionsChange};
use crate::clients::{KnownCertificate, Oid, Subscription, SubscriptionName};
use crate::model::{Fingerprint, MessageId};
use crate::store::error::{ClientsConflict, StoreError};
use crate::store::records::message::first_id;
use crate::store::records::partner::{
    Delivery, NotificationBatch, NotificationStep, PartnerCredential, PartnerProof, SubscriptionBatch,
};
use crate::store::statement::{Statement, Value};
use crate::store::write::connection::Connection;
use crate::store::write::grant;

/// A change of subscriptions or notifications.
#[derive(Debug)]
pub(in crate::store) enum PartnerChange {
    /// Adds a subscription: it begins with what happens now.
    Subscribe { subscription: Subscription, actor: String },
    /// Removes a subscription. Its notifications are deleted in parts, by [`PartnerChange::KeepUp`].
    Unsubscribe { subscription: Subscription, actor: String },
    /// Writes the notifications of a part of an audit chain.
    Notify(NotificationBatch),
    /// Begins deliveries: they are not delivered again for this time. Those with an audit row answer the
    /// partner, and count; the partner has still to answer the others.
    Deliver { deliveries: Vec<Delivery>, visibility: SignedDuration, event: Option<PartnerServed> },
    /// The partner has answered a delivery: from now on it counts.
    Answered { id: MessageId, receipt: Fingerprint },
    /// An attempt has failed: the next one follows after this time.
    Fail { id: MessageId, receipt: Fingerprint, pause: SignedDuration, error: String },
    /// The partner has processed a notification.
    Acknowledge { organisation: Oid, receipt: Fingerprint, event: PartnerServed },
    /// Delivers the dead notifications with these ids again. The first part of a command has the audit row.
    Replay { subscription: Subscription, ids: RangeInclusive<MessageId>, audited: Option<Replayed> },
    /// A client gets credentials for files, if what it has shown counts still.
    Issue { credential: PartnerCredential, proof: PartnerProof, event: PartnerServed },
    /// What time does.
    KeepUp(NotificationStep),
}

/// What the audit row of a replay says.
#[derive(Debug)]
pub(in crate::store) struct Replayed {
    /// The notification; `None`: all of the subscription.
    pub(in crate::store) id: Option<MessageId>,
    pub(in crate::store) actor: String,
}

impl PartnerChange {
    /// The audit row of the change, if it has one.
    pub(in crate::store) fn event(&self) -> Option<Event> {
        let changed = |subscription: &Subscription, change, detail, actor: &String| {
            Event::SubscriptionsChanged(Box::new(SubscriptionsChange {
                change,
                subscription: subscription.name.to_string(),
                organisation: subscription.organisation.to_string(),
                detail,
                actor: actor.clone(),
            }))
        };
        let served = |event: &PartnerServed| Event::PartnerServed(Box::new(event.clone()));
        match self {
            Self::Subscribe { subscription, actor } => {
                let detail = serde_json::to_string(&subscription.filter).ok();
                Some(changed(subscription, "subscription-added", detail, actor))
            }
            Self::Unsubscribe { subscription, actor } => {
                Some(changed(subscription, "subscription-removed", None, actor))
            }
            Self::Replay { subscription, audited, .. } => audited.as_ref().map(|Replayed { id, actor }| {
                let detail = id.as_ref().map(ToString::to_string);
                changed(subscription, "notifications-replayed", detail, actor)
            }),
            Self::Deliver { event, .. } => event.as_ref().map(served),
            Self::Acknowledge { event, .. } | Self::Issue { event, .. } => Some(served(event)),
            Self::Notify(_) | Self::Answered { .. } | Self::Fail { .. } | Self::KeepUp(_) => None,
        }
    }

    /// How many rows it has.
    pub(in crate::store) fn rows(&self) -> usize {
        match self {
            Self::Notify(batch) => batch.parts.iter().map(|part| part.notices.len()).sum(),
            Self::Deliver { deliveries, .. } => deliveries.len(),
            _ => 0,
        }
    }

    /// A SELECT that finds this number of rows when what an operator changed is stored so.
    pub(in crate::store) fn stored(&self) -> Option<(&'static str, Statement, u64)> {
        let select = |own: &Subscription| {
            let sql = "SELECT 1 FROM subscription WHERE name = $1 AND organisation = $2 AND removed = 0";
            Statement::new(sql).bind(own.name.as_str()).bind(own.organisation.as_str())
        };
        match self {
            Self::Subscribe { subscription, .. } => Some(("subscription", select(subscription), 1)),
            Self::Unsubscribe { subscription, .. } => Some(("subscription", select(subscription), 0)),
            _ => None,
        }
    }
}

/// Applies the change. Returns how many notifications it concerned, or subscriptions.
pub(in crate::store) async fn apply(
    connection: &mut impl Connection,
    at: Timestamp,
    change: &PartnerChange,
) -> Result<u64, StoreError> {
    let now = MessageId::believed_time(connection.now(at).await?);
    let after = |pause: SignedDuration| now.saturating_add(pause).unwrap_or(Timestamp::MAX);
    match change {
        PartnerChange::Subscribe { subscription, .. } => subscribe(connection, now, subscription).await,
        PartnerChange::Unsubscribe { subscription, .. } => unsubscribe(connection, &subscription.name).await,
        PartnerChange::Notify(batch) => notify(connection, batch).await,
        PartnerChange::Deliver { deliveries, visibility, event } => {
            deliver(connection, (now, after(*visibility)), deliveries, event.is_some()).await
        }
        PartnerChange::Answered { id, receipt } => {
            let answered = Statement::new(ANSWERED).bind(id.as_bytes().as_slice());
            connection.execute(answered.bind(receipt.as_bytes().as_slice())).await
        }
        PartnerChange::Fail { id, receipt, pause, error } => {
            let fail = Statement::new(FAIL)
                .bind(after(*pause))
                .bind(error.as_str())
                .bind(id.as_bytes().as_slice())
                .bind(receipt.as_bytes().as_slice());
            connection.execute(fail).await
        }
        PartnerChange::Acknowledge { organisation, receipt, .. } => {
            let acknowledge = Statement::new(ACKNOWLEDGE)
                .bind(receipt.as_bytes().as_slice())
                .bind(organisation.as_str())
                .bind(now);
            connection.execute(acknowledge).await
        }
        PartnerChange::Replay { subscription, ids, .. } => {
            let replay = Statement::new(REPLAY)
                .bind(now)
                .bind(subscription.name.as_str())
                .bind(ids.start().as_bytes().as_slice())
                .bind(ids.end().as_bytes().as_slice());
            connection.execute(replay).await
        }
        PartnerChange::Issue { credential, proof, .. } => issue(connection, now, credential, proof).await,
        PartnerChange::KeepUp(step) => keep_up(connection, now, step).await,
    }
}

async fn subscribe(
    connection: &mut impl Connection,
    now: Timestamp,
    own: &Subscription,
) -> Result<u64, StoreError> {
    let filter =
        serde_json::to_string(&own.filter).map_err(|_| StoreError::unreadable("subscription.events"))?;
    let receiver =
        serde_json::to_string(&own.webhook).map_err(|_| StoreError::unreadable("subscription.receiver"))?;
    let insert = Statement::new(INSERT)
        .bind(own.name.as_str())
        .bind(own.organisation.as_str())
        .bind(filter)
        .bind(receiver)
        .bind(now);
    if connection.execute(insert).await? == 0 {
        return Err(ClientsConflict::SubscriptionExists.into());
    }
    connection.execute(Statement::new(BEGIN).bind(own.name.as_str())).await?;
    Ok(1)
}

/// Its notifications are not delivered from now on, and no more are made.
async fn unsubscribe(connection: &mut impl Connection, name: &SubscriptionName) -> Result<u64, StoreError> {
    if connection.execute(Statement::new(REMOVE).bind(name.as_str())).await? == 0 {
        return Err(ClientsConflict::SubscriptionUnknown.into());
    }
    let positions = Statement::new("DELETE FROM subscription_position WHERE subscription = $1");
    connection.execute(positions.bind(name.as_str())).await?;
    Ok(1)
}

async fn notify(connection: &mut impl Connection, batch: &NotificationBatch) -> Result<u64, StoreError> {
    let NotificationBatch { leader, node, to, parts } = batch;
    // This locks the row: another node takes over before it, or behind it.
    let lead = Statement::new(LEAD).bind(leader.holder.as_str()).bind(leader.fence);
    if connection.execute(lead).await? == 0 {
        return Ok(0);
    }
    for SubscriptionBatch { subscription, organisation, from, notices } in parts {
        let position = |sql| Statement::new(sql).bind(*to).bind(subscription.as_str()).bind(node.as_str());
        let mut moved = connection.execute(position(MOVE).bind(*from)).await?;
        if moved == 0 && *from == 0 {
            moved = connection.execute(position(BEGIN_NODE)).await?;
        }
        // It was removed, or added again, since it was read.
        if moved == 0 {
            continue;
        }
        for chunk in notices.chunks(ROWS_OF_A_STATEMENT) {
            let mut insert = Statement::new(INSERT_NOTIFICATIONS);
            for (place, (id, receipt, notice)) in chunk.iter().enumerate() {
                let values: [Value; 10] = [
                    id.as_bytes().as_slice().into(),
                    subscription.as_str().into(),
                    organisation.as_str().into(),
                    notice.kind.name().into(),
                    notice.device.as_ref().map_or("", |device| device.as_str()).into(),
                    notice.message.as_ref().map_or(&[][..], |message| message.as_bytes()).into(),
                    notice.reason.as_str().into(),
                    notice.at.into(),
                    notice.at.into(),
                    receipt.as_bytes().as_slice().into(),
                ];
                insert.push(if place == 0 { "(" } else { ", (" });
                for (column, value) in values.into_iter().enumerate() {
                    insert.push(if column == 0 { "" } else { ", " }).push_bind(value);
                }
                insert.push(", 'waiting', 0, 0, '')");
            }
            connection.execute(insert).await?;
        }
    }
    Ok(1)
}

async fn deliver(
    connection: &mut impl Connection,
    (now, until): (Timestamp, Timestamp),
    deliveries: &[Delivery],
    counts: bool,
) -> Result<u64, StoreError> {
    let mut delivered = 0;
    for Delivery { id, known, receipt } in deliveries {
        let statement = Statement::new(DELIVER)
            .bind(receipt.as_bytes().as_slice())
            .bind(until)
            .bind(id.as_bytes().as_slice())
            .bind(known.as_bytes().as_slice())
            .bind(now)
            .bind(u32::from(counts));
        delivered += connection.execute(statement).await?;
    }
    Ok(delivered)
}

/// Expired credentials go, and the oldest of a client that has many.
async fn issue(
    connection: &mut impl Connection,
    now: Timestamp,
    credential: &PartnerCredential,
    proof: &PartnerProof,
) -> Result<u64, StoreError> {
    if !counts(connection, now, credential, proof).await? {
        return Ok(0);
    }
    let PartnerCredential { access_key, token, client, certificate, expires } = credential;
    let ended = Statement::new("DELETE FROM partner_credential WHERE client = $1 AND expires < $2");
    connection.execute(ended.bind(client.as_str()).bind(now)).await?;
    let oldest = Statement::new(DELETE_OLDEST_CREDENTIALS).bind(client.as_str());
    connection.execute(oldest.bind(MAX_CREDENTIALS - 1)).await?;
    let insert = Statement::new(INSERT_CREDENTIAL)
        .bind(access_key.as_str())
        .bind(token.as_bytes().as_slice())
        .bind(client.as_str())
        .bind(certificate.as_bytes().as_slice())
        .bind(*expires);
    connection.execute(insert).await
}

/// Whether the client, its secret and the certificate count still: an operator may have ended them since the
/// request was admitted, and what is issued now would be found by no command.
async fn counts(
    connection: &mut impl Connection,
    now: Timestamp,
    PartnerCredential { client, certificate, .. }: &PartnerCredential,
    PartnerProof { secret, known }: &PartnerProof,
) -> Result<bool, StoreError> {
    let shown = KnownCertificate::Fingerprint(*certificate).to_string();
    let known = known.as_ref().map_or_else(|| shown.clone(), ToString::to_string);
    let secret = Statement::new(SELECT_SECRET).bind(secret.to_string()).bind(client.as_str()).bind(now);
    let removed = Statement::new("SELECT 1 FROM api_removed WHERE known IN ($1, $2)");
    Ok(grant::is_active(connection, client.as_str()).await?
        && connection.count(secret).await? > 0
        && connection.count(removed.bind(shown).bind(known)).await? == 0)
}

/// Returns how many rows changed.
async fn keep_up(
    connection: &mut impl Connection,
    now: Timestamp,
    step: &NotificationStep,
) -> Result<u64, StoreError> {
    let changed = connection.execute(step_statement(step, now)).await?;
    if *step == NotificationStep::Removed && changed < u64::from(NotificationStep::MAX_ROWS) {
        connection.execute(Statement::new(DELETE_REMOVED)).await?;
    }
    Ok(changed)
}

/// A step. It changes at most [`NotificationStep::MAX_ROWS`] rows, which it finds by an index.
pub(in crate::store) fn step_statement(step: &NotificationStep, now: Timestamp) -> Statement {
    let limit = NotificationStep::MAX_ROWS;
    match step {
        NotificationStep::NotAcknowledged { max_deliveries } => {
            Statement::new(BURY_NOT_ACKNOWLEDGED).bind(now).bind(*max_deliveries).bind(limit)
        }
        NotificationStep::Expired { before } => {
            Statement::new(BURY_EXPIRED).bind(now).bind(first_id(*before).as_slice()).bind(limit)
        }
        NotificationStep::Forgotten { state, before } => {
            Statement::new(FORGET).bind(state.name()).bind(*before).bind(limit)
        }
        NotificationStep::Distant { longest_wait } => {
            let latest = now.saturating_add(*longest_wait).unwrap_or(Timestamp::MAX);
            Statement::new(CORRECT_DISTANT).bind(now).bind(latest).bind(limit)
        }
        NotificationStep::Removed => Statement::new(DELETE_OF_REMOVED).bind(limit),
    }
}

/// Credentials of a client that count at once.
const MAX_CREDENTIALS: u32 = 64;
/// Rows of one statement.
const ROWS_OF_A_STATEMENT: usize = 32;

const INSERT: &str = "
INSERT INTO subscription (name, organisation, events, receiver, created_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (name) DO NOTHING";

/// Rows that the chains have already are not notified.
const BEGIN: &str = "
INSERT INTO subscription_position (subscription, node, number)
WITH RECURSIVE own (node) AS (
    SELECT min(node) FROM audit
    UNION ALL SELECT (SELECT min(node) FROM audit WHERE audit.node > own.node) FROM own WHERE own.node IS NOT NULL
)
SELECT $1, node, (SELECT max(number) FROM audit WHERE audit.node = own.node) FROM own WHERE node IS NOT NULL";

const LEAD: &str = "UPDATE fhir_leader SET until = until WHERE holder = $1 AND fence = $2";

const MOVE: &str = "
UPDATE subscription_position SET number = $1 WHERE subscription = $2 AND node = $3 AND number = $4";

/// A node that is new since the subscription was added.
const BEGIN_NODE: &str = "
INSERT INTO subscription_position (subscription, node, number)
SELECT name, $3, $1 FROM subscription WHERE name = $2 AND removed = 0 ON CONFLICT (subscription, node) DO NOTHING";

const INSERT_NOTIFICATIONS: &str = "
INSERT INTO partner_notification (
    id, subscription, organisation, event, device, message, reason, at, visible_at, receipt, state, deliveries, attempts, error
) VALUES ";

const REMOVE: &str = "UPDATE subscription SET removed = 1 WHERE name = $1 AND removed = 0";

const DELIVER: &str = "
UPDATE partner_notification SET receipt = $1, visible_at = $2, deliveries = deliveries + $6
WHERE id = $3 AND receipt = $4 AND state = 'waiting' AND visible_at <= $5";

const ANSWERED: &str = "
UPDATE partner_notification SET deliveries = deliveries + 1, attempts = 0, error = ''
WHERE id = $1 AND receipt = $2 AND state = 'waiting'";

/// An attempt that the partner has not answered is no delivery.
const FAIL: &str = "
UPDATE partner_notification SET visible_at = $1, error = $2, attempts = attempts + 1
WHERE id = $3 AND receipt = $4 AND state = 'waiting'";

/// Twice is as once. One that was given up meanwhile is processed all the same.
const ACKNOWLEDGE: &str = "
UPDATE partner_notification SET
    settled_at = CASE WHEN state = 'acknowledged' THEN settled_at ELSE $3 END, state = 'acknowledged', error = ''
WHERE receipt = $1 AND organisation = $2";

const REPLAY: &str = "
UPDATE partner_notification SET state = 'waiting', deliveries = 0, attempts = 0, visible_at = $1, settled_at = 0
WHERE state = 'dead' AND subscription = $2 AND id BETWEEN $3 AND $4";

const SELECT_SECRET: &str =
    "SELECT 1 FROM api_secret WHERE hash = $1 AND client = $2 AND (ends IS NULL OR ends > $3)";

const INSERT_CREDENTIAL: &str = "
INSERT INTO partner_credential (access_key, token, client, certificate, expires) VALUES ($1, $2, $3, $4, $5)";

const DELETE_OLDEST_CREDENTIALS: &str = "
DELETE FROM partner_credential WHERE client = $1 AND access_key NOT IN
    (SELECT access_key FROM partner_credential WHERE client = $1 ORDER BY expires DESC LIMIT $2)";

const BURY_NOT_ACKNOWLEDGED: &str = "
UPDATE partner_notification SET state = 'dead', error = 'not-acknowledged', settled_at = $1
WHERE state = 'waiting' AND id IN
    (SELECT id FROM partner_notification WHERE state = 'waiting' AND deliveries >= $2 AND visible_at <= $1 LIMIT $3)";

/// Notifications last as long as their messages, which retention removes by a clock that it believes. Those
/// without a message last as long as one of their time.
const BURY_EXPIRED: &str = "
UPDATE partner_notification SET state = 'dead', error = 'expired', settled_at = $1
WHERE state = 'waiting' AND id IN
    (SELECT old.id FROM
        (SELECT own.id, own.message FROM subscription CROSS JOIN partner_notification AS own
         WHERE own.subscription = subscription.name AND own.state = 'waiting' AND own.id < $2 LIMIT $3) AS old
     WHERE length(old.message) = 0 OR NOT EXISTS (SELECT 1 FROM message WHERE message.id = old.message))";

const FORGET: &str = "
DELETE FROM partner_notification WHERE id IN
    (SELECT id FROM partner_notification WHERE state = $1 AND state <> 'waiting' AND settled_at < $2
     ORDER BY settled_at LIMIT $3)";

/// A time that is further away than anything waits: the clock was ahead when it was set.
const CORRECT_DISTANT: &str = "
UPDATE partner_notification SET visible_at = $1
WHERE state = 'waiting' AND id IN
    (SELECT own.id FROM subscription CROSS JOIN partner_notification AS own
     WHERE own.subscription = subscription.name AND own.state = 'waiting' AND own.visible_at > $2 LIMIT $3)";

const DELETE_OF_REMOVED: &str = "
DELETE FROM partner_notification WHERE id IN
    (SELECT own.id FROM subscription CROSS JOIN partner_notification AS own
     WHERE own.subscription = subscription.name AND subscription.removed = 1 LIMIT $1)";

const DELETE_REMOVED: &str = "
DELETE FROM subscription WHERE removed = 1
    AND NOT EXISTS (SELECT 1 FROM partner_notification WHERE subscription = subscription.name)";
