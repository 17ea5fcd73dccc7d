//! How many sessions a device may open in a minute.

use std::time::{Duration, Instant};

/// The rate of one device (generic cell rate algorithm).
#[derive(Debug, Default)]
pub(super) struct NewSessions {
    /// When the sessions so far would have been opened at exactly the rate.
    due: Option<Instant>,
}

impl NewSessions {
    /// Counts a new session, unless the device may not open it. A refused one does not count.
    pub(super) fn take(&mut self, now: Instant, per_minute: u32) -> bool {
        let interval = MINUTE / per_minute.max(1);
        let due = self.due.map_or(now, |due| due.max(now)) + interval;
        let may_open = due <= now + MINUTE;
        if may_open {
            self.due = Some(due);
        }
        may_open
    }
}

/// The sessions of this time may be opened at once.
const MINUTE: Duration = Duration::from_mins(1);

#[cfg(test)]
mod tests {
    use super::super::super::fixtures::clock;
    use super::*;

    #[test]
    fn the_sessions_of_a_minute_may_be_opened_at_once_and_further_ones_at_the_rate() {
        let (clock, mut sessions) = (clock(), NewSessions::default());
        let mut open = |number| (0..number).filter(|_| sessions.take(clock.instant(), 30)).count();
        assert_eq!(open(100), 30);
        clock.advance(Duration::from_secs(2));
        assert_eq!(open(100), 1);
        clock.advance(Duration::from_secs(20));
        assert_eq!(open(100), 10);
        clock.advance(Duration::from_hours(1));
        assert_eq!(open(100), 30, "a pause is not saved up");
    }
}
