//! What one device may use over all of its sessions: messages per second, rejected messages that are stored,
//! and the time for large messages.

mod message_rate;
mod stored_rejections;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use jiff::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use self::message_rate::MessageRate;
use self::stored_rejections::StoredRejections;
pub(super) use self::stored_rejections::{NotStored, Storage};
use crate::config::Messages;
use crate::model::DeviceId;

/// The shares of all devices. Only devices of the directory get one. It outlives the sessions of its device,
/// whose limits a new connection would otherwise reset. Clones share the state.
#[derive(Debug, Clone, Default)]
pub(super) struct DeviceLimits(Arc<Mutex<HashMap<DeviceId, Arc<DeviceShare>>>>);

/// What one device uses.
#[derive(Debug)]
pub(super) struct DeviceShare {
    rate: Mutex<MessageRate>,
    rejections: Mutex<StoredRejections>,
    /// One turn for its large messages.
    large: Arc<Semaphore>,
}

impl Default for DeviceShare {
    fn default() -> Self {
        Self { rate: Mutex::default(), rejections: Mutex::default(), large: Arc::new(Semaphore::new(1)) }
    }
}

impl DeviceLimits {
    /// The share of a device.
    pub(super) fn share(&self, device: &DeviceId) -> Arc<DeviceShare> {
        let mut shares = lock(&self.0);
        if let Some(share) = shares.get(device) {
            return Arc::clone(share);
        }
        Arc::clone(shares.entry(device.clone()).or_default())
    }

    /// The rejected messages that were not stored in hours that are over; with `everything` those of the
    /// current hour too.
    pub(super) fn report_rejections(&self, now: Timestamp, everything: bool) -> Vec<(DeviceId, NotStored)> {
        let shares: Vec<_> =
            lock(&self.0).iter().map(|(device, share)| (device.clone(), Arc::clone(share))).collect();
        let report = |share: &DeviceShare| lock(&share.rejections).report(now, everything);
        shares.into_iter().filter_map(|(device, share)| Some((device, report(&share)?))).collect()
    }
}

impl DeviceShare {
    /// Counts a message of `bytes`. Returns when the device may send the next one, unless that is now.
    pub(super) fn take_message(&self, now: Instant, bytes: usize, per_second: u32) -> Option<Instant> {
        lock(&self.rate).take(now, bytes, per_second)
    }

    /// The turn of the device to have a large message evaluated and stored: they occupy one processor at
    /// most.
    pub(super) async fn large_turn(&self) -> Option<OwnedSemaphorePermit> {
        // The semaphore is never closed.
        Arc::clone(&self.large).acquire_owned().await.ok()
    }

    /// Counts a rejected message, and decides whether it is stored.
    pub(super) fn take_rejection(&self, bytes: usize, limits: &Messages, now: Timestamp) -> Storage {
        lock(&self.rejections).take(bytes as u64, limits, now)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
