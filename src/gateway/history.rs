//! What the connections of an uplink before say about the next one.

use std::time::{Duration, Instant};

use super::pardons::Pardons;

/// What the connections before say about the next one.
#[derive(Debug)]
pub(super) struct History {
    pub(super) pardons: Pardons,
    pub(super) close_timeout: CloseTimeout,
}

/// How long the platform has to answer close_notify when that is to prove what has arrived. What is in the
/// send buffer has to leave first, so on a slow line the time doubles until it is enough.
#[derive(Debug)]
pub(super) struct CloseTimeout(Duration);

impl History {
    pub(super) const fn new(now: Instant) -> Self {
        Self { pardons: Pardons::new(now), close_timeout: CloseTimeout(CLOSE_TIMEOUT) }
    }
}

impl CloseTimeout {
    pub(super) const fn get(&self) -> Duration {
        self.0
    }

    /// The platform has answered after so long, or not in time (`None`).
    pub(super) fn note(&mut self, took: Option<Duration>) {
        // The next one may take a little longer.
        let next = took.unwrap_or(self.0) * 2;
        self.0 = next.clamp(CLOSE_TIMEOUT, MAX_CLOSE_TIMEOUT);
    }
}

/// How long the platform has to answer close_notify; a shutdown waits for it.
pub(super) const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
/// The most that a slow line gets: 256 KiB at 140 kbit/s. Alarms wait meanwhile, and so does a shutdown.
const MAX_CLOSE_TIMEOUT: Duration = Duration::from_secs(15);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_line_gets_the_time_that_it_needs() {
        let mut timeout = CloseTimeout(CLOSE_TIMEOUT);
        let mut after = |took: Option<u64>| {
            timeout.note(took.map(Duration::from_secs));
            timeout.get().as_secs()
        };
        assert_eq!([None, Some(6), Some(7), None].map(&mut after), [10, 12, 14, 15]);
        assert_eq!([None; 3].map(&mut after), [15; 3]);
        assert_eq!([Some(0), Some(4)].map(&mut after), [5, 8]);
    }
}
