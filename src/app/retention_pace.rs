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
    /// Rows before this time were released by an operator, and when the platform has learned it.
    released: Option<(Timestamp, Instant)>,
}

impl Pace {
    /// A process that has just started waits as well: a clock that is wrong when the machine starts, and a
    /// process that starts again and again, remove nothing in a hurry.
    pub(super) const fn starting(now: Instant) -> Self {
        Self { last: now, released: None }
    }

    /// An operator has released what is older than `before`. Of that what has reached its age now, before
    /// `cutoff`, is released for a day: the command may have read another configuration than the platform,
    /// and an age that is shortened later releases nothing.
    pub(super) fn release(&mut self, before: Timestamp, cutoff: Timestamp, now: Instant) {
        self.released = Some((before.min(cutoff), now));
    }

    /// Rows before `cutoff` have reached their age, and the oldest is of `oldest`.
    pub(super) fn allow(&mut self, cutoff: Timestamp, oldest: Timestamp, now: Instant) -> Allowance {
        let is_valid = |at: Instant| now.saturating_duration_since(at) <= RELEASE_TIME;
        let released = self.released.filter(|(_, at)| is_valid(*at)).map(|(before, _)| before);
        let released = released.map_or(Timestamp::MIN, |before| before.min(cutoff));
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
/// How long what an operator released may be removed without the limit of a day's worth at a time.
const RELEASE_TIME: Duration = Duration::from_hours(24);
/// The time between two days' worth of a backlog.
const BACKLOG_INTERVAL: Duration = Duration::from_hours(4);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Clock;

    fn day(number: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + number * 86_400).unwrap()
    }

    #[test]
    fn what_reached_its_age_within_a_day_is_removed_at_once() {
        let mut pace = Pace::starting(Clock::system().instant());
        assert_eq!(pace.allow(day(1), day(0), pace.last), Allowance::Before(day(1)));
    }

    #[test]
    fn a_backlog_goes_by_one_day_in_four_hours() {
        let start = Clock::system().instant();
        let mut pace = Pace::starting(start);
        let after = |hours| start + Duration::from_hours(hours);
        assert_eq!(pace.allow(day(31), day(0), after(0)), Allowance::Wait);
        assert_eq!(pace.allow(day(31), day(0), after(4)), Allowance::Day(day(1)));
        assert_eq!(pace.allow(day(31), day(1), after(5)), Allowance::Wait);
        assert_eq!(pace.allow(day(31), day(1), after(8)), Allowance::Day(day(2)));
    }

    #[test]
    fn what_an_operator_released_is_removed_at_once_and_no_more() {
        let start = Clock::system().instant();
        let mut pace = Pace::starting(start);
        pace.release(day(20), day(31), start);
        assert_eq!(pace.allow(day(31), day(0), start), Allowance::Before(day(20)));
        assert_eq!(pace.allow(day(31), day(20), start), Allowance::Wait);
        pace.release(day(40), day(31), start);
        assert_eq!(pace.allow(day(31), day(0), start), Allowance::Before(day(31)));
    }

    // The command of another configuration releases what is a second old; then the age is shortened.
    #[test]
    fn only_what_has_reached_its_age_when_the_platform_learns_of_it_is_released_and_for_a_day() {
        let start = Clock::system().instant();
        let mut pace = Pace::starting(start);
        pace.release(day(60), day(30), start);
        assert_eq!(pace.allow(day(59), day(31), start), Allowance::Wait);
        assert_eq!(pace.allow(day(59), day(0), start), Allowance::Before(day(30)));
        let later = start + RELEASE_TIME + Duration::from_secs(1);
        assert_eq!(pace.allow(day(59), day(0), later), Allowance::Day(day(1)), "as without a release");
    }
}
