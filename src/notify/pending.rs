//! A notification on its way.

use std::time::{Duration, Instant};

use crate::store::StoredNotification;

/// A notification that is not delivered yet.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) stored: StoredNotification,
    /// When it is sent next.
    pub(super) next: Instant,
    /// When its first attempt was due.
    begun: Instant,
}

impl Pending {
    pub(super) const fn new(stored: StoredNotification, now: Instant) -> Self {
        Self { stored, next: now, begun: now }
    }

    /// An attempt has failed. It was the last one when `retry_for` has passed since the first.
    pub(super) fn fail(&mut self, error: String, now: Instant, retry_for: Duration) {
        self.stored.attempts += 1;
        self.stored.error = error;
        self.stored.is_dead = now.saturating_duration_since(self.begun) >= retry_for;
        let doublings = u32::try_from(self.stored.attempts - 1).unwrap_or(u32::MAX).min(16);
        let pause = FIRST_PAUSE.saturating_mul(1 << doublings).min(MAX_PAUSE);
        // The last attempt is at the end of that time, not after it.
        let end = self.begun + retry_for;
        self.next = (now + pause).min(end.max(now + FIRST_PAUSE));
    }
}

/// The pause after the first failed attempt; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause.
const MAX_PAUSE: Duration = Duration::from_mins(5);

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::model::{Clock, MessageId};

    #[test]
    fn attempts_pause_ever_longer_until_the_time_is_over() {
        let clock = Clock::manual(Timestamp::from_second(1_750_000_000).unwrap());
        let stored = StoredNotification {
            id: MessageId::at(clock.now()),
            node: "n".to_owned(),
            receiver: "r".to_owned(),
            created_at: clock.now(),
            is_dead: false,
            attempts: 0,
            error: String::new(),
            body: "{}".to_owned(),
        };
        let mut pending = Pending::new(stored, clock.instant());
        let (mut pauses, hour) = (Vec::new(), Duration::from_hours(1));
        loop {
            let now = clock.instant();
            pending.fail("x".to_owned(), now, hour);
            if pending.stored.is_dead {
                break;
            }
            pauses.push((pending.next - now).as_secs());
            clock.advance(pending.next - now);
        }
        assert_eq!(pauses[..10], [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]);
        assert_eq!(pauses.iter().sum::<u64>(), 3600);
        assert_eq!(pending.stored.attempts, pauses.len() as u64 + 1);
    }
}
