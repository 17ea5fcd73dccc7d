//! The times by which a session decides that its peer is late.

use std::time::{Duration, Instant};

/// When the peer last did something. Time in which nothing is read does not count.
#[derive(Debug)]
pub(super) struct Timing {
    pub(super) last_activity: Instant,
    pub(super) frame_began: Option<Instant>,
    /// Since when backpressure pauses reads.
    paused_since: Option<Instant>,
    /// When the connection last began to wait.
    waiting_since: Instant,
}

impl Timing {
    pub(super) const fn new(now: Instant) -> Self {
        Self { last_activity: now, frame_began: None, paused_since: None, waiting_since: now }
    }

    /// Reads begin or pause.
    pub(super) fn set_reading(&mut self, reads: bool, now: Instant) {
        self.waiting_since = now;
        if !reads {
            self.paused_since.get_or_insert(now);
        } else if let Some(since) = self.paused_since.take() {
            let paused = now.saturating_duration_since(since);
            for time in [Some(&mut self.last_activity), self.frame_began.as_mut()].into_iter().flatten() {
                *time = (*time + paused).min(now);
            }
        }
    }

    /// A frame has begun, goes on, or has ended.
    pub(super) fn set_in_frame(&mut self, in_frame: bool, now: Instant) {
        self.frame_began = in_frame.then(|| self.frame_began.unwrap_or(now));
    }

    pub(super) const fn is_paused(&self) -> bool {
        self.paused_since.is_some()
    }

    /// When a waiting session has to look for another configuration, so that a shorter timeout reaches it.
    pub(super) fn settings_deadline(&self) -> Instant {
        self.waiting_since + SETTINGS_INTERVAL
    }
}

/// How long a waiting session may apply the timeouts of an earlier configuration.
const SETTINGS_INTERVAL: Duration = Duration::from_mins(1);
/// How long a frame whose end block lacks its carriage return waits for it.
pub(super) const CARRIAGE_RETURN_TIMEOUT: Duration = Duration::from_millis(200);
/// Bytes that are stored of a frame that was refused to free its memory: its header, as a rule.
pub(super) const REFUSED_BYTES_KEPT: usize = 16 * 1024;
/// Messages that are evaluated before other sessions have their turn.
pub(super) const MESSAGES_AT_ONCE: u64 = 4;
