//! The outbox: messages for devices, and their outcome. One process queues a message; the process that has
//! the device's connection sends it. The outbox is where they meet.

use bytes::Bytes;
use jiff::Timestamp;

use crate::audit::Settlement;
use crate::model::{DeviceId, MessageId};
use crate::store::error::StoreError;
use crate::store::handle::Store;
use crate::store::records::outbox::{
    AwaitedResult, FailedOrder, OutboxEntry, OutboxFilter, QueuedBefore, QueuedMessage, RelayedOrder,
    WaitingMessage,
};
use crate::store::write::entry::Write;
use crate::store::write::incoming::WriteOutcome;
use crate::store::write::outbox::OutboxChange;

impl Store {
    /// Queues a message for a device; the entry is durable on return.
    ///
    /// # Errors
    /// [`StoreError::AlreadyWaiting`] when a message with the same control id waits for the device.
    pub async fn queue(&self, message: QueuedMessage) -> Result<(), StoreError> {
        let (now, device) = (self.now(), &message.device);
        // One with the same control id whose time is over may not be settled yet.
        if let Some(earlier) = self.reader().unsettled(device, &message.control_id).await?
            && let (at, settlement) = earlier.lapse()
            && at <= now
        {
            self.lapse(earlier.id, device, settlement).await?;
        }
        self.change_outbox(OutboxChange::Queue(Box::new(message))).await.map(drop)
    }

    /// The message with this control id that has no outcome, and its bytes.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn unsettled_order(
        &self,
        device: &DeviceId,
        control_id: &str,
    ) -> Result<Option<(WaitingMessage, Bytes)>, StoreError> {
        let Some(waiting) = self.reader().unsettled(device, control_id).await? else { return Ok(None) };
        Ok(self.outbox_entry(waiting.id).await?.map(|(_, raw)| (waiting, raw)))
    }

    /// Settles a message that is not sent any more as expired, before its time. Returns `false` when it is
    /// settled, the device has accepted it, or a process has claimed it and `also_claimed` is not set.
    ///
    /// # Errors
    /// When the outcome is not durable.
    pub async fn end_sending(
        &self,
        id: MessageId,
        device: &DeviceId,
        also_claimed: bool,
    ) -> Result<bool, StoreError> {
        self.change_outbox(OutboxChange::EndSending { id, device: device.clone(), also_claimed }).await
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
    /// report the `result`. Returns `false` when it was accepted or settled before.
    ///
    /// # Errors
    /// When the acceptance is not durable.
    pub async fn note_accepted(
        &self,
        id: MessageId,
        code: &str,
        answer: MessageId,
        result: AwaitedResult,
    ) -> Result<bool, StoreError> {
        self.change_outbox(OutboxChange::Accept { id, code: code.to_owned(), answer, result }).await
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

    /// Records an answer that came after the outcome `from`, which becomes `to`. Returns `false` when the
    /// outcome is another one.
    ///
    /// # Errors
    /// When the outcome is not durable.
    pub async fn correct(
        &self,
        OutboxEntry { id, device, .. }: &OutboxEntry,
        (from, to): (Settlement, Settlement),
        code: &str,
        answer: MessageId,
    ) -> Result<bool, StoreError> {
        let (device, code) = (device.clone(), code.to_owned());
        self.change_outbox(OutboxChange::Correct { id: *id, device, from, to, code, answer }).await
    }

    /// Settles a message whose time is over: it has expired, or its result did not come. Returns `false` when
    /// its time is not over, or it is settled otherwise.
    ///
    /// # Errors
    /// When the outcome is not durable.
    pub async fn lapse(
        &self,
        id: MessageId,
        device: &DeviceId,
        settlement: Settlement,
    ) -> Result<bool, StoreError> {
        self.change_outbox(OutboxChange::Lapse { id, device: device.clone(), settlement }).await
    }

    /// Withdraws a message on behalf of `actor`, also while it is sent or its result is awaited: it is not
    /// sent again. So is an order of the platform of this gateway that has expired here, until its answer has
    /// arrived there: the platform may repeat it. Returns `false` when it is settled otherwise, or its time
    /// is over.
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
        self.reader().waiting_messages(after, limit).await
    }

    /// A page of the outbox, the newest entry first.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn outbox(&self, filter: &OutboxFilter) -> Result<Vec<OutboxEntry>, StoreError> {
        self.reader().outbox(filter, self.now()).await
    }

    /// Orders that expired, were refused or were not confirmed since then, the latest first.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn failed_orders(&self, since: Timestamp, limit: u32) -> Result<Vec<FailedOrder>, StoreError> {
        self.reader().failed_orders(since, limit).await
    }

    /// One entry of the outbox and the bytes of its message.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn outbox_entry(&self, id: MessageId) -> Result<Option<(OutboxEntry, Bytes)>, StoreError> {
        self.reader().outbox_entry(id, self.now()).await
    }

    /// The newest message with this control id that was sent to the device, and its bytes.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn latest_sent(
        &self,
        device: &DeviceId,
        control_id: &str,
    ) -> Result<Option<(OutboxEntry, Bytes)>, StoreError> {
        self.reader().latest_sent(device, control_id, self.now()).await
    }

    /// What was queued before of the same bytes with this control id, for the device.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn queued_before(
        &self,
        device: &DeviceId,
        control_id: &str,
        raw: &[u8],
    ) -> Result<QueuedBefore, StoreError> {
        self.reader().queued_before(device, control_id, raw, self.now()).await
    }

    /// The orders that the platform of this gateway sent, and whose last answer has not arrived there, or
    /// `all` that are remembered: the oldest first.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn relayed_orders(&self, all: bool) -> Result<Vec<RelayedOrder>, StoreError> {
        self.reader().relayed_orders(self.node(), all, self.now()).await
    }

    /// The platform of this gateway has this answer of the device. The order is remembered, because the
    /// device may say something else later.
    ///
    /// # Errors
    /// When that is not durable: the answer is passed on again.
    pub async fn note_arrived(&self, id: MessageId, answer: MessageId) -> Result<(), StoreError> {
        self.change_outbox(OutboxChange::Arrived { id, answer }).await.map(drop)
    }

    /// The platform of this gateway needs no answer of the device any more.
    ///
    /// # Errors
    /// When that is not durable: an answer is passed on again.
    pub async fn finish_relayed(&self, id: MessageId) -> Result<(), StoreError> {
        self.change_outbox(OutboxChange::Relayed { id }).await.map(drop)
    }

    async fn change_outbox(&self, change: OutboxChange) -> Result<bool, StoreError> {
        Ok(matches!(self.write(Write::Outbox(change)).await?, WriteOutcome::Rows(1..)))
    }
}
