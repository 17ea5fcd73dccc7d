//! The queue of a gateway: what its platform has not acknowledged.

use jiff::Timestamp;

use crate::model::{MessageId, NodeName};
use crate::store::error::StoreError;
use crate::store::handle::Store;
use crate::store::records::forward::{
    ForwardBacklog, ForwardClass, ForwardLane, ForwardOutcome, ForwardState, Forwarding, RefusedForward,
    StrandedForwards, WaitingForwards, WaitingLanes,
};
use crate::store::write::entry::Write;
use crate::store::write::forward::Forwarded;
use crate::store::write::incoming::WriteOutcome;

impl Store {
    /// The lanes of this node with messages that wait to be forwarded, and how many do.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn forward_lanes(&self) -> Result<WaitingLanes, StoreError> {
        self.reader().forward_lanes(self.node()).await
    }

    /// The oldest messages of a lane of this node behind `after`, in the order of their arrival: at most
    /// `limit`, of about `max_bytes`. What the platform gets under the name of a device is what the device
    /// sent: a message whose bytes do not have their digest is named only.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn waiting_forwards(
        &self,
        lane: &ForwardLane,
        after: Option<MessageId>,
        limit: u32,
        max_bytes: usize,
    ) -> Result<WaitingForwards, StoreError> {
        self.reader().waiting_forwards(self.node(), lane, after, limit, max_bytes).await
    }

    /// How much waits to be forwarded by this node, and since when.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn forward_backlog(&self) -> Result<ForwardBacklog, StoreError> {
        self.reader().forward_backlog(self.node()).await
    }

    /// The oldest message that waits to be forwarded by this node.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn oldest_own_forward(&self) -> Result<Option<MessageId>, StoreError> {
        self.reader().oldest_forward_of(self.node()).await
    }

    /// The oldest message that waits to be forwarded, by whichever node: retention removes nothing from
    /// there on.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn oldest_forward(&self) -> Result<Option<MessageId>, StoreError> {
        self.reader().oldest_forward().await
    }

    /// What waits on nodes of which no process runs. A file has one node.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn stranded_forwards(&self) -> Result<Vec<StrandedForwards>, StoreError> {
        if !self.is_on_server() {
            return Ok(Vec::new());
        }
        self.reader().stranded_forwards().await
    }

    /// Gives some of what waits on a node of a server to another one: the messages of alarm lanes first, and
    /// orders of the platform when no message is left. Returns how many there were; 0 also while a process of
    /// `from` runs, or none of `to` does.
    ///
    /// # Errors
    /// When that is not durable.
    pub async fn hand_over_forwards(&self, from: &NodeName, to: &NodeName) -> Result<u64, StoreError> {
        let written = self.write(Write::ForwardsHandedOver { from: from.clone(), to: to.clone() }).await?;
        Ok(if let WriteOutcome::Rows(count) = written { count } else { 0 })
    }

    /// Where a message is on its way to the platform.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn forward_state(&self, id: MessageId) -> Result<ForwardState, StoreError> {
        self.reader().forward_state(self.node(), id).await
    }

    /// What became of a message on its way to the platform; `None` when it is not forwarded, or was accepted
    /// and its device awaits no answer.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn forwarding(&self, id: MessageId) -> Result<Option<Forwarding>, StoreError> {
        self.reader().forwarding(id).await
    }

    /// What the platform has refused since then, the latest first.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn refused_forwards(
        &self,
        since: Timestamp,
        limit: u32,
    ) -> Result<Vec<RefusedForward>, StoreError> {
        self.reader().refused_forwards(since, limit).await
    }

    /// Records what the platform answered to a message. It is durable on return. Returns `false` when that
    /// was known before.
    ///
    /// # Errors
    /// When it is not durable: the message is forwarded again.
    pub async fn settle_forward(&self, id: MessageId, outcome: ForwardOutcome) -> Result<bool, StoreError> {
        let forwarded = Forwarded { id, outcome, is_late: false };
        let written = self.write(Write::Forwarded(Box::new(forwarded))).await?;
        Ok(matches!(written, WriteOutcome::Rows(1..)))
    }

    /// Forwards a message again that the platform has refused, or that has no row: its device has sent it
    /// again, and the reason may be gone. So is one that another node has: its device has a session here now.
    /// It is durable on return. Returns `false` when it waits here already, or was accepted and has its
    /// answer here.
    ///
    /// # Errors
    /// When it is not durable.
    pub async fn forward_again(&self, id: MessageId, class: ForwardClass) -> Result<bool, StoreError> {
        let written = self.write(Write::ForwardedAgain(id, class)).await?;
        Ok(matches!(written, WriteOutcome::Rows(1..)))
    }

    /// Takes over what waits to be forwarded under other names of nodes, and their orders of the platform. A
    /// file has one node at a time, so any other one is gone; on a server nothing is taken over. Returns how
    /// many messages and orders there were.
    ///
    /// # Errors
    /// When that is not durable.
    pub async fn adopt_forwards(&self) -> Result<u64, StoreError> {
        let written = self.write(Write::ForwardsAdopted).await?;
        Ok(if let WriteOutcome::Rows(count) = written { count } else { 0 })
    }

    /// Records the application acknowledgement of a message that was settled before: the platform had
    /// accepted it, and says later what came of it.
    ///
    /// # Errors
    /// When it is not durable.
    pub async fn correct_forward(&self, id: MessageId, outcome: ForwardOutcome) -> Result<(), StoreError> {
        let forwarded = Forwarded { id, outcome, is_late: true };
        self.write(Write::Forwarded(Box::new(forwarded))).await.map(drop)
    }
}
