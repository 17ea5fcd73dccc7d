//! When the OCSP responder of one certificate is queried: refresh time, exponential backoff, and log
//! intervals.

use jiff::{SignedDuration, Timestamp};

/// The refresh schedule of one certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Schedule {
    /// The time of the next query. `None` without a responder.
    next: Option<Timestamp>,
    /// The delay after the next failure.
    backoff: SignedDuration,
    is_in_flight: bool,
    /// When a failure was last logged as a warning. `None` after a success.
    warned_at: Option<Timestamp>,
}

impl Schedule {
    /// A schedule with the next query at this time; `None` without a responder.
    pub(super) const fn new(next: Option<Timestamp>) -> Self {
        Self { next, backoff: MIN_BACKOFF, is_in_flight: false, warned_at: None }
    }

    pub(super) const fn next(&self) -> Option<Timestamp> {
        self.next
    }

    /// Whether a query is due. A `true` marks the query as in flight, and the caller must send it: there is
    /// one query at a time.
    pub(super) fn start_if_due(&mut self, now: Timestamp) -> bool {
        let starts = !self.is_in_flight && self.next.is_some_and(|next| next <= now);
        self.is_in_flight |= starts;
        starts
    }

    /// The time at which the refresher has to wake for the next query. `None` while a query is in flight.
    pub(super) fn wakes_at(&self) -> Option<Timestamp> {
        if self.is_in_flight { None } else { self.next }
    }

    /// Adapts to new settings: a responder that failed is queried at once, and so is a new one.
    pub(super) fn settings_changed(&mut self, has_responder: bool, now: Timestamp) {
        if !has_responder {
            self.next = None;
        } else if self.next.is_none() || self.warned_at.is_some() {
            self.next = Some(now);
            self.backoff = MIN_BACKOFF;
        }
    }

    /// Brings the next query forward to this time. Without a responder there is none.
    pub(super) fn expedite(&mut self, at: Timestamp) {
        self.next = self.next.map(|next| next.min(at));
    }

    pub(super) fn succeeded(&mut self, next: Timestamp) {
        *self = Self::new(Some(next));
    }

    /// Schedules the next attempt after a failure, and returns whether to log this failure as a warning.
    ///
    /// `jitter` shortens the delay by up to a tenth. It is any number that differs between certificates.
    pub(super) fn failed(&mut self, now: Timestamp, jitter: u8) -> bool {
        self.is_in_flight = false;
        let delay = self.backoff - self.backoff * i32::from(jitter) / 2560;
        self.next = Some(now.saturating_add(delay).unwrap_or(Timestamp::MAX));
        self.backoff = (self.backoff * 2).min(MAX_BACKOFF);
        let warns = self.warned_at.is_none_or(|warned| now.duration_since(warned) >= WARNING_INTERVAL);
        if warns {
            self.warned_at = Some(now);
        }
        warns
    }
}

/// The delay after the first failure. It doubles with each further one.
const MIN_BACKOFF: SignedDuration = SignedDuration::from_secs(5);
/// The longest delay, and thus the longest wait for a responder that has recovered.
const MAX_BACKOFF: SignedDuration = SignedDuration::from_mins(10);
/// A persistent failure is logged as a warning once in this time.
const WARNING_INTERVAL: SignedDuration = SignedDuration::from_hours(1);

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn one_query_is_in_flight_at_a_time() {
        let mut schedule = Schedule::new(Some(at(10)));
        assert!(!schedule.start_if_due(at(9)));
        assert!(schedule.start_if_due(at(10)) && !schedule.start_if_due(at(11)));
        assert_eq!(schedule.wakes_at(), None);
        schedule.succeeded(at(50));
        assert!(!schedule.start_if_due(at(49)) && schedule.start_if_due(at(50)));
        assert!(!Schedule::new(None).start_if_due(at(i64::from(i32::MAX))));
    }

    #[test]
    fn the_backoff_doubles_up_to_its_maximum_and_a_success_resets_it() {
        let mut schedule = Schedule::new(Some(at(0)));
        let delays: Vec<i64> = (0..10)
            .map(|_| {
                assert!(schedule.start_if_due(schedule.next().unwrap()));
                schedule.failed(at(0), 0);
                schedule.next().unwrap().as_second()
            })
            .collect();
        assert_eq!(delays, [5, 10, 20, 40, 80, 160, 320, 600, 600, 600]);
        schedule.succeeded(at(1000));
        schedule.failed(at(0), 0);
        assert_eq!(schedule.next(), Some(at(5)));
        schedule.failed(at(0), 255);
        assert!(schedule.next().unwrap() < at(10) && schedule.next().unwrap() >= at(9), "jitter");
    }

    #[test]
    fn a_persistent_failure_is_logged_once_an_hour() {
        let mut schedule = Schedule::new(Some(at(0)));
        assert!(schedule.failed(at(0), 0));
        assert!(!schedule.failed(at(3599), 0));
        assert!(schedule.failed(at(3600), 0));
        schedule.succeeded(at(5000));
        assert!(schedule.failed(at(5001), 0));
    }
}
