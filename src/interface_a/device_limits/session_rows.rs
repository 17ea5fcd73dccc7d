//! Which sessions of a device have rows of their own in the audit trail.

use std::time::{Duration, Instant};

use crate::audit::CountedSessions;

/// The sessions of one device in an interval.
#[derive(Debug, Default)]
pub(super) struct SessionRows {
    interval: Option<Interval>,
}

#[derive(Debug)]
struct Interval {
    since: Instant,
    own_rows: u32,
    counted: Option<Box<CountedSessions>>,
}

impl SessionRows {
    /// Whether a session that opens now has a row at once.
    pub(super) fn take(&mut self, now: Instant, interval: Duration) -> bool {
        let is_over = |current: &mut Interval| {
            current.counted.is_none() && now.saturating_duration_since(current.since) >= interval
        };
        self.interval.take_if(is_over);
        let current = self.interval(now);
        let has_row = current.own_rows < OWN_ROWS;
        current.own_rows = current.own_rows.saturating_add(1);
        has_row
    }

    /// Counts sessions that ended without a row.
    pub(super) fn count(&mut self, sessions: CountedSessions, now: Instant) {
        let current = self.interval(now);
        let all = match current.counted.take() {
            Some(counted) => counted.plus(sessions),
            None => sessions,
        };
        current.counted = Some(Box::new(all));
    }

    /// The sessions that were counted in an interval that is over. None of the next one has a row at once.
    pub(super) fn due(&mut self, now: Instant, interval: Duration) -> Option<Box<CountedSessions>> {
        let is_over = |current: &mut Interval| now.saturating_duration_since(current.since) >= interval;
        let counted = self.interval.take_if(is_over)?.counted?;
        self.interval = Some(Interval { since: now, own_rows: OWN_ROWS, counted: None });
        Some(counted)
    }

    fn interval(&mut self, now: Instant) -> &mut Interval {
        self.interval.get_or_insert(Interval { since: now, own_rows: 0, counted: None })
    }
}

/// Sessions that have a row at once: a device that is connected again by its user, or by a network that
/// flaps, is on record each time.
const OWN_ROWS: u32 = 10;

#[cfg(test)]
mod tests {
    use super::super::super::fixtures::clock;
    use super::*;
    use crate::audit::SessionEnd;
    use crate::model::{Clock, Fingerprint};

    const INTERVAL: Duration = Duration::from_mins(10);

    fn session(clock: &Clock) -> CountedSessions {
        let address = [192, 0, 2, 7].into();
        CountedSessions::one(clock.now(), Fingerprint::sha256(b"own"), address, SessionEnd::PeerClosed)
    }

    /// Opens and ends `number` sessions. Returns how many had a row.
    fn open(rows: &mut SessionRows, clock: &Clock, number: usize) -> usize {
        let own = (0..number).filter(|_| {
            let has_row = rows.take(clock.instant(), INTERVAL);
            if !has_row {
                rows.count(session(clock), clock.instant());
            }
            has_row
        });
        own.count()
    }

    #[test]
    fn the_first_sessions_have_rows_and_further_ones_share_one_in_each_interval() {
        let (clock, mut rows) = (clock(), SessionRows::default());
        let mut counts = Vec::new();
        assert_eq!(open(&mut rows, &clock, 500), 10);
        for minute in 1..=40 {
            clock.advance(Duration::from_mins(1));
            if minute <= 20 {
                assert_eq!(open(&mut rows, &clock, 100), 0, "minute {minute}");
            }
            counts.extend(rows.due(clock.instant(), INTERVAL).map(|sessions| sessions.count));
        }
        assert_eq!(counts, [490 + 1000, 1000], "each session is in one row");
        assert_eq!(open(&mut rows, &clock, 3), 3, "after an interval without one");
    }

    #[test]
    fn a_device_that_connects_now_and_then_has_a_row_each_time() {
        let (clock, mut rows) = (clock(), SessionRows::default());
        for _ in 0..100 {
            assert_eq!(open(&mut rows, &clock, 1), 1);
            clock.advance(Duration::from_mins(2));
            assert_eq!(rows.due(clock.instant(), INTERVAL), None);
        }
    }

    #[test]
    fn what_could_not_be_written_is_counted_again() {
        let (clock, mut rows) = (clock(), SessionRows::default());
        open(&mut rows, &clock, 12);
        clock.advance(INTERVAL);
        let counted = rows.due(clock.instant(), INTERVAL).unwrap();
        rows.count(*counted, clock.instant());
        open(&mut rows, &clock, 1);
        assert_eq!(rows.due(clock.instant(), Duration::ZERO).unwrap().count, 3);
        assert_eq!(rows.due(clock.instant(), Duration::ZERO), None);
    }
}
