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
    /// Nothing yet: the backlog is larger than a day, or the clock has gone on by more than a day in steps,
    /// and the last day's worth, or the start of the process, was less than [`BACKLOG_INTERVAL`] ago.
    Wait,
}

/// When a table may lose the next day's worth of a backlog.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// When the last day's worth began.
    last: Instant,
    /// How much of it is used up.
    used: SignedDuration,
    /// Everything before this time was removable, and when it was.
    removed: Option<(Timestamp, Instant)>,
    /// Rows before this time were released by an operator, and when the platform has learned it.
    released: Option<(Timestamp, Instant)>,
}

impl Pace {
    /// A process that has just started waits as well: a clock that is wrong when the machine starts, and a
    /// process that starts again and again, remove nothing in a hurry.
    pub(super) const fn starting(now: Instant) -> Self {
        Self { last: now, used: SignedDuration::ZERO, removed: None, released: None }
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
        if cutoff.duration_since(oldest) <= DAY && self.takes_step(cutoff, oldest, now) {
            Allowance::Before(cutoff)
        } else if oldest < released {
            Allowance::Before(released)
        } else if now.saturating_duration_since(self.last) >= BACKLOG_INTERVAL {
            (self.last, self.used) = (now, DAY);
            Allowance::Day(oldest.saturating_add(DAY).unwrap_or(Timestamp::MAX).min(cutoff))
        } else {
            Allowance::Wait
        }
    }

    /// Whether what has reached its age may go at once. `cutoff` goes on as monotonic time does; where it
    /// goes further, by a step of the clock or a shorter age, that counts as a part of a day's worth: a clock
    /// that is stepped again and again by less than a day must not remove everything.
    fn takes_step(&mut self, cutoff: Timestamp, oldest: Timestamp, now: Instant) -> bool {
        let expected = self.removed.map_or(oldest, |(before, at)| {
            before.saturating_add(now.saturating_duration_since(at)).unwrap_or(Timestamp::MAX)
        });
        let step = cutoff.duration_since(expected).max(SignedDuration::ZERO);
        if !step.is_zero() && now.saturating_duration_since(self.last) >= BACKLOG_INTERVAL {
            (self.last, self.used) = (now, SignedDuration::ZERO);
        }
        let used = self.used + step;
        if used > DAY {
            return false;
        }
        (self.used, self.removed) = (used, Some((cutoff.max(expected), now)));
        true
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

    // A clock that an unsound source steps to and fro, or on and on.
    #[test]
    fn steps_of_the_clock_below_a_day_make_up_a_days_worth_in_four_hours() {
        let start = Clock::system().instant();
        let mut pace = Pace::starting(start);
        let minute = |number: u64| start + Duration::from_mins(number);
        let hours = |hours| day(0) + SignedDuration::from_hours(hours);
        let step = SignedDuration::from_hours(23);
        assert_eq!(pace.allow(day(0), day(0), minute(0)), Allowance::Before(day(0)));
        assert_eq!(pace.allow(hours(23), day(0), minute(1)), Allowance::Before(hours(23)));
        assert_eq!(pace.allow(day(0), day(0) - step, minute(2)), Allowance::Before(day(0)), "it was removed");
        assert_eq!(pace.allow(hours(23), day(0), minute(3)), Allowance::Before(hours(23)), "so was this");
        assert_eq!(pace.allow(hours(46), hours(23), minute(4)), Allowance::Wait);
        assert_eq!(pace.allow(hours(46), hours(23), minute(239)), Allowance::Wait);
        // With the time that passes, the clock goes on, and its rows go.
        let ordinary = hours(23) + SignedDuration::from_mins(237);
        assert_eq!(pace.allow(ordinary, hours(23), minute(240)), Allowance::Before(ordinary));
        let next = ordinary + step;
        assert_eq!(pace.allow(next, ordinary, minute(241)), Allowance::Before(next), "the next day's worth");
        assert_eq!(pace.allow(next + step, next, minute(242)), Allowance::Wait);
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
