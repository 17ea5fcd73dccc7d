//! What was seen of devices, of refused peers and of the devices behind gateways.

use crate::model::DeviceId;
use crate::store::error::StoreError;
use crate::store::handle::Store;
use crate::store::records::contact::{Contact, Feed, Observations, RefusedRow};
use crate::store::write::entry::Write;

impl Store {
    /// Writes what this node has seen. It has no row in the audit trail.
    ///
    /// # Errors
    /// When it was not written.
    pub async fn record_observations(&self, observations: Observations) -> Result<(), StoreError> {
        self.write(Write::Observed(Box::new(observations))).await.map(drop)
    }

    /// The last connection of each device to each node, by device, the newest first.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn contacts(&self) -> Result<Vec<Contact>, StoreError> {
        self.reader().contacts(None).await
    }

    /// The last connection of one device to each node, the newest first.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn contacts_of(&self, device: &DeviceId) -> Result<Vec<Contact>, StoreError> {
        self.reader().contacts(Some(device)).await
    }

    /// Refused peers, the last refused first: at most 4096 of each room and node.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn refused(&self) -> Result<Vec<RefusedRow>, StoreError> {
        self.reader().refused().await
    }

    /// When devices were heard, as nodes wrote it: by certificate and identity.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn feeds(&self) -> Result<Vec<Feed>, StoreError> {
        self.reader().feeds(false).await
    }

    /// The same without the devices behind certificates.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn feeds_of_certificates(&self) -> Result<Vec<Feed>, StoreError> {
        self.reader().feeds(true).await
    }
}
