//! How many messages a device may send per second.

use std::time::{Duration, Instant};

/// The rate of one device. Messages beyond it are read later: none is rejected (generic cell rate algorithm).
#[derive(Debug, Default)]
pub(super) struct MessageRate {
    /// When the messages so far would have been sent at exactly the rate.
    due: Option<Instant>,
}

impl MessageRate {
    /// Counts a message. Returns when the next one may be read, unless that is now.
    pub(super) fn take(&mut self, now: Instant, per_second: u32) -> Option<Instant> {
        let interval = Duration::from_secs(1) / per_second.max(1);
        let due = self.due.map_or(now, |due| due.max(now)) + interval;
        self.due = Some(due);
        due.checked_sub(BURST).filter(|resume| *resume > now)
    }
}

/// The messages of this time may come at once.
const BURST: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::super::super::fixtures::clock;
    use super::*;

    #[test]
    fn a_burst_passes_and_what_follows_is_paced() {
        let (clock, mut rate) = (clock(), MessageRate::default());
        for _ in 0..10 {
            assert_eq!(rate.take(clock.instant(), 10), None);
        }
        let resume = rate.take(clock.instant(), 10).unwrap();
        assert_eq!(resume, clock.instant() + Duration::from_millis(100));
        clock.advance(Duration::from_millis(100));
        assert_eq!(rate.take(clock.instant(), 10), Some(clock.instant() + Duration::from_millis(100)));
        clock.advance(Duration::from_secs(10));
        for _ in 0..10 {
            assert_eq!(rate.take(clock.instant(), 10), None, "a pause is not saved up beyond the burst");
        }
        assert!(rate.take(clock.instant(), 10).is_some());
    }
}
