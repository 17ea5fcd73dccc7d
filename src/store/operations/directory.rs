//! The device directory.

use crate::authz::{Device, DeviceStatus};
use crate::model::DeviceId;
use crate::store::error::StoreError;
use crate::store::handle::Store;
use crate::store::read::changes::DirectoryChanges;
use crate::store::records::directory::SeenIdentity;
use crate::store::write::directory::DirectoryChange;
use crate::store::write::entry::Write;

impl Store {
    /// Adds `device` to the directory on behalf of `actor`.
    ///
    /// # Errors
    /// [`StoreError::DeviceExists`] when it is there already.
    pub async fn add_device(&self, device: Device, actor: &str) -> Result<(), StoreError> {
        self.add_devices(vec![device], actor).await
    }

    /// Adds all of `devices` to the directory, or none.
    ///
    /// # Errors
    /// [`StoreError::DeviceExists`] names the first that is there already, or twice in the list.
    pub async fn add_devices(&self, devices: Vec<Device>, actor: &str) -> Result<(), StoreError> {
        self.change(DirectoryChange::Add(devices), actor).await
    }

    /// Replaces kind, identities, acknowledgements and note of an entry of the directory; its status stays.
    ///
    /// # Errors
    /// [`StoreError::DeviceUnknown`] when there is none of that name.
    pub async fn describe_device(&self, device: Device, actor: &str) -> Result<(), StoreError> {
        self.change(DirectoryChange::Describe(device), actor).await
    }

    /// Suspends or resumes a device.
    ///
    /// # Errors
    /// [`StoreError::DeviceUnknown`] when there is none of that name.
    pub async fn set_device_status(
        &self,
        device: &DeviceId,
        status: DeviceStatus,
        actor: &str,
    ) -> Result<(), StoreError> {
        self.change(DirectoryChange::SetStatus(device.clone(), status), actor).await
    }

    /// Removes an entry of the directory.
    ///
    /// # Errors
    /// [`StoreError::DeviceUnknown`] when there is none of that name.
    pub async fn remove_device(&self, device: &DeviceId, actor: &str) -> Result<(), StoreError> {
        self.change(DirectoryChange::Remove(device.clone()), actor).await
    }

    /// The whole directory, by Common Name.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn devices(&self) -> Result<Vec<Device>, StoreError> {
        self.reader().devices().await
    }

    /// One entry of the directory.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn device(&self, id: &DeviceId) -> Result<Option<Device>, StoreError> {
        self.reader().device(id).await
    }

    /// The identities that came in messages of `device` and that it was not allowed to speak for then, by identity. At
    /// most 256 of a device are remembered, those that came last.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn seen_identities(&self, device: &DeviceId) -> Result<Vec<SeenIdentity>, StoreError> {
        self.reader().seen_identities(device).await
    }

    /// A number that grows with every change of the directory, made by this process or another.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn device_revision(&self) -> Result<u64, StoreError> {
        self.reader().device_revision().await
    }

    /// What waits for changes of the directory: at once on PostgreSQL, four times a second on SQLite.
    #[must_use]
    pub fn directory_changes(&self) -> DirectoryChanges {
        self.reader().directory_changes()
    }

    async fn change(&self, change: DirectoryChange, actor: &str) -> Result<(), StoreError> {
        self.write(Write::Directory { change, actor: actor.to_owned() }).await.map(drop)
    }
}
