//! The device directory: changes and queries.

use std::collections::HashMap;

use jiff::Timestamp;

use crate::authz::{Device, DeviceStatus, eui64};
use crate::model::DeviceId;
use crate::store::error::StoreError;
use crate::store::fault_log::Unwritten;
use crate::store::handle::Store;
use crate::store::read::changes::DirectoryChanges;
use crate::store::records::directory::SeenIdentity;
use crate::store::records::unfit_certificate::UnfitCertificate;
use crate::store::write::directory::DirectoryChange;
use crate::store::write::entry::Write;

impl Store {
    /// Adds `device` to the directory on behalf of `actor`.
    ///
    /// # Errors
    /// [`StoreError::DeviceExists`] when the directory already has the device.
    pub async fn add_device(&self, device: Device, actor: &str) -> Result<(), StoreError> {
        self.add_devices(vec![device], actor).await
    }

    /// Adds a device that has just connected; logs an error if that fails: one line in ten seconds. Two
    /// connections of one new device may race; either adds it.
    pub async fn enrol_or_log(&self, device: Device) {
        match self.add_device(device, "enrolment").await {
            Ok(()) | Err(StoreError::DeviceExists(_) | StoreError::DeviceSpelled { .. }) => {}
            Err(error) => self.log_unwritten(Unwritten::Enrolment, &error),
        }
    }

    /// Adds all of `devices` to the directory on behalf of `actor`, or none.
    ///
    /// # Errors
    /// [`StoreError::DeviceExists`] names the first device that exists already or is in the list twice,
    /// [`StoreError::DeviceSpelled`] the first one that does in another spelling of its EUI-64. Spellings are
    /// compared before the write, not within it: of two that are added in the same moment both may stay.
    pub async fn add_devices(&self, devices: Vec<Device>, actor: &str) -> Result<(), StoreError> {
        self.require_new_spellings(&devices).await?;
        self.change(DirectoryChange::Add(devices), actor).await
    }

    /// Replaces the entry of a device, except for its status.
    ///
    /// # Errors
    /// [`StoreError::DeviceUnknown`] when the directory does not have the device.
    pub async fn describe_device(&self, device: Device, actor: &str) -> Result<(), StoreError> {
        self.change(DirectoryChange::Describe(device), actor).await
    }

    /// Suspends or resumes a device.
    ///
    /// # Errors
    /// [`StoreError::DeviceUnknown`] when the directory does not have the device.
    pub async fn set_device_status(
        &self,
        device: &DeviceId,
        status: DeviceStatus,
        actor: &str,
    ) -> Result<(), StoreError> {
        self.change(DirectoryChange::SetStatus(device.clone(), status), actor).await
    }

    /// Removes a device from the directory.
    ///
    /// # Errors
    /// [`StoreError::DeviceUnknown`] when the directory does not have the device.
    pub async fn remove_device(&self, device: &DeviceId, actor: &str) -> Result<(), StoreError> {
        self.change(DirectoryChange::Remove(device.clone()), actor).await
    }

    /// Learns the identities in messages of the device from `now` until `until`, or for longer if it learns
    /// already.
    ///
    /// # Errors
    /// [`StoreError::DeviceEnforced`] when the entry has a list, has learnt before, or is not there.
    pub async fn learn_identities(
        &self,
        device: &DeviceId,
        now: Timestamp,
        until: Timestamp,
        actor: &str,
    ) -> Result<(), StoreError> {
        self.change(DirectoryChange::Learn { device: device.clone(), now, until }, actor).await
    }

    /// Enforces the list of the device, now and for good: it never learns again.
    ///
    /// # Errors
    /// [`StoreError::DeviceUnknown`] when the directory does not have the device.
    pub async fn end_learning(&self, device: &DeviceId, actor: &str) -> Result<(), StoreError> {
        self.change(DirectoryChange::EndLearning(device.clone()), actor).await
    }

    /// Forgets an identity that the device named without permission, or all of them.
    ///
    /// # Errors
    /// [`StoreError::IdentityNotSeen`] when nothing is known of that identity.
    pub async fn forget_seen(
        &self,
        device: &DeviceId,
        identity: Option<&str>,
        actor: &str,
    ) -> Result<(), StoreError> {
        let change = DirectoryChange::ForgetSeen(device.clone(), identity.map(str::to_owned));
        self.change(change, actor).await
    }

    /// Unites two entries: `kept`, with its status, replaces the one of its name, and `removed` goes. What
    /// was seen of its identities moves, and orders that wait for it are withdrawn. `suspends` says whether
    /// `kept` was active before and is not now. An entry that was suspended meanwhile stays suspended.
    ///
    /// # Errors
    /// [`StoreError::DeviceUnknown`] when the directory does not have one of them.
    pub async fn merge_devices(
        &self,
        kept: Device,
        removed: &DeviceId,
        suspends: bool,
        actor: &str,
    ) -> Result<(), StoreError> {
        let change = DirectoryChange::Merge { kept, removed: removed.clone(), suspends };
        self.change(change, actor).await.map(drop)
    }

    /// The entries that cannot be read, by what stands for their names, and what is wrong with each.
    ///
    /// # Errors
    /// When they cannot be read at all.
    pub async fn damaged_devices(&self) -> Result<Vec<(String, String)>, StoreError> {
        self.reader().damaged_devices().await
    }

    /// All devices, sorted by Common Name. One whose row cannot be read is
    /// [damaged](crate::authz::DeviceStatus::Damaged).
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn devices(&self) -> Result<Vec<Device>, StoreError> {
        self.reader().devices().await
    }

    /// A device of the directory: the entry with this Common Name, or the only one with another spelling of
    /// the same EUI-64.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn device(&self, id: &DeviceId) -> Result<Option<Device>, StoreError> {
        if let Some(device) = self.reader().device(id).await? {
            return Ok(Some(device));
        }
        let Some(identity) = eui64(id) else { return Ok(None) };
        let mut spelled =
            self.devices().await?.into_iter().filter(|other| eui64(&other.id).as_ref() == Some(&identity));
        Ok(spelled.next().filter(|_| spelled.next().is_none()))
    }

    /// The same of each of many, in their order; the directory is read once.
    ///
    /// # Errors
    /// When it cannot be read, or the row of one of them.
    pub async fn devices_named(&self, ids: &[&DeviceId]) -> Result<Vec<Option<Device>>, StoreError> {
        let all = self.devices().await?;
        let by_id: HashMap<_, _> = all.iter().map(|device| (&device.id, device)).collect();
        // `None`: there are several.
        let mut spelled: HashMap<_, Option<&Device>> = HashMap::new();
        for device in &all {
            let Some(identity) = eui64(&device.id) else { continue };
            spelled.entry(identity).and_modify(|one| *one = None).or_insert(Some(device));
        }
        let mut found = Vec::with_capacity(ids.len());
        for id in ids {
            let own = || eui64(id).and_then(|identity| *spelled.get(&identity)?);
            found.push(match by_id.get(id).copied().or_else(own) {
                // Says what is wrong with the row.
                Some(device) if device.status == DeviceStatus::Damaged => self.device(&device.id).await?,
                device => device.cloned(),
            });
        }
        Ok(found)
    }

    /// The same, also an entry whose row cannot be read: it is damaged, and its device is refused.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub async fn device_or_damaged(&self, id: &DeviceId) -> Result<Option<Device>, StoreError> {
        let error = match self.device(id).await {
            Err(error) => error,
            known => return known,
        };
        let entry = self.devices().await?.into_iter().find(|entry| entry.id == *id);
        entry.map(Some).ok_or(error)
    }

    pub(super) async fn require_new_spellings(&self, devices: &[Device]) -> Result<(), StoreError> {
        if devices.iter().all(|device| eui64(&device.id).is_none()) {
            return Ok(());
        }
        let known = self.devices().await?.into_iter();
        let mut spellings: HashMap<_, _> =
            known.filter_map(|device| Some((eui64(&device.id)?, device.id))).collect();
        for device in devices {
            let Some(identity) = eui64(&device.id) else { continue };
            let existing = spellings.entry(identity).or_insert_with(|| device.id.clone());
            if *existing != device.id {
                return Err(StoreError::DeviceSpelled {
                    device: device.id.clone(),
                    existing: existing.clone(),
                });
            }
        }
        Ok(())
    }

    /// The identities in messages of `device` that it was not allowed to speak for, sorted by identity. At
    /// most 256 per device are retained, those received last.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn seen_identities(&self, device: &DeviceId) -> Result<Vec<SeenIdentity>, StoreError> {
        self.reader().seen_identities(device).await
    }

    /// The identities that other devices of the directory named without permission, for those that this
    /// device named too.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn identities_seen_of_others(
        &self,
        device: &DeviceId,
    ) -> Result<Vec<(DeviceId, String)>, StoreError> {
        self.reader().identities_seen_of_others(device).await
    }

    /// The revision of the directory. It grows with every change, by any process.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn device_revision(&self) -> Result<u64, StoreError> {
        self.reader().device_revision().await
    }

    /// The devices of the directory whose certificates, as they were seen last, are not issued for what
    /// devices do; sorted by name.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn unfit_certificates(&self) -> Result<Vec<UnfitCertificate>, StoreError> {
        self.reader().unfit_certificates().await
    }

    /// Waits for changes of the directory: notified on PostgreSQL, polled four times a second on SQLite.
    #[must_use]
    pub fn directory_changes(&self) -> DirectoryChanges {
        self.reader().directory_changes()
    }

    async fn change(&self, change: DirectoryChange, actor: &str) -> Result<(), StoreError> {
        self.write(Write::Directory { change, actor: actor.to_owned() }).await.map(drop)
    }
}
