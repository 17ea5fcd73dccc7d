//! What one device may use over all of its sessions: new sessions and their audit rows, messages per second,
//! rejected messages that are stored, and the time for large messages.

mod message_rate;
mod new_sessions;
mod session_rows;
mod stored_rejections;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use self::message_rate::MessageRate;
pub(super) use self::message_rate::count_of;
use self::new_sessions::NewSessions;
use self::session_rows::SessionRows;
use self::stored_rejections::StoredRejections;
pub(super) use self::stored_rejections::{NotStored, Storage};
use crate::audit::CountedSessions;
use crate::config::{Messages, RefusalInterval};
use crate::model::DeviceId;
use crate::store::Store;

/// The shares of all devices. Only devices of the directory get one. It outlives the sessions of its device,
/// whose limits a new connection would otherwise reset. Clones share the state.
#[derive(Debug, Clone, Default)]
pub(super) struct DeviceLimits(Arc<Mutex<HashMap<DeviceId, Arc<DeviceShare>>>>);

/// What one device uses.
#[derive(Debug)]
pub(super) struct DeviceShare {
    new_sessions: Mutex<NewSessions>,
    session_rows: Mutex<SessionRows>,
    rate: Mutex<MessageRate>,
    rejections: Mutex<StoredRejections>,
    /// When a refused frame was last logged.
    refusal_logged: Mutex<Option<Instant>>,
    /// One turn for its large messages.
    large: Arc<Semaphore>,
}

impl Default for DeviceShare {
    fn default() -> Self {
        Self {
            new_sessions: Mutex::default(),
            session_rows: Mutex::default(),
            rate: Mutex::default(),
            rejections: Mutex::default(),
            refusal_logged: Mutex::default(),
            large: Arc::new(Semaphore::new(1)),
        }
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

    /// The sessions that were counted in intervals that are over; with `everything` those of the current ones
    /// too.
    pub(super) fn report_sessions(
        &self,
        now: Instant,
        interval: RefusalInterval,
        everything: bool,
    ) -> Vec<(DeviceId, Box<CountedSessions>)> {
        let interval = if everything { Duration::ZERO } else { length(interval) };
        let shares = lock(&self.0);
        let due = |share: &DeviceShare| lock(&share.session_rows).due(now, interval);
        shares.iter().filter_map(|(device, share)| Some((device.clone(), due(share)?))).collect()
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
    /// Counts a new session, unless the device has opened too many in the last minute.
    pub(super) fn take_session(&self, now: Instant, per_minute: u32) -> bool {
        lock(&self.new_sessions).take(now, per_minute)
    }

    /// When a session that opens now is on record at the latest; `None`: at once.
    pub(super) fn take_session_row(&self, now: Instant, interval: RefusalInterval) -> Option<Instant> {
        let has_row = lock(&self.session_rows).take(now, length(interval));
        (interval != RefusalInterval::Never && !has_row).then(|| now + length(interval))
    }

    /// Counts sessions that ended without a row, or whose row could not be written.
    pub(super) fn count_sessions(&self, sessions: CountedSessions, now: Instant) {
        lock(&self.session_rows).count(sessions, now);
    }

    /// Counts a message as `count` ([`count_of`]). Returns when the device may send the next one, unless that
    /// is now.
    pub(super) fn take_message(&self, now: Instant, count: usize, per_second: u32) -> Option<Instant> {
        lock(&self.rate).take(now, count, per_second)
    }

    /// The turn of the device to have a large message evaluated and stored: they occupy one processor at
    /// most.
    pub(super) async fn large_turn(&self) -> Option<OwnedSemaphorePermit> {
        // The semaphore is never closed.
        Arc::clone(&self.large).acquire_owned().await.ok()
    }

    /// Reads what an earlier process, or another node, has stored of rejected messages in the last hour:
    /// once. A session does not wait long for a store that does not answer.
    pub(super) async fn resume_rejections(
        &self,
        device: &DeviceId,
        store: &Store,
        limits: &Messages,
        now: Timestamp,
    ) {
        if !lock(&self.rejections).wants_earlier() {
            return;
        }
        let since = now.checked_sub(stored_rejections::HOUR).unwrap_or(Timestamp::MIN);
        let limit = limits.rejected_per_hour.min(MAX_COUNTED);
        let read = store.rejected_since(device, since, limit);
        if let Ok(Ok(earlier)) = tokio::time::timeout(READ_TIMEOUT, read).await {
            lock(&self.rejections).resume(earlier);
        }
    }

    /// Whether a refused frame is logged: a device must not decide how much that is.
    pub(super) fn may_log_refusal(&self, now: Instant) -> bool {
        let mut logged = lock(&self.refusal_logged);
        let is_due = logged.is_none_or(|at| now.saturating_duration_since(at) >= LOG_INTERVAL);
        if is_due {
            *logged = Some(now);
        }
        is_due
    }

    /// Bytes of rejected messages that may still be stored in this hour.
    pub(super) fn rejection_room(&self, limits: &Messages, now: Timestamp) -> usize {
        usize::try_from(lock(&self.rejections).room(limits, now)).unwrap_or(usize::MAX)
    }

    /// Counts a rejected message, and decides whether it is stored.
    pub(super) fn take_rejection(&self, bytes: usize, limits: &Messages, now: Timestamp) -> Storage {
        lock(&self.rejections).take(bytes as u64, limits, now)
    }
}

/// How long sessions are counted before their row is written.
const fn length(interval: RefusalInterval) -> Duration {
    match interval {
        RefusalInterval::Every(interval) => interval,
        RefusalInterval::Never => DEFAULT_INTERVAL,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Rejected messages of an earlier process that are counted.
const MAX_COUNTED: u32 = 100_000;
/// How long a session waits for their number; a later session of the device tries again.
const READ_TIMEOUT: Duration = Duration::from_millis(500);
/// One refused frame of a device is logged in this time; all are counted.
const LOG_INTERVAL: Duration = Duration::from_secs(10);
/// For sessions that were counted before a reload.
const DEFAULT_INTERVAL: Duration = Duration::from_mins(1);
