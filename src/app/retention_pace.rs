//! How much a retention pass may remove.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

/// What a pass removes of one table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Allowance {
    /// Everything before this time.
    Before(Timestamp),
    /// A day's worth of a backlog: everything before this time. The next day's worth has to wait.
    Day(Timestamp),
    /// Nothing yet: the backlog is larger than a day, and the last day's worth, or the start of the process,
    /// was less than [`BACKLOG_INTERVAL`] ago.
    Wait,
}

/// When a table may lose the next day's worth of a backlog.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    last: Instant,
}

impl Pace {
    /// A process that has just started waits as well: a clock that is wrong when the machine starts, and a
    /// process that starts again and again, remove nothing in a hurry.
    pub(super) const fn starting(now: Instant) -> Self {
        Self { last: now }
    }

    /// Rows before `cutoff` have reached their age, and the oldest is of `oldest`. What is older than
    /// `release_before` was released by an operator.
    pub(super) fn allow(
        &mut self,
        cutoff: Timestamp,
        oldest: Timestamp,
        release_before: Timestamp,
        now: Instant,
    ) -> Allowance {
        let released = release_before.min(cutoff);
        if cutoff.duration_since(oldest) <= DAY {
            Allowance::Before(cutoff)
        } else if oldest < released {
            Allowance::Before(released)
        } else if now.saturating_duration_since(self.last) >= BACKLOG_INTERVAL {
            self.last = now;
            Allowance::Day(oldest.saturating_add(DAY).unwrap_or(Timestamp::MAX).min(cutoff))
        } else {
            Allowance::Wait
        }
    }
}

const DAY: SignedDuration = SignedDuration::from_hours(24);
/// The time between two days' worth of a backlog.
const BACKLOG_INTERVAL: Duration = Duration::from_hours(4);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Clock;

    const NEVER: Timestamp = Timestamp::UNIX_EPOCH;

    fn day(number: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + number * 86_400).unwrap()
    }

    #[test]
    fn what_reached_its_age_within_a_day_is_removed_at_once() {
        let mut pace = Pace::starting(Clock::system().instant());
        assert_eq!(pace.allow(day(1), day(0), NEVER, pace.last), Allowance::Before(day(1)));
    }

    #[test]
    fn a_backlog_goes_by_one_day_in_four_hours() {
        let start = Clock::system().instant();
        let mut pace = Pace::starting(start);
        let after = |hours| start + Duration::from_hours(hours);
        assert_eq!(pace.allow(day(31), day(0), NEVER, after(0)), Allowance::Wait);
        assert_eq!(pace.allow(day(31), day(0), NEVER, after(4)), Allowance::Day(day(1)));
        assert_eq!(pace.allow(day(31), day(1), NEVER, after(5)), Allowance::Wait);
        assert_eq!(pace.allow(day(31), day(1), NEVER, after(8)), Allowance::Day(day(2)));
    }

    #[test]
    fn what_an_operator_released_is_removed_at_once_and_no_more() {
        let mut pace = Pace::starting(Clock::system().instant());
        assert_eq!(pace.allow(day(31), day(0), day(20), pace.last), Allowance::Before(day(20)));
        assert_eq!(pace.allow(day(31), day(20), day(20), pace.last), Allowance::Wait);
        assert_eq!(pace.allow(day(31), day(0), day(40), pace.last), Allowance::Before(day(31)));
    }
}
