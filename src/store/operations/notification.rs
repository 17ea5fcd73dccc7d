//! Notifications: kept until they are delivered, or on request.

use crate::store::error::StoreError;
use crate::store::handle::Store;
use crate::store::records::notification::{NotificationChange, StoredNotification};
use crate::store::write::entry::Write;
use crate::store::write::incoming::WriteOutcome;

impl Store {
    /// Changes the notifications, all in one transaction; how many were concerned by the last change.
    ///
    /// # Errors
    /// When nothing was written.
    pub async fn change_notifications(&self, changes: Vec<NotificationChange>) -> Result<u64, StoreError> {
        match self.write(Write::Notification(changes)).await? {
            WriteOutcome::Rows(rows) => Ok(rows),
            _ => Ok(0),
        }
    }

    /// Every notification that is stored, of all nodes, the oldest first.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn notifications(&self) -> Result<Vec<StoredNotification>, StoreError> {
        self.reader().notifications().await
    }

    /// The oldest notification of this node that waits for a receiver.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn waiting_notification(
        &self,
        receiver: &str,
    ) -> Result<Option<StoredNotification>, StoreError> {
        self.reader().waiting_notification(self.node().as_str(), receiver).await
    }

    /// What a receiver has got from this node, as JSON.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn notified(&self, receiver: &str) -> Result<Option<String>, StoreError> {
        self.reader().notified(self.node().as_str(), receiver).await
    }
}
