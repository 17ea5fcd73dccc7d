//! The memory of frames that are not complete, of all sessions together.
//!
//! A peer decides how large a frame it begins and how long it takes to complete it. So the memory of all
//! incomplete frames is limited: `[interface-a] frame-memory`. While it is exhausted, frames of more than
//! [`SMALL_FRAME`] are not read, and one of those that have stalled is refused: the largest one of the device
//! that holds the most. One device holds at most a quarter; beyond it only its own frames wait. While the
//! memory of the process is short, no large frame grows. Small frames, which almost all messages are, are
//! always read.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

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
}

#[derive(Debug, Default)]
struct Frames {
    /// Bytes of all incomplete frames.
    held: usize,
    /// Those of more than [`SMALL_FRAME`].
    large: HashMap<SessionId, LargeFrame>,
    /// Bytes of the frames of each device.
    by_device: HashMap<DeviceId, usize>,
    /// Until when large frames are not read: one of them could not grow.
    exhausted_until: Option<Instant>,
    /// When a frame was last refused.
    refused_at: Option<Instant>,
}

#[derive(Debug)]
struct LargeFrame {
    device: DeviceId,
    bytes: usize,
    last_byte: Instant,
    refused: Arc<Notify>,
    is_refused: bool,
}

/// What one session holds. Released when it is dropped.
#[derive(Debug)]
pub(super) struct FrameShare {
    memory: Arc<FrameMemory>,
    session: SessionId,
    device: DeviceId,
    bytes: usize,
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
        Self { config, automatic, accepting, metrics, frames: Mutex::default() }
    }

    /// The share of a session, which holds nothing yet.
    pub(super) fn share(self: &Arc<Self>, session: SessionId, device: DeviceId, now: Instant) -> FrameShare {
        let memory = Arc::clone(self);
        FrameShare { memory, session, device, bytes: 0, last_byte: now, is_paused: false, refused: None }
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

    /// Sets how much the incomplete frame of the session holds. False when there is no memory for it: the
    /// frame must not be read now, and its share stays as it was.
    pub(super) fn resize(&mut self, bytes: usize, now: Instant) -> bool {
        if bytes == self.bytes && bytes <= SMALL_FRAME {
            return true;
        }
        let (limit, device_limit) = self.memory.limits();
        let mut frames = self.memory.lock();
        let held = (frames.held - self.bytes).saturating_add(bytes);
        let others = frames.by_device.get(&self.device).map_or(0, |all| all - self.bytes);
        if bytes > SMALL_FRAME {
            if held > limit {
                frames.exhausted_until = Some(now + EXHAUSTED_TIME);
                frames.refuse_stalled(held - limit, None, now);
            }
            let excess = others.saturating_add(bytes).saturating_sub(device_limit);
            if excess > 0 {
                frames.refuse_stalled(excess, Some(&self.device), now);
            }
            let is_short = self.memory.accepting.is_memory_short() && bytes > self.bytes;
            if is_short {
                frames.refuse_stalled(bytes, None, now);
            }
            if excess > 0 || is_short || frames.exhausted_until.is_some_and(|until| now < until) {
                if !std::mem::replace(&mut self.is_paused, true) {
                    self.memory.metrics.read_pauses_total.with_label_values(&[PAUSE_REASON]).inc();
                }
                return false;
            }
            let refused = self.refused.get_or_insert_default();
            let frame = frames.large.entry(self.session).or_insert_with(|| LargeFrame {
                device: self.device.clone(),
                bytes,
                last_byte: self.last_byte,
                refused: Arc::clone(refused),
                is_refused: false,
            });
            (frame.bytes, frame.last_byte) = (bytes, self.last_byte);
        } else if self.refused.take().is_some() {
            frames.large.remove(&self.session);
        }
        if others + bytes == 0 {
            frames.by_device.remove(&self.device);
        } else {
            frames.by_device.insert(self.device.clone(), others + bytes);
        }
        frames.held = held;
        self.memory.metrics.frame_memory_bytes.set(i64::try_from(held).unwrap_or(i64::MAX));
        drop(frames);
        (self.bytes, self.is_paused) = (bytes, false);
        true
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
        let _ = self.resize(0, self.last_byte);
    }
}

impl Frames {
    /// Refuses stalled frames that hold `excess` bytes together: of `device`, or of the one that holds most.
    /// Each session that waits for memory calls this, so frames that are already on their way out count.
    fn refuse_stalled(&mut self, excess: usize, device: Option<&DeviceId>, now: Instant) {
        if self.refused_at.is_some_and(|at| now.saturating_duration_since(at) < REFUSE_INTERVAL) {
            return;
        }
        let is_leaving =
            |frame: &&LargeFrame| frame.is_refused && device.is_none_or(|device| *device == frame.device);
        let leaving: usize = self.large.values().filter(is_leaving).map(|frame| frame.bytes).sum();
        let mut excess = excess.saturating_sub(leaving);
        while excess > 0 {
            // Only the device that holds the most gives way: others wait for it, however long they have
            // waited.
            let heaviest = self.by_device.iter().max_by_key(|(_, bytes)| **bytes).map(|(device, _)| device);
            let heaviest = device.or(heaviest).cloned();
            let stalled = self.large.values_mut().filter(|frame| {
                !frame.is_refused
                    && heaviest.as_ref() == Some(&frame.device)
                    && now.saturating_duration_since(frame.last_byte) >= STALLED_AFTER
            });
            let Some(frame) = stalled.max_by_key(|frame| frame.bytes) else { return };
            frame.is_refused = true;
            frame.refused.notify_one();
            excess = excess.saturating_sub(frame.bytes);
            self.refused_at = Some(now);
        }
    }
}

/// A frame of up to this size is read even when the memory is exhausted.
pub(super) const SMALL_FRAME: usize = 64 * 1024;
/// The largest limit that is chosen automatically: enough for 128 of the largest frames.
const MAX_AUTOMATIC: usize = 256 << 20;
/// A frame without a byte for this time may be refused.
const STALLED_AFTER: Duration = Duration::from_secs(1);
/// How long no large frame is read after one could not grow. Longer than the interval at which the sessions
/// that wait try again.
const EXHAUSTED_TIME: Duration = Duration::from_millis(200);
/// Each choice looks at all large frames, and all sessions that wait ask for one.
const REFUSE_INTERVAL: Duration = Duration::from_millis(20);
/// The label of `pcd_read_pauses_total`.
pub(super) const PAUSE_REASON: &str = "frame-memory";

#[cfg(test)]
mod tests {
    use super::super::fixtures::{clock, config, handle};
    use super::*;
    use crate::model::Clock;
    use tokio_util::task::TaskTracker;

    struct Bench {
        memory: Arc<FrameMemory>,
        clock: Clock,
    }

    impl Bench {
        fn new(megabytes: usize) -> Self {
            let mut config = config();
            config.interface_a.max_frame = 1 << 20;
            config.interface_a.frame_memory = config::FrameMemory::Bytes(megabytes << 20);
            let (metrics, clock) = (Metrics::new().unwrap(), clock());
            let accepting = Accepting::new(TaskTracker::new(), metrics.clone(), clock.clone());
            let memory = FrameMemory::new(handle(config), accepting, metrics);
            Self { memory: memory.into(), clock }
        }

        fn share(&self, device: &str) -> FrameShare {
            // Sessions of one millisecond are distinct by their random bits.
            let session = SessionId::at(self.clock.now());
            self.memory.share(session, device.parse().unwrap(), self.clock.instant())
        }

        fn resize(&self, share: &mut FrameShare, bytes: usize) -> bool {
            share.resize(bytes, self.clock.instant())
        }

        fn held(&self) -> i64 {
            self.memory.metrics.frame_memory_bytes.get()
        }
    }

    fn is_refused(share: &FrameShare) -> bool {
        use futures_util::FutureExt as _;
        share.refused().now_or_never().is_some()
    }

    #[test]
    fn large_frames_wait_for_memory_and_small_ones_do_not() {
        let bench = Bench::new(3);
        let mut shares = ["A", "B", "C", "D"].map(|name| bench.share(name));
        for share in &mut shares[..3] {
            assert!(bench.resize(share, 1 << 20));
        }
        assert!(!bench.resize(&mut shares[3], SMALL_FRAME + 1), "the memory is exhausted");
        assert!(!bench.resize(&mut shares[0], 1 << 20), "and no large frame is read");
        assert!(bench.resize(&mut shares[3], SMALL_FRAME));
        assert_eq!(bench.held(), (3 << 20) + SMALL_FRAME as i64);
        let paused = bench.memory.metrics.read_pauses_total.with_label_values(&[PAUSE_REASON]).get();
        assert_eq!(paused, 2);
        assert!(bench.resize(&mut shares[0], 0), "its frame is complete");
        bench.clock.advance(EXHAUSTED_TIME);
        assert!(bench.resize(&mut shares[3], 512 << 10));
        drop(shares);
        assert_eq!(bench.held(), 0);
    }

    #[test]
    fn a_device_has_its_share_and_only_its_own_frames_wait() {
        let bench = Bench::new(16);
        let mut own: Vec<_> = (0..5).map(|_| bench.share("HOSTILE")).collect();
        for share in &mut own[..4] {
            assert!(bench.resize(share, 1 << 20));
        }
        assert!(!bench.resize(&mut own[4], 100 << 10), "a quarter is held");
        let mut other = bench.share("OTHER");
        assert!(bench.resize(&mut other, 1 << 20));
        assert!(own.iter().all(|share| !is_refused(share)));
        bench.clock.advance(STALLED_AFTER);
        assert!(!bench.resize(&mut own[4], 100 << 10));
        assert_eq!(own.iter().filter(|share| is_refused(share)).count(), 1, "one that has stalled");
        assert!(!is_refused(&other));
        assert!(bench.resize(&mut own[0], 0) && bench.resize(&mut own[4], 100 << 10));
    }

    #[test]
    fn the_largest_stalled_frame_of_the_device_that_holds_most_is_refused() {
        let bench = Bench::new(3);
        let (mut one, mut other) = (bench.share("HOSTILE"), bench.share("HOSTILE"));
        let (mut honest, mut third) = (bench.share("HONEST"), bench.share("THIRD"));
        assert!(bench.resize(&mut one, 500 << 10) && bench.resize(&mut other, 550 << 10));
        assert!(bench.resize(&mut third, 900 << 10) && bench.resize(&mut honest, 900 << 10));
        let mut next = bench.share("NEXT");
        assert!(!bench.resize(&mut next, 300 << 10));
        assert!(
            [&one, &other, &third, &honest].into_iter().all(|share| !is_refused(share)),
            "none has stalled"
        );
        bench.clock.advance(STALLED_AFTER);
        assert!(!bench.resize(&mut next, 300 << 10));
        assert!(is_refused(&other), "not the larger frame of a device that holds less");
        assert!([&one, &third, &honest].into_iter().all(|share| !is_refused(share)), "one is enough");
        bench.clock.advance(EXHAUSTED_TIME);
        assert!(!bench.resize(&mut next, 300 << 10), "until it is gone");
        assert!([&one, &third, &honest].into_iter().all(|share| !is_refused(share)));
        drop(other);
        bench.clock.advance(EXHAUSTED_TIME);
        assert!(bench.resize(&mut next, 300 << 10));
    }

    #[test]
    fn a_frame_that_goes_on_is_not_refused() {
        let bench = Bench::new(2);
        let (mut slow, mut steady) = (bench.share("ONE"), bench.share("ONE"));
        let (mut other, mut next) = (bench.share("OTHER"), bench.share("NEXT"));
        assert!(bench.resize(&mut slow, 400 << 10) && bench.resize(&mut steady, 600 << 10));
        assert!(bench.resize(&mut other, 900 << 10));
        bench.clock.advance(STALLED_AFTER);
        steady.touch(bench.clock.instant());
        assert!(bench.resize(&mut steady, 600 << 10));
        assert!(!bench.resize(&mut next, 300 << 10));
        assert!(is_refused(&slow) && !is_refused(&steady));
    }

    #[test]
    fn a_device_that_holds_less_is_not_refused_for_waiting() {
        let bench = Bench::new(2);
        let (mut hostile, mut honest) = (bench.share("HOSTILE"), bench.share("HONEST"));
        let mut third = bench.share("THIRD");
        assert!(bench.resize(&mut honest, 800 << 10) && bench.resize(&mut hostile, 1080 << 10));
        assert!(bench.resize(&mut third, 250 << 10));
        bench.clock.advance(STALLED_AFTER);
        hostile.touch(bench.clock.instant());
        assert!(bench.resize(&mut hostile, 1080 << 10));
        assert!(!bench.resize(&mut honest, 900 << 10));
        assert!(!is_refused(&honest) && !is_refused(&hostile), "the other one has not stalled yet");
        bench.clock.advance(STALLED_AFTER);
        assert!(!bench.resize(&mut honest, 900 << 10));
        assert!(!is_refused(&honest) && is_refused(&hostile));
    }
}
