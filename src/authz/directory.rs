//! A snapshot of the device directory.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::{Device, DeviceStatus};
use crate::model::{DeviceId, KeyHash, Refusal};
use crate::pcd::DeviceIdentity;

/// The current device directory. A change replaces it as a whole.
pub type DirectoryHandle = Arc<ArcSwap<Directory>>;

/// The directory at the time when it was read from the store. A change creates a new one.
#[derive(Debug, Clone, Default)]
pub struct Directory {
    devices: HashMap<DeviceId, Arc<Device>>,
    /// The Common Names as identities, and how many entries have each: names may differ in case only.
    identities: HashMap<DeviceIdentity, usize>,
}

impl Directory {
    /// Whether the holder of a certificate with this Common Name may connect now (A8). `issuers` are the keys
    /// of the CAs in its path, the root's included.
    ///
    /// # Errors
    /// When the directory has no such entry, an operator has suspended it, or it is bound to other CAs.
    pub fn admit(
        &self,
        id: &DeviceId,
        issuers: impl IntoIterator<Item = KeyHash>,
    ) -> Result<Arc<Device>, Refusal> {
        let device = self.active(id)?;
        let is_bound = !device.issuers.is_empty();
        if is_bound && !issuers.into_iter().any(|issuer| device.issuers.contains(&issuer)) {
            return Err(Refusal::OtherIssuer);
        }
        Ok(device)
    }

    /// The entry of this device, whatever certificate it presents.
    ///
    /// # Errors
    /// When the directory has no such entry, or an operator has suspended it.
    pub fn active(&self, id: &DeviceId) -> Result<Arc<Device>, Refusal> {
        let device = self.devices.get(id).ok_or(Refusal::UnknownDevice)?;
        match device.status {
            DeviceStatus::Active => Ok(Arc::clone(device)),
            DeviceStatus::Suspended => Err(Refusal::SuspendedDevice),
        }
    }

    /// Whether `identity` is the Common Name of a device or gateway, active or suspended.
    #[must_use]
    pub fn names(&self, identity: &DeviceIdentity) -> bool {
        self.identities.contains_key(identity)
    }

    /// Whether another entry has this Common Name in another spelling: names are compared exactly, and
    /// identities are not.
    #[must_use]
    pub fn has_case_variant(&self, id: &DeviceId) -> bool {
        let identity = DeviceIdentity::new(id.as_str(), "");
        let own = usize::from(self.devices.contains_key(id));
        identity.and_then(|identity| self.identities.get(&identity)).is_some_and(|entries| *entries > own)
    }

    /// The number of devices and gateways, including suspended ones.
    #[must_use]
    pub fn len(&self) -> usize {
        self.devices.len()
    }

    /// Whether the directory has no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.devices.is_empty()
    }
}

impl FromIterator<Device> for Directory {
    fn from_iter<I: IntoIterator<Item = Device>>(devices: I) -> Self {
        let devices: HashMap<_, _> =
            devices.into_iter().map(|device| (device.id.clone(), Arc::new(device))).collect();
        let mut identities = HashMap::with_capacity(devices.len());
        for identity in devices.keys().filter_map(|id| DeviceIdentity::new(id.as_str(), "")) {
            *identities.entry(identity).or_default() += 1;
        }
        Self { devices, identities }
    }
}

impl From<Vec<Device>> for Directory {
    fn from(devices: Vec<Device>) -> Self {
        devices.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authz::DeviceKind;
    use crate::hl7::AcknowledgeAs;

    fn device(id: &str, status: DeviceStatus) -> Device {
        let id = DeviceId::parse(id).unwrap();
        Device {
            id,
            kind: DeviceKind::Device,
            status,
            speaks_for: vec![],
            issuers: vec![],
            acknowledge: AcknowledgeAs::AsAsked,
            note: String::new(),
        }
    }

    /// A8: the device identifier in the subject's Common Name must be authorized.
    #[test]
    fn only_known_and_active_devices_are_admitted() {
        let directory: Directory =
            vec![device("monitor", DeviceStatus::Active), device("pump", DeviceStatus::Suspended)].into();
        let admit =
            |id| directory.admit(&DeviceId::parse(id).unwrap(), []).map(|device| device.id.to_string());
        assert_eq!(admit("monitor"), Ok("monitor".into()));
        assert_eq!(admit("pump"), Err(Refusal::SuspendedDevice));
        assert_eq!(admit("Monitor"), Err(Refusal::UnknownDevice));
        assert_eq!(admit("monitor2"), Err(Refusal::UnknownDevice));
        assert_eq!((directory.len(), directory.is_empty()), (2, false));
        assert!(Directory::default().is_empty());
    }

    /// A8: another installed root cannot certify the Common Name of a bound device.
    #[test]
    fn a_bound_device_is_admitted_by_its_issuers_alone() {
        let [one, two, other] = [b"1", b"2", b"3"].map(|key| KeyHash::sha256(key));
        let bound = Device { issuers: vec![one, two], ..device("pump", DeviceStatus::Active) };
        let suspended = Device { issuers: vec![one], ..device("monitor", DeviceStatus::Suspended) };
        let directory: Directory = vec![bound, suspended].into();
        let admit =
            |id, path: &[KeyHash]| directory.admit(&DeviceId::parse(id).unwrap(), path.to_vec()).map(drop);
        assert_eq!(admit("pump", &[one]), Ok(()));
        assert_eq!(admit("pump", &[other, two]), Ok(()));
        assert_eq!(admit("pump", &[other]), Err(Refusal::OtherIssuer));
        assert_eq!(admit("pump", &[]), Err(Refusal::OtherIssuer));
        assert_eq!(admit("monitor", &[other]), Err(Refusal::SuspendedDevice));
    }
}
