//! The liveness of all devices.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use super::rules::{Change, DeviceLiveness};
use crate::authz::Directory;
use crate::config::SilentAfter;
use crate::model::DeviceId;

/// The liveness of every device that was heard. Cheap to clone; clones share the state.
#[derive(Debug, Clone, Default)]
pub struct Liveness(Arc<Mutex<HashMap<DeviceId, DeviceLiveness>>>);

impl Liveness {
    /// Records that a message of `device` was stored, and the heartbeat interval that it states.
    pub fn hear(&self, device: &DeviceId, at: Timestamp, heartbeat_interval: Option<Duration>) {
        let mut devices = self.lock();
        match devices.get_mut(device) {
            Some(known) => known.hear(at, heartbeat_interval),
            None => {
                let mut first = DeviceLiveness::first_heard(at);
                first.set_heartbeat_interval(heartbeat_interval);
                devices.insert(device.clone(), first);
            }
        }
    }

    /// Adds what the store knows of `device`; a device that was heard since the start keeps its state.
    pub fn restore(&self, device: DeviceId, liveness: DeviceLiveness) {
        self.lock().entry(device).or_insert(liveness);
    }

    /// The changes that are to be reported at `now`. Devices that `directory` does not admit are removed.
    pub fn check(&self, directory: &Directory, now: Timestamp, rule: SilentAfter) -> Vec<(DeviceId, Change)> {
        let mut devices = self.lock();
        devices.retain(|device, _| directory.active(device).is_ok());
        let changes = devices
            .iter_mut()
            .filter_map(|(device, liveness)| Some((device.clone(), liveness.check(now, rule)?)));
        changes.collect()
    }

    /// The liveness of one device; `None` when it was never heard.
    #[must_use]
    pub fn device(&self, device: &DeviceId) -> Option<DeviceLiveness> {
        self.lock().get(device).cloned()
    }

    /// How many devices are silent.
    #[must_use]
    pub fn silent_devices(&self) -> usize {
        self.lock().values().filter(|device| device.is_silent()).count()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<DeviceId, DeviceLiveness>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
