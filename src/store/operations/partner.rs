//! Partners: subscriptions, notifications and their acknowledgements.

use std::ops::RangeInclusive;
use std::time::Instant;

use jiff::{SignedDuration, Timestamp};

use crate::audit::PartnerServed;
use crate::clients::{Oid, Subscription};
use crate::model::{DeviceId, Fingerprint, MessageId, NodeName};
use crate::store::error::StoreError;
use crate::store::handle::Store;
use crate::store::records::partner::{
    Delivery, Due, EventRow, NotificationBatch, NotificationFilter, NotificationStep, PartnerCredential,
    PartnerNotification, PartnerProof, SubscriptionPosition, SubscriptionStanding,
};
use crate::store::write::entry::Write;
use crate::store::write::incoming::WriteOutcome;
use crate::store::write::partner::{PartnerChange, Replayed};

impl Store {
    /// Every subscription, by its name.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn subscriptions(&self) -> Result<Vec<Subscription>, StoreError> {
        self.reader().subscriptions().await
    }

    /// Adds a subscription. It begins with what happens from now on.
    ///
    /// # Errors
    /// [`StoreError::Clients`] when there is one with this name.
    pub async fn subscribe(&self, subscription: Subscription, actor: &str) -> Result<(), StoreError> {
        // A former one of this name may not be deleted as a whole.
        self.delete_removed_subscriptions().await?;
        let actor = actor.to_owned();
        self.change_partners(PartnerChange::Subscribe { subscription, actor }).await.map(drop)
    }

    /// Removes a subscription with its notifications. These are deleted in parts; when that is interrupted,
    /// the node that writes notifications goes on.
    ///
    /// # Errors
    /// [`StoreError::Clients`] when there is none with this name.
    pub async fn unsubscribe(&self, subscription: Subscription, actor: &str) -> Result<(), StoreError> {
        let actor = actor.to_owned();
        self.change_partners(PartnerChange::Unsubscribe { subscription, actor }).await?;
        self.delete_removed_subscriptions().await
    }

    async fn delete_removed_subscriptions(&self) -> Result<(), StoreError> {
        loop {
            let started = self.clock().instant();
            let deleted = self.keep_up_notifications(NotificationStep::Removed).await?;
            if deleted < u64::from(NotificationStep::MAX_ROWS) {
                return Ok(());
            }
            self.give_way(started).await;
        }
    }

    /// Waits as long as the part of a larger change took that has begun at this instant: devices have the
    /// store for at least half of the time.
    pub async fn give_way(&self, started: Instant) {
        let (waiting, _) = self.queued();
        if waiting > 0 {
            tokio::time::sleep(self.clock().instant().saturating_duration_since(started)).await;
        }
    }

    /// How far each audit chain was looked through for each subscription.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn subscription_positions(&self) -> Result<Vec<SubscriptionPosition>, StoreError> {
        self.reader().subscription_positions().await
    }

    /// The rows of the chain of a node after `number`: at most `limit`.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn events_after(
        &self,
        node: &NodeName,
        number: u64,
        limit: u32,
    ) -> Result<Vec<EventRow>, StoreError> {
        self.reader().events_after(node, number, limit).await
    }

    /// Writes the notifications of a part of an audit chain. False: another node leads; nothing was written.
    ///
    /// # Errors
    /// When they cannot be written.
    pub async fn write_notifications(&self, batch: NotificationBatch) -> Result<bool, StoreError> {
        Ok(self.change_partners(PartnerChange::Notify(batch)).await? > 0)
    }

    /// The notifications that may be delivered now, the one that waits for the longest time first.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn due_notifications(&self, due: &Due<'_>) -> Result<Vec<PartnerNotification>, StoreError> {
        self.reader().due_notifications(due, self.believed_now()).await
    }

    /// The organisations that ask for their notifications and may have one now.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn organisations_with_due(&self) -> Result<Vec<Oid>, StoreError> {
        self.reader().organisations_with_due(self.believed_now()).await
    }

    /// The time by which notifications wait and are forgotten: not that of a clock that is not believed.
    #[must_use]
    pub fn believed_now(&self) -> Timestamp {
        MessageId::believed_time(self.now())
    }

    /// Begins deliveries, each with a new receipt; `event` is the audit row. Returns the notifications that
    /// are delivered: of those that another node has delivered since they were read there is none.
    ///
    /// # Errors
    /// When they cannot be written or read.
    pub async fn begin_deliveries(
        &self,
        deliveries: Vec<Delivery>,
        visibility: SignedDuration,
        event: Option<PartnerServed>,
    ) -> Result<Vec<PartnerNotification>, StoreError> {
        if deliveries.is_empty() {
            return Ok(Vec::new());
        }
        let receipts: Vec<Fingerprint> = deliveries.iter().map(|delivery| delivery.receipt).collect();
        if self.change_partners(PartnerChange::Deliver { deliveries, visibility, event }).await? == 0 {
            return Ok(Vec::new());
        }
        self.reader().notifications_with(&receipts).await
    }

    /// The partner has answered a delivery.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn note_answer(&self, id: MessageId, receipt: Fingerprint) -> Result<(), StoreError> {
        self.change_partners(PartnerChange::Answered { id, receipt }).await.map(drop)
    }

    /// The partner has not answered: the delivery does not count, and the next one follows after this time.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn note_failure(
        &self,
        (id, receipt): (MessageId, Fingerprint),
        pause: SignedDuration,
        error: String,
    ) -> Result<(), StoreError> {
        self.change_partners(PartnerChange::Fail { id, receipt, pause, error }).await.map(drop)
    }

    /// Acknowledges the notification with this receipt, with its audit row; again as once. `None`: the
    /// organisation has none with it.
    ///
    /// # Errors
    /// When it cannot be written or read.
    pub async fn acknowledge_notification(
        &self,
        organisation: &Oid,
        receipt: Fingerprint,
        event: PartnerServed,
    ) -> Result<Option<MessageId>, StoreError> {
        let found = self.reader().notifications_with(&[receipt]).await?.pop();
        let Some(found) = found.filter(|found| found.organisation == *organisation) else { return Ok(None) };
        let event = PartnerServed { notification: Some(found.id.to_string()), ..event };
        let organisation = organisation.clone();
        let written =
            self.change_partners(PartnerChange::Acknowledge { organisation, receipt, event }).await?;
        Ok((written > 0).then_some(found.id))
    }

    /// Delivers dead notifications of a subscription again: this one, or all that are dead now. Returns how
    /// many.
    ///
    /// # Errors
    /// When they cannot be written.
    pub async fn replay_notifications(
        &self,
        subscription: Subscription,
        id: Option<MessageId>,
        actor: &str,
    ) -> Result<u64, StoreError> {
        let mut audited = Some(Replayed { id, actor: actor.to_owned() });
        if let Some(id) = id {
            return self.replay(subscription, id..=id, audited).await;
        }
        // By id: what is given up again meanwhile is not replayed twice.
        let (mut after, mut replayed) = (None, 0);
        loop {
            let ids = self.reader().dead_notifications(&subscription.name, after).await?;
            let (Some(first), Some(last)) = (ids.first(), ids.last()) else { return Ok(replayed) };
            let started = self.clock().instant();
            replayed += self.replay(subscription.clone(), *first..=*last, audited.take()).await?;
            after = Some(*last);
            self.give_way(started).await;
        }
    }

    async fn replay(
        &self,
        subscription: Subscription,
        ids: RangeInclusive<MessageId>,
        audited: Option<Replayed>,
    ) -> Result<u64, StoreError> {
        self.change_partners(PartnerChange::Replay { subscription, ids, audited }).await
    }

    /// A step of the upkeep of notifications. Returns how many rows it changed: with
    /// [`NotificationStep::MAX_ROWS`] there may be more.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn keep_up_notifications(&self, step: NotificationStep) -> Result<u64, StoreError> {
        self.change_partners(PartnerChange::KeepUp(step)).await
    }

    /// A notification of an organisation.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn partner_notification(
        &self,
        organisation: &Oid,
        id: MessageId,
    ) -> Result<Option<PartnerNotification>, StoreError> {
        self.reader().partner_notification(Some(organisation), id).await
    }

    /// A notification of any organisation.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn notification(&self, id: MessageId) -> Result<Option<PartnerNotification>, StoreError> {
        self.reader().partner_notification(None, id).await
    }

    /// Notifications, the latest first.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn partner_notifications(
        &self,
        filter: &NotificationFilter,
    ) -> Result<Vec<PartnerNotification>, StoreError> {
        self.reader().partner_notifications(filter).await
    }

    /// How many notifications of each subscription wait, and how many were given up: at most
    /// [`SubscriptionStanding::COUNTED`] are counted.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn subscription_standings(&self) -> Result<Vec<SubscriptionStanding>, StoreError> {
        self.reader().subscription_standings().await
    }

    /// Stores credentials for files, with the audit row. False: what the client has shown counts no more.
    ///
    /// # Errors
    /// When they cannot be written.
    pub async fn issue_credential(
        &self,
        credential: PartnerCredential,
        proof: PartnerProof,
        event: PartnerServed,
    ) -> Result<bool, StoreError> {
        self.change_partners(PartnerChange::Issue { credential, proof, event }).await.map(|rows| rows > 0)
    }

    /// The credentials with this access key.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn partner_credential(
        &self,
        access_key: &str,
    ) -> Result<Option<PartnerCredential>, StoreError> {
        self.reader().partner_credential(access_key).await
    }

    /// Notifications of an organisation that have a file, behind the first of `page`: at most the second.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn notifications_with_files(
        &self,
        organisation: &Oid,
        devices: Option<&[DeviceId]>,
        page: (Option<MessageId>, u32),
    ) -> Result<Vec<PartnerNotification>, StoreError> {
        self.reader().notifications_with_files(organisation, devices, page).await
    }

    async fn change_partners(&self, change: PartnerChange) -> Result<u64, StoreError> {
        match self.write(Write::Partner(Box::new(change))).await? {
            WriteOutcome::Rows(rows) => Ok(rows),
            _ => Ok(0),
        }
    }
}
