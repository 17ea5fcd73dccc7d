//! The message that reported an alert first.

use crate::model::DeviceId;
use crate::pcd::AlertKey;
use crate::store::error::StoreError;
use crate::store::handle::Store;
use crate::store::records::alert::{AlertOrigin, LatestAlert};

impl Store {
    /// The message in which `device` reported the alert first; `None` when no accepted message did.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn alert_origin(
        &self,
        device: &DeviceId,
        report: &AlertKey,
    ) -> Result<Option<AlertOrigin>, StoreError> {
        self.reader().alert_origin(device, report).await
    }

    /// The latest reports of alerts, the newest first.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn latest_alerts(&self, limit: u32) -> Result<Vec<LatestAlert>, StoreError> {
        self.reader().latest_alerts(limit).await
    }
}
