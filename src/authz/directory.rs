//! A snapshot of the device directory.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::{Device, DeviceStatus};
use crate::model::{DeviceId, Refusal};
use crate::pcd::DeviceIdentity;

/// The current device directory. A change replaces it as a whole.
pub type DirectoryHandle = Arc<ArcSwap<Directory>>;

/// The directory at the time when it was read from the store. A change creates a new one.
#[derive(Debug, Clone, Default)]
pub struct Directory {
    devices: HashMap<DeviceId, Arc<Device>>,
    /// The Common Names as identities.
    identities: HashSet<DeviceIdentity>,
}

impl Directory {
    /// Whether the holder of a certificate with this Common Name may connect now (A8).
    ///
    /// # Errors
    /// When the directory has no such entry, or an operator has suspended it.
    pub fn admit(&self, id: &DeviceId) -> Result<Arc<Device>, Refusal> {
        let device = self.devices.get(id).ok_or(Refusal::UnknownDevice)?;
        match device.status {
            DeviceStatus::Active => Ok(Arc::clone(device)),
            DeviceStatus::Suspended => Err(Refusal::SuspendedDevice),
        }
    }

    /// Whether `identity` is the Common Name of a device or gateway, active or suspended.
    #[must_use]
    pub fn names(&self, identity: &DeviceIdentity) -> bool {
        self.identities.contains(identity)
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
        let identities = devices.keys().filter_map(|id| DeviceIdentity::new(id.as_str(), "")).collect();
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
            acknowledge: AcknowledgeAs::AsAsked,
            note: String::new(),
        }
    }

    /// A8: the device identifier in the subject's Common Name must be authorized.
    #[test]
    fn only_known_and_active_devices_are_admitted() {
        let directory: Directory =
            vec![device("monitor", DeviceStatus::Active), device("pump", DeviceStatus::Suspended)].into();
        let admit = |id| directory.admit(&DeviceId::parse(id).unwrap()).map(|device| device.id.to_string());
        assert_eq!(admit("monitor"), Ok("monitor".into()));
        assert_eq!(admit("pump"), Err(Refusal::SuspendedDevice));
        assert_eq!(admit("Monitor"), Err(Refusal::UnknownDevice));
        assert_eq!(admit("monitor2"), Err(Refusal::UnknownDevice));
        assert_eq!((directory.len(), directory.is_empty()), (2, false));
        assert!(Directory::default().is_empty());
    }
}
