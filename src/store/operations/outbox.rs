//! The outbox: messages for devices, and their outcome. One process queues a message; the process that has
//! the device's connection sends it. The outbox is where they meet.

use bytes::Bytes;
use jiff::Timestamp;

use crate::model::{DeviceId, MessageId};
use crate::store::error::StoreError;
use crate::store::handle::Store;
use crate::store::records::outbox::{OutboxEntry, OutboxFilter, QueuedMessage, WaitingMessage};
use crate::store::write::entry::Write;
use crate::store::write::incoming::WriteOutcome;
use crate::store::write::outbox::OutboxChange;

impl Store {
    /// Queues a message for a device; the entry is durable on return.
    ///
    /// # Errors
    /// [`StoreError::AlreadyWaiting`] when a message with the same control id waits for the device.
    pub async fn queue(&self, message: QueuedMessage) -> Result<(), StoreError> {
        self.change_outbox(OutboxChange::Queue(Box::new(message))).await.map(drop)
    }

    /// Claims it for this process until `until`, before it is sent. Whether that was possible: not when it is
    /// settled, expired, taken by the device, or claimed by another process.
    ///
    /// # Errors
    /// When the claim is not durable; the message must not be sent then.
    pub async fn claim(
        &self,
        id: MessageId,
        device: &DeviceId,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        let claim = OutboxChange::Claim { id, device: device.clone(), until, process: self.process() };
        let is_claimed = self.change_outbox(claim).await?;
        // This process may have been paused after the commit: by now the claim may be another one's.
        if !self.is_instance_fresh() {
            return Err(StoreError::InstanceLost(None));
        }
        Ok(is_claimed)
    }

    /// Releases this node's claim, because the device has not answered: any node may send the message again.
    ///
    /// # Errors
    /// When the release is not durable; the message is free when the claim ends.
    pub async fn release(&self, id: MessageId) -> Result<(), StoreError> {
        self.change_outbox(OutboxChange::Release { id, process: self.process() }).await.map(drop)
    }

    /// Releases what former processes of this node had claimed. Only the process that serves the node knows
    /// that they are dead.
    ///
    /// # Errors
    /// When that could not be written.
    pub(in crate::store) async fn release_former_claims(&self) -> Result<(), StoreError> {
        self.change_outbox(OutboxChange::ReleaseFormer { process: self.process() }).await.map(drop)
    }

    /// Records that the device has accepted the message (`code`, in the message `answer`) and has still to
    /// report the result.
    ///
    /// # Errors
    /// When the acceptance is not durable.
    pub async fn note_accepted(
        &self,
        id: MessageId,
        code: &str,
        answer: MessageId,
    ) -> Result<(), StoreError> {
        self.change_outbox(OutboxChange::Accept { id, code: code.to_owned(), answer }).await.map(drop)
    }

    /// Records the device's final answer: `code`, in the message `answer`. Returns `false` when the message
    /// was settled before.
    ///
    /// # Errors
    /// When the outcome is not durable.
    pub async fn settle(
        &self,
        id: MessageId,
        device: &DeviceId,
        acknowledged: bool,
        code: &str,
        answer: MessageId,
    ) -> Result<bool, StoreError> {
        let (device, code) = (device.clone(), code.to_owned());
        self.change_outbox(OutboxChange::Settle { id, device, acknowledged, code, answer }).await
    }

    /// Settles a message as expired. Returns `false` when its time is not over, a node sends it, or it is
    /// settled.
    ///
    /// # Errors
    /// When the outcome is not durable.
    pub async fn expire(&self, id: MessageId, device: &DeviceId) -> Result<bool, StoreError> {
        self.change_outbox(OutboxChange::Expire { id, device: device.clone() }).await
    }

    /// Withdraws a message on behalf of `actor`. Returns `false` when a node sends it, the device has
    /// accepted it, or it is settled.
    ///
    /// # Errors
    /// When the outcome is not durable.
    pub async fn withdraw(&self, id: MessageId, device: &DeviceId, actor: &str) -> Result<bool, StoreError> {
        let (device, actor) = (device.clone(), actor.to_owned());
        self.change_outbox(OutboxChange::Withdraw { id, device, actor }).await
    }

    /// A page of the messages that wait, from after `after`, the oldest first.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn waiting_messages(
        &self,
        after: Option<MessageId>,
        limit: u32,
    ) -> Result<Vec<WaitingMessage>, StoreError> {
        self.reader().waiting_messages(self.process(), after, limit).await
    }

    /// A page of the outbox, the newest entry first.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn outbox(&self, filter: &OutboxFilter) -> Result<Vec<OutboxEntry>, StoreError> {
        self.reader().outbox(filter).await
    }

    /// One entry of the outbox and the bytes of its message.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn outbox_entry(&self, id: MessageId) -> Result<Option<(OutboxEntry, Bytes)>, StoreError> {
        self.reader().outbox_entry(id).await
    }

    async fn change_outbox(&self, change: OutboxChange) -> Result<bool, StoreError> {
        Ok(matches!(self.write(Write::Outbox(change)).await?, WriteOutcome::Rows(1..)))
    }
}
