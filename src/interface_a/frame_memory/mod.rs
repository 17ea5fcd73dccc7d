//! The memory of frames, of all sessions together: of those that are not complete, and of large ones that are
//! complete and wait to be evaluated and stored.
//!
//! A peer decides how large a frame it begins and how long it takes to complete it. So the memory of all
//! frames is limited: `[interface-a] frame-memory`. While it is exhausted, no frame of more than
//! [`SMALL_FRAME`] grows, and one of those that have stalled is refused: the largest one of the device that
//! holds the most. One device holds at most a quarter, or one of the largest frames; beyond it only its own
//! frames wait. While the memory of the process is short, no large frame grows. Small frames, which almost
//! all messages are, are always read.
//!
//! Frames that grow together must not wait for each other: the first that needs the last of the memory is
//! favoured, and the rest of its memory is kept free. A frame that waits for memory has not stalled: it is
//! refused later, unless neither its device nor the favoured frame goes on.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use super::resources::{Accepting, memory_limit};
use crate::config::{self, ConfigHandle};
use crate::metrics::Metrics;
use crate::model::{DeviceId, SessionId};

/// The memory of the incomplete frames of all sessions.
#[derive(Debug)]
pub(super) struct FrameMemory {
    config: ConfigHandle,
    /// The limit where the configuration states none.
    automatic: usize,
    accepting: Accepting,
    metrics: Metrics,
    frames: Mutex<Frames>,
    readings: Readings,
}

/// How much of large messages is read at once: what is known of a message while it is checked may take
/// several times its bytes.
#[derive(Debug)]
struct Readings {
    /// MiB of those up to [`MAX_SHARED_READING`].
    shared: Arc<Semaphore>,
    /// The turn of the larger ones, one after the other: a sender may make of one of them what takes seconds
    /// to check, and reports of other devices do not wait for it.
    largest: Arc<Semaphore>,
}

#[derive(Debug, Default)]
struct Frames {
    /// Bytes of all frames.
    held: usize,
    /// Incomplete frames of more than [`SMALL_FRAME`].
    large: HashMap<SessionId, LargeFrame>,
    /// Bytes of the frames of each device.
    by_device: HashMap<DeviceId, DeviceFrames>,
    /// The frame for which the rest of its memory is kept free, so that frames which grow together do not all
    /// wait for each other.
    favoured: Option<SessionId>,
    /// Until when no other large frame grows: one of them could not.
    exhausted_until: Option<Instant>,
    /// When a frame was last refused.
    refused_at: Option<Instant>,
}

#[derive(Debug, Clone, Copy, Default)]
struct DeviceFrames {
    held: usize,
    /// Those of complete frames.
    complete: usize,
}

#[derive(Debug)]
struct LargeFrame {
    device: DeviceId,
    bytes: usize,
    last_byte: Instant,
    /// Whether the platform does not read it, for want of memory.
    is_waiting: bool,
    refused: Arc<Notify>,
    is_refused: bool,
}

/// What one session holds. Released when it is dropped.
#[derive(Debug)]
pub(super) struct FrameShare {
    memory: Arc<FrameMemory>,
    session: SessionId,
    device: DeviceId,
    /// Of its incomplete frame.
    bytes: usize,
    /// Of its complete frames.
    complete: usize,
    last_byte: Instant,
    is_paused: bool,
    /// Of a large frame: notified when the frame is refused.
    refused: Option<Arc<Notify>>,
}

impl FrameMemory {
    pub(super) fn new(config: ConfigHandle, accepting: Accepting, metrics: Metrics) -> Self {
        let quarter =
            memory_limit().map_or(usize::MAX, |limit| usize::try_from(limit / 4).unwrap_or(usize::MAX));
        let automatic = quarter.min(MAX_AUTOMATIC);
        let shared = Arc::new(Semaphore::new(READ_AT_ONCE as usize));
        let readings = Readings { shared, largest: Arc::new(Semaphore::new(1)) };
        let memory = Self { config, automatic, accepting, metrics, frames: Mutex::default(), readings };
        memory.publish_limit();
        memory
    }

    /// The limit for the metrics, which a reload can change.
    fn publish_limit(&self) {
        let (limit, _) = self.limits();
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.metrics.operation.limit.with_label_values(&["frame-memory"]).set(limit);
    }

    /// The share of a session, which holds nothing yet.
    pub(super) fn share(self: &Arc<Self>, session: SessionId, device: DeviceId, now: Instant) -> FrameShare {
        self.publish_limit();
        let memory = Arc::clone(self);
        FrameShare {
            memory,
            session,
            device,
            bytes: 0,
            complete: 0,
            last_byte: now,
            is_paused: false,
            refused: None,
        }
    }

    /// The limit of all frames, in which two of the largest always fit, and that of one device.
    fn limits(&self) -> (usize, usize) {
        let limits = &self.config.load().interface_a;
        let limit = match limits.frame_memory {
            config::FrameMemory::Automatic => self.automatic,
            config::FrameMemory::Bytes(bytes) => bytes,
        };
        let largest = limits.max_frame.saturating_add(SMALL_FRAME);
        let limit = limit.max(largest.saturating_mul(2));
        (limit, (limit / 4).max(largest))
    }

    fn lock(&self) -> MutexGuard<'_, Frames> {
        self.frames.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FrameShare {
    /// Bytes of the frame have come.
    pub(super) const fn touch(&mut self, now: Instant) {
        self.last_byte = now;
    }

    /// Sets how much the incomplete frame of the session holds, and its complete ones. False when there is no
    /// memory for the former to grow: it must not be read now, and its share stays as it was.
    pub(super) fn resize(&mut self, bytes: usize, complete: usize, now: Instant) -> bool {
        let before = self.bytes + self.complete;
        if bytes == self.bytes && complete == self.complete && bytes <= SMALL_FRAME {
            return true;
        }
        let total = bytes.saturating_add(complete);
        let (limit, device_limit) = self.memory.limits();
        let memory = Arc::clone(&self.memory);
        let mut frames = memory.lock();
        let held = (frames.held - before).saturating_add(total);
        let of_device = frames.by_device.get(&self.device).copied().unwrap_or_default();
        let others = of_device.held - before;
        if bytes > SMALL_FRAME && total > before {
            let largest = self.memory.config.load().interface_a.max_frame.saturating_add(SMALL_FRAME);
            let is_favoured = frames.is_favoured(self.session, held, limit, largest, now);
            let free = limit.saturating_sub(if is_favoured { 0 } else { frames.reserved(largest) });
            let is_exhausted = held > free;
            // One that has stalled is enough where only the reserve is at stake.
            let over = if is_exhausted { held.saturating_sub(limit).max(1) } else { 0 };
            if is_exhausted {
                frames.exhausted_until = Some(now + EXHAUSTED_TIME);
            }
            let is_paused = !is_favoured && frames.exhausted_until.is_some_and(|until| now < until);
            let excess = others.saturating_add(total).saturating_sub(device_limit);
            let is_short = self.memory.accepting.is_memory_short();
            if is_exhausted || excess > 0 || is_short || is_paused {
                if let Some(frame) = frames.large.get_mut(&self.session) {
                    frame.is_waiting = true;
                }
                frames.refuse_stalled(over, None, now);
                frames.refuse_stalled(excess, Some(&self.device), now);
                frames.refuse_stalled(if is_short { bytes } else { 0 }, None, now);
                if !std::mem::replace(&mut self.is_paused, true) {
                    self.memory.metrics.read_pauses_total.with_label_values(&[PAUSE_REASON]).inc();
                }
                return false;
            }
        }
        if self.is_paused {
            // It had to wait: its sender has not stalled.
            self.last_byte = now;
        }
        self.set_frame(&mut frames, bytes);
        let complete_of_device = of_device.complete - self.complete + complete;
        if others + total == 0 {
            frames.by_device.remove(&self.device);
        } else {
            let all = DeviceFrames { held: others + total, complete: complete_of_device };
            frames.by_device.insert(self.device.clone(), all);
        }
        frames.held = held;
        self.memory.metrics.frame_memory_bytes.set(i64::try_from(held).unwrap_or(i64::MAX));
        drop(frames);
        (self.bytes, self.complete, self.is_paused) = (bytes, complete, false);
        true
    }

    /// Enters the incomplete frame of the session among the large ones, or removes it.
    fn set_frame(&mut self, frames: &mut Frames, bytes: usize) {
        if bytes <= SMALL_FRAME {
            if self.refused.take().is_some() {
                frames.large.remove(&self.session);
            }
            return;
        }
        let refused = self.refused.get_or_insert_default();
        let frame = frames.large.entry(self.session).or_insert_with(|| LargeFrame {
            device: self.device.clone(),
            bytes,
            last_byte: self.last_byte,
            is_waiting: false,
            refused: Arc::clone(refused),
            is_refused: false,
        });
        (frame.bytes, frame.last_byte, frame.is_waiting) = (bytes, self.last_byte, false);
    }

    /// The turn to read and check a message of so many bytes.
    pub(super) async fn reading_turn(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let Readings { shared, largest } = &self.memory.readings;
        // The semaphores are never closed.
        if bytes > MAX_SHARED_READING {
            return Arc::clone(largest).acquire_owned().await.ok();
        }
        let megabytes = u32::try_from(bytes.div_ceil(1 << 20)).unwrap_or(1);
        Arc::clone(shared).acquire_many_owned(megabytes).await.ok()
    }

    /// Returns when the frame of the session is refused.
    pub(super) async fn refused(&self) {
        match &self.refused {
            Some(refused) => refused.notified().await,
            None => std::future::pending().await,
        }
    }
}

impl Drop for FrameShare {
    fn drop(&mut self) {
        // Less memory is always granted; the time does not matter then.
        let _ = self.resize(0, 0, self.last_byte);
    }
}

impl Frames {
    /// Whether the frame of this session may use all memory: the first one that needs the last of it, until
    /// it is complete or stalls.
    fn is_favoured(
        &mut self,
        session: SessionId,
        held: usize,
        limit: usize,
        largest: usize,
        now: Instant,
    ) -> bool {
        if !self.favours_one(now) {
            let needs_last = held > limit.saturating_sub(largest) && held <= limit;
            self.favoured = needs_last.then_some(session);
        }
        self.favoured == Some(session)
    }

    /// Whether the favoured frame goes on.
    fn favours_one(&self, now: Instant) -> bool {
        let favoured = self.favoured.and_then(|favoured| self.large.get(&favoured));
        favoured.is_some_and(|frame| {
            !frame.is_refused && now.saturating_duration_since(frame.last_byte) < STALLED_AFTER
        })
    }

    /// What the favoured frame may still need.
    fn reserved(&self, largest: usize) -> usize {
        let favoured = self.favoured.and_then(|favoured| self.large.get(&favoured));
        favoured.map_or(0, |frame| largest.saturating_sub(frame.bytes))
    }

    /// Refuses stalled frames that hold `excess` bytes together: of `device`, or of the one that holds most.
    /// Each session that waits for memory calls this, so frames that are already on their way out count.
    fn refuse_stalled(&mut self, excess: usize, device: Option<&DeviceId>, now: Instant) {
        if excess == 0
            || self.refused_at.is_some_and(|at| now.saturating_duration_since(at) < REFUSE_INTERVAL)
        {
            return;
        }
        let is_leaving =
            |frame: &&LargeFrame| frame.is_refused && device.is_none_or(|device| *device == frame.device);
        let leaving: usize = self.large.values().filter(is_leaving).map(|frame| frame.bytes).sum();
        let mut excess = excess.saturating_sub(leaving);
        while excess > 0 {
            // Only the device that holds the most gives way: others wait for it, however long they have
            // waited.
            let heaviest = self.by_device.iter().max_by_key(|(_, all)| all.held).map(|(device, _)| device);
            let Some(heaviest) = device.or(heaviest).cloned() else { return };
            let is_stored = self.by_device.values().any(|all| all.complete > 0);
            let is_worth_waiting =
                is_stored || self.completes_frames(&heaviest, now) || self.favours_one(now);
            let waiting = if is_worth_waiting { WAITING_TIME } else { MIN_WAITING_TIME };
            let stalled = self.large.values_mut().filter(|frame| {
                let timeout = if frame.is_waiting { waiting } else { STALLED_AFTER };
                !frame.is_refused
                    && heaviest == frame.device
                    && now.saturating_duration_since(frame.last_byte) >= timeout
            });
            let Some(frame) = stalled.max_by_key(|frame| frame.bytes) else { return };
            frame.is_refused = true;
            frame.refused.notify_one();
            excess = excess.saturating_sub(frame.bytes);
            self.refused_at = Some(now);
        }
    }

    /// Whether a frame of the device goes on.
    fn completes_frames(&self, device: &DeviceId, now: Instant) -> bool {
        self.large.values().any(|frame| {
            frame.device == *device
                && !frame.is_waiting
                && now.saturating_duration_since(frame.last_byte) < STALLED_AFTER
        })
    }
}

/// A frame of up to this size is read even when the memory is exhausted.
pub(super) const SMALL_FRAME: usize = 64 * 1024;
/// The largest limit that is chosen automatically: four of the largest frames.
const MAX_AUTOMATIC: usize = 64 << 20;
/// MiB of large messages that are read at once, besides one of the largest.
const READ_AT_ONCE: u32 = 16;
/// Bytes of a message that is read together with others: a quarter of what is read at once.
const MAX_SHARED_READING: usize = (READ_AT_ONCE as usize / 4) << 20;
/// A frame without a byte for this time may be refused.
const STALLED_AFTER: Duration = Duration::from_secs(1);
/// The same of a frame that waits for memory which a frame of its device, the favoured one, or one that is
/// being stored is about to free.
const WAITING_TIME: Duration = Duration::from_secs(30);
/// The same where nothing goes on: a machine that is short of processors must not look like a stalled sender.
const MIN_WAITING_TIME: Duration = Duration::from_secs(5);
/// How long no large frame grows after one could not grow. Longer than the interval at which the sessions
/// that wait try again.
const EXHAUSTED_TIME: Duration = Duration::from_millis(200);
/// Each choice looks at all large frames, and all sessions that wait ask for one.
const REFUSE_INTERVAL: Duration = Duration::from_millis(20);
/// The label of `pcd_read_pauses_total`.
pub(super) const PAUSE_REASON: &str = "frame-memory";

#[cfg(test)]
mod tests;
