//! A moment from which something must not be done any more.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use super::clock::Clock;

/// A moment from which something must not be done any more: it is over as soon as one of the clocks of the
/// machine says so. The monotonic clock does not follow a step back of the wall clock, and stands still while
/// the machine is suspended.
#[derive(Debug, Clone, Copy)]
pub struct Deadline {
    wall: Timestamp,
    /// `None`: later than the monotonic clock can say.
    instant: Option<Instant>,
}

impl Deadline {
    /// The moment in `left` from now.
    #[must_use]
    pub fn after(clock: &Clock, left: SignedDuration) -> Self {
        let wall = clock.now().saturating_add(left).unwrap_or(Timestamp::MAX);
        let instant = clock.instant().checked_add(Duration::try_from(left).unwrap_or_default());
        Self { wall, instant }
    }

    /// How long it is until then by the monotonic clock; `None`: longer than that clock can say.
    #[must_use]
    pub fn left(&self, instant: Instant) -> Option<Duration> {
        self.instant.map(|end| end.saturating_duration_since(instant))
    }

    /// Whether it is over at the moment that both clocks show.
    #[must_use]
    pub fn is_over(&self, wall: Timestamp, instant: Instant) -> bool {
        wall >= self.wall || self.instant.is_some_and(|end| instant >= end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_over_when_one_of_the_clocks_says_so() {
        let clock = Clock::manual(Timestamp::UNIX_EPOCH);
        let (wall, instant) = (clock.now(), clock.instant());
        let deadline = Deadline::after(&clock, SignedDuration::from_secs(10));
        let second = Duration::from_secs(1);
        assert!(!deadline.is_over(wall + SignedDuration::from_secs(9), instant + 9 * second));
        assert!(deadline.is_over(wall, instant + 10 * second), "the wall clock was set back");
        assert!(deadline.is_over(wall + SignedDuration::from_secs(10), instant), "the machine was suspended");
        assert!(Deadline::after(&clock, SignedDuration::from_secs(-1)).is_over(wall, instant));
        assert!(!Deadline::after(&clock, SignedDuration::MAX).is_over(wall, instant + 9 * second));
    }
}
