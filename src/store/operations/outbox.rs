//! Messages for devices: what waits, and what became of it. A message is queued by one process and sent by another, the one
//! that has the device's connection; this is where they meet.

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
    /// Queues a message for a device; durable on return.
    ///
    /// # Errors
    /// [`StoreError::AlreadyWaiting`] when one with its control id waits for the device.
    pub async fn queue(&self, message: QueuedMessage) -> Result<(), StoreError> {
        self.change_outbox(OutboxChange::Queue(Box::new(message))).await.map(drop)
    }

    /// Says before it is sent that this node sends it now, and that it is this node's alone until `until`. Whether it may:
    /// not when it is settled, expired, taken by the device, or another node's.
    ///
    /// # Errors
    /// When that could not be written; then it must not be sent.
    pub async fn claim(
        &self,
        id: MessageId,
        device: &DeviceId,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        self.change_outbox(OutboxChange::Claim { id, device: device.clone(), until }).await
    }

    /// Any node may send it again: the device has not answered.
    ///
    /// # Errors
    /// When that could not be written; it is free when its claim ends.
    pub async fn release(&self, id: MessageId) -> Result<(), StoreError> {
        self.change_outbox(OutboxChange::Release(id)).await.map(drop)
    }

    /// The device has taken it (`code`, in the message `answer`) and is still to say what came of it.
    ///
    /// # Errors
    /// When that could not be written.
    pub async fn note_accepted(
        &self,
        id: MessageId,
        code: &str,
        answer: MessageId,
    ) -> Result<(), StoreError> {
        self.change_outbox(OutboxChange::Accept { id, code: code.to_owned(), answer }).await.map(drop)
    }

    /// The device's last word on it: `code`, in the message `answer`. Whether it still waited for one.
    ///
    /// # Errors
    /// When that could not be written.
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

    /// Its time is over. Whether that is so: not while a node sends it, nor when it is settled.
    ///
    /// # Errors
    /// When that could not be written.
    pub async fn expire(&self, id: MessageId, device: &DeviceId) -> Result<bool, StoreError> {
        self.change_outbox(OutboxChange::Expire { id, device: device.clone() }).await
    }

    /// `actor` takes it back. Whether that was possible: not while a node sends it, nor when the device has taken it, nor when
    /// it is settled.
    ///
    /// # Errors
    /// When that could not be written.
    pub async fn withdraw(&self, id: MessageId, device: &DeviceId, actor: &str) -> Result<bool, StoreError> {
        let (device, actor) = (device.clone(), actor.to_owned());
        self.change_outbox(OutboxChange::Withdraw { id, device, actor }).await
    }

    /// A page of what waits behind `after`, the oldest first.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn waiting_messages(
        &self,
        after: Option<MessageId>,
        limit: u32,
    ) -> Result<Vec<WaitingMessage>, StoreError> {
        self.reader().waiting_messages(self.node(), after, limit).await
    }

    /// A page of messages for devices, the newest first.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn outbox(&self, filter: &OutboxFilter) -> Result<Vec<OutboxEntry>, StoreError> {
        self.reader().outbox(filter).await
    }

    /// One message for a device, and its bytes.
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
