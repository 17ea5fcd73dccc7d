//! The time, as an injected value.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

/// The source of the time: the machine or a test.
///
/// Cheap to clone. Clones of a manual clock share its time.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    Machine,
    Manual(Arc<Manual>),
}

#[derive(Debug)]
struct Manual {
    start: (Timestamp, Instant),
    elapsed: Mutex<Duration>,
}

impl Clock {
    /// The machine's own clocks.
    #[must_use]
    pub const fn system() -> Self {
        Self(Source::Machine)
    }

    /// A clock that stands at `start` until [`Clock::advance`] moves it.
    #[must_use]
    pub fn manual(start: Timestamp) -> Self {
        Self(Source::Manual(Arc::new(Manual { start: (start, instant()), elapsed: Mutex::default() })))
    }

    /// Wall-clock time in UTC: for certificates, messages and the audit trail.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::Machine => wall(),
            Source::Manual(manual) => manual.start.0.checked_add(manual.elapsed()).unwrap_or(Timestamp::MAX),
        }
    }

    /// Monotonic time: for timeouts and durations.
    #[must_use]
    pub fn instant(&self) -> Instant {
        match &self.0 {
            Source::Machine => instant(),
            Source::Manual(manual) => manual.start.1 + manual.elapsed(),
        }
    }

    /// A manual clock whose wall clock was set to `wall`; the monotonic time is the same.
    #[cfg(test)]
    pub(crate) fn with_wall(&self, wall: Timestamp) -> Self {
        let Source::Manual(manual) = &self.0 else { return self.clone() };
        let elapsed = manual.elapsed();
        let start = (wall - elapsed, manual.start.1);
        Self(Source::Manual(Arc::new(Manual { start, elapsed: Mutex::new(elapsed) })))
    }

    /// Whether this is a manual clock.
    #[must_use]
    pub const fn is_manual(&self) -> bool {
        matches!(self.0, Source::Manual(_))
    }

    /// Advances a manual clock. The machine's clock ignores the call.
    pub fn advance(&self, by: Duration) {
        if let Source::Manual(manual) = &self.0 {
            let mut elapsed = manual.elapsed.lock().unwrap_or_else(PoisonError::into_inner);
            *elapsed = elapsed.saturating_add(by);
        }
    }
}

impl Manual {
    fn elapsed(&self) -> Duration {
        *self.elapsed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that asks the machine")]
fn wall() -> Timestamp {
    Timestamp::now()
}

#[expect(clippy::disallowed_methods, reason = "the one place that asks the machine")]
fn instant() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_only_by_advance() {
        let clock = Clock::manual(Timestamp::UNIX_EPOCH);
        let (wall, mono) = (clock.now(), clock.instant());
        assert_eq!(clock.now(), wall);
        clock.clone().advance(Duration::from_secs(90));
        assert_eq!(clock.now().as_second(), 90);
        assert_eq!(clock.instant() - mono, Duration::from_secs(90));
    }
}
