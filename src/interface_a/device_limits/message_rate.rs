//! How many messages a device may send per second.

use std::time::{Duration, Instant};

/// The rate of one device. Messages beyond it are read later: none is rejected (generic cell rate algorithm).
#[derive(Debug, Default)]
pub(super) struct MessageRate {
    /// When the messages so far would have been sent at exactly the rate.
    due: Option<Instant>,
}

impl MessageRate {
    /// Counts a message as `count` ([`count_of`]). Returns when the next one may be read, unless that is now.
    pub(super) fn take(&mut self, now: Instant, count: usize, per_second: u32) -> Option<Instant> {
        let interval = Duration::from_secs(1) / per_second.max(1);
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        let due = self.due.map_or(now, |due| due.max(now)) + interval.saturating_mul(count);
        self.due = Some(due);
        due.checked_sub(BURST).filter(|resume| *resume > now)
    }
}

/// As how many messages one of so many bytes and identities counts.
pub(in crate::interface_a) const fn count_of(bytes: usize, identities: usize) -> usize {
    let many = identities.saturating_sub(USUAL_IDENTITIES).saturating_mul(MESSAGES_PER_IDENTITY);
    1_usize.saturating_add(bytes / BYTES_PER_MESSAGE).saturating_add(many)
}

/// A message counts once, and once more for so many bytes: they take as long to read.
const BYTES_PER_MESSAGE: usize = 2048;
/// More identities than the message of a real device or gateway has.
const USUAL_IDENTITIES: usize = 16;
/// Each further identity is a row of an index, at a place that nothing else has touched: a page to write.
const MESSAGES_PER_IDENTITY: usize = 4;
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
            assert_eq!(rate.take(clock.instant(), 1, 10), None);
        }
        let resume = rate.take(clock.instant(), 1, 10).unwrap();
        assert_eq!(resume, clock.instant() + Duration::from_millis(100));
        clock.advance(Duration::from_millis(100));
        assert_eq!(rate.take(clock.instant(), 1, 10), Some(clock.instant() + Duration::from_millis(100)));
        clock.advance(Duration::from_secs(10));
        for _ in 0..10 {
            assert_eq!(rate.take(clock.instant(), 1, 10), None, "a pause is not saved up beyond the burst");
        }
        assert!(rate.take(clock.instant(), 1, 10).is_some());
        clock.advance(Duration::from_secs(10));
        let large = rate.take(clock.instant(), count_of(20 * BYTES_PER_MESSAGE, 1), 10);
        assert_eq!(large, Some(clock.instant() + Duration::from_millis(1100)), "it counts as 21");
        assert_eq!(count_of(0, USUAL_IDENTITIES), 1);
        assert_eq!(count_of(9, USUAL_IDENTITIES + 5), 21);
    }
}
