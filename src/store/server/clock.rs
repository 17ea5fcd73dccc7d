//! The clock of the store's server, as this process knows it.
//!
//! Nodes that share a server share its clock: expiry and claims of orders are decided by it, within the
//! statement that changes the order. What happens between those statements, such as when the next order
//! expires, is computed here: from the last reading, and from the monotonic clock since then, so that a step
//! of this machine's wall clock changes nothing.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use crate::metrics::Metrics;
use crate::model::Clock;

/// The clock of a server. Clones share its readings.
#[derive(Debug, Clone)]
pub(in crate::store) struct ServerClock(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    clock: Clock,
    reading: Mutex<Option<Reading>>,
    metrics: OnceLock<Metrics>,
}

#[derive(Debug, Clone, Copy)]
struct Reading {
    server: Timestamp,
    /// When the server read it, as near as can be known.
    instant: Instant,
    difference: ClockDifference,
}

/// How far the clock of a machine is from that of the store's server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockDifference {
    /// The clock of the machine less that of the server: positive when the machine is ahead.
    pub ahead: SignedDuration,
    /// How far `ahead` may be from the truth: half of the round trip.
    pub uncertainty: Duration,
    /// When it was measured, by the clock of the server.
    pub at: Timestamp,
}

impl ClockDifference {
    /// Whether the difference is certainly larger than [`LARGE_CLOCK_DIFFERENCE`].
    #[must_use]
    pub fn is_large(&self) -> bool {
        self.ahead.unsigned_abs() > LARGE_CLOCK_DIFFERENCE.saturating_add(self.uncertainty)
    }
}

/// The moment at which a query for the server's time is sent.
#[derive(Debug, Clone, Copy)]
pub(in crate::store) struct Asked(Timestamp, Instant);

impl ServerClock {
    pub(in crate::store) fn new(clock: Clock) -> Self {
        Self(Arc::new(Inner { clock, reading: Mutex::default(), metrics: OnceLock::new() }))
    }

    /// Sets the gauge of `metrics` at each reading. Only the first call has an effect.
    pub(in crate::store) fn report_to(&self, metrics: &Metrics) {
        if self.0.metrics.set(metrics.clone()).is_ok() {
            self.publish(false);
        }
    }

    /// To be called before the query is sent.
    pub(in crate::store) fn ask(&self) -> Asked {
        Asked(self.0.clock.now(), self.0.clock.instant())
    }

    /// The server's answer has arrived: it was `server` o'clock at some time since `asked`.
    pub(in crate::store) fn observe(&self, Asked(wall, asked): Asked, server: Timestamp) {
        // A test's clock is the time of its store as well.
        if self.0.clock.is_manual() {
            return;
        }
        let uncertainty = self.0.clock.instant().saturating_duration_since(asked) / 2;
        let middle = SignedDuration::try_from(uncertainty).unwrap_or_default();
        let ahead = wall.duration_since(server).saturating_add(middle);
        let difference = ClockDifference { ahead, uncertainty, at: server };
        let before = self.lock().replace(Reading { server, instant: asked + uncertainty, difference });
        self.publish(before.is_some_and(|before| before.difference.is_large()));
    }

    /// The time of the server; that of this machine before the first reading.
    pub(in crate::store) fn now(&self) -> Timestamp {
        let Some(Reading { server, instant, .. }) = *self.lock() else { return self.0.clock.now() };
        let since = self.0.clock.instant().saturating_duration_since(instant);
        let since = SignedDuration::try_from(since).unwrap_or(SignedDuration::MAX);
        server.saturating_add(since).unwrap_or(Timestamp::MAX)
    }

    /// The last reading.
    pub(in crate::store) fn difference(&self) -> Option<ClockDifference> {
        self.lock().map(|reading| reading.difference)
    }

    /// Whether a test moves the time.
    pub(in crate::store) fn is_manual(&self) -> bool {
        self.0.clock.is_manual()
    }

    /// Sets the gauge, and logs when the clocks begin to differ or agree again. A command has neither.
    fn publish(&self, was_large: bool) {
        let (Some(metrics), Some(difference)) = (self.0.metrics.get(), self.difference()) else { return };
        metrics.store_clock_difference_seconds.set(difference.ahead.as_secs_f64());
        if difference.is_large() && !was_large {
            tracing::warn!(
                seconds = difference.ahead.as_secs_f64(),
                "the clock of this machine differs from that of the store's server: synchronise both"
            );
        } else if was_large && !difference.is_large() {
            tracing::info!("the clocks of this machine and of the store's server agree again");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Reading>> {
        self.0.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Above this difference the log, `check` and the API say so. Synchronised clocks are within milliseconds.
pub const LARGE_CLOCK_DIFFERENCE: Duration = Duration::from_secs(1);
