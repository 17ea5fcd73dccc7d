//! How much may wait for the writer: in all, and of one lane.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

use crate::store::write::entry::MAX_QUEUED_BYTES;
use crate::store::write::lanes::Lane;

/// The capacity of the queue and of its lanes.
#[derive(Debug)]
pub(super) struct Capacity {
    whole: Limit,
    /// Of each device that has sent anything: their number is limited by the directory.
    lanes: Mutex<HashMap<Lane, Arc<Limit>>>,
}

/// A number of entries, and of their bytes.
#[derive(Debug)]
struct Limit {
    entries: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
    max_bytes: u32,
    /// Callers that wait.
    waiting: AtomicUsize,
}

/// The place of one entry in the queue.
#[derive(Debug)]
pub(super) struct Place {
    /// In the queue, until the entry is taken from it.
    entries: Option<[OwnedSemaphorePermit; 2]>,
    /// Until the entry is written.
    _bytes: [OwnedSemaphorePermit; 2],
}

/// Counts a caller that waits, while it waits.
struct WaiterGuard<'q>(&'q AtomicUsize);

impl Capacity {
    pub(super) fn new() -> Self {
        Self { whole: Limit::new(MAX_QUEUED, MAX_QUEUED_BYTES), lanes: Mutex::default() }
    }

    /// A place for an entry that occupies `bytes`. Waits until there is one.
    pub(super) async fn acquire(&self, lane: &Lane, bytes: u32) -> Result<Place, AcquireError> {
        let lane = self.lane(lane);
        // The own lane first: a device that has filled it takes no more of the whole.
        let (entry, memory) = lane.acquire(bytes).await?;
        let (whole_entry, whole_memory) = self.whole.acquire(bytes).await?;
        Ok(Place { entries: Some([entry, whole_entry]), _bytes: [memory, whole_memory] })
    }

    /// Whether a caller waits for a place in this lane, or in any.
    pub(super) fn is_full(&self, lane: &Lane) -> bool {
        self.whole.is_full() || self.lane(lane).is_full()
    }

    /// How many entries wait.
    pub(super) fn waiting(&self) -> usize {
        MAX_QUEUED.saturating_sub(self.whole.entries.available_permits())
    }

    /// Fails every caller that waits, now or later.
    pub(super) fn close(&self) {
        self.whole.close();
        let lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        lanes.values().for_each(|lane| lane.close());
    }

    fn lane(&self, lane: &Lane) -> Arc<Limit> {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(limit) = lanes.get(lane) {
            return Arc::clone(limit);
        }
        let limit = Arc::new(Limit::new(MAX_QUEUED_IN_LANE, MAX_LANE_BYTES));
        if self.whole.entries.is_closed() {
            limit.close();
        }
        lanes.insert(lane.clone(), Arc::clone(&limit));
        limit
    }

    /// Entries and bytes for which there is capacity.
    #[cfg(test)]
    pub(super) fn available(&self) -> (usize, usize) {
        (self.whole.entries.available_permits(), self.whole.bytes.available_permits())
    }
}

impl Limit {
    fn new(entries: usize, max_bytes: u32) -> Self {
        let bytes = Arc::new(Semaphore::new(max_bytes as usize));
        Self { entries: Arc::new(Semaphore::new(entries)), bytes, max_bytes, waiting: AtomicUsize::new(0) }
    }

    async fn acquire(
        &self,
        bytes: u32,
    ) -> Result<(OwnedSemaphorePermit, OwnedSemaphorePermit), AcquireError> {
        // An entry that is larger than the limit is written alone.
        let bytes = bytes.min(self.max_bytes);
        let entry = Arc::clone(&self.entries).try_acquire_owned();
        if let Ok(entry) = entry
            && let Ok(memory) = Arc::clone(&self.bytes).try_acquire_many_owned(bytes)
        {
            return Ok((entry, memory));
        }
        let _guard = WaiterGuard::new(&self.waiting);
        let memory = Arc::clone(&self.bytes).acquire_many_owned(bytes).await?;
        Ok((Arc::clone(&self.entries).acquire_owned().await?, memory))
    }

    fn is_full(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    fn close(&self) {
        self.entries.close();
        self.bytes.close();
    }
}

impl Place {
    /// The entry has been taken from the queue; its bytes still count.
    pub(super) fn leave_queue(&mut self) {
        self.entries = None;
    }
}

impl<'q> WaiterGuard<'q> {
    fn new(count: &'q AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for WaiterGuard<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The maximum number of entries that wait.
pub(in crate::store) const MAX_QUEUED: usize = 1024;
/// The maximum number of entries of one lane that wait.
pub(super) const MAX_QUEUED_IN_LANE: usize = 256;
/// The maximum number of bytes of these entries.
pub(super) const MAX_LANE_BYTES: u32 = MAX_QUEUED_BYTES / 4;
