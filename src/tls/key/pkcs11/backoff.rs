//! When a token that failed is tried again.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::model::Clock;

/// Exponential backoff after failures to open a session.
#[derive(Debug)]
pub(super) struct Backoff {
    clock: Clock,
    failed: Mutex<Option<Failed>>,
}

#[derive(Debug, Clone, Copy)]
struct Failed {
    delay: Duration,
    retry_at: Instant,
}

impl Backoff {
    pub(super) const fn new(clock: Clock) -> Self {
        Self { clock, failed: Mutex::new(None) }
    }

    /// The time until the token may be tried again; `None` if it may be tried now.
    pub(super) fn remaining(&self) -> Option<Duration> {
        let remaining = self.lock().as_ref()?.retry_at.saturating_duration_since(self.clock.instant());
        (!remaining.is_zero()).then_some(remaining)
    }

    /// The token works.
    pub(super) fn reset(&self) {
        *self.lock() = None;
    }

    /// The token failed again. Failures of concurrent attempts count once.
    pub(super) fn extend(&self) {
        let now = self.clock.instant();
        let mut failed = self.lock();
        let delay = match *failed {
            Some(Failed { retry_at, .. }) if retry_at > now => return,
            Some(Failed { delay, .. }) => (delay * 2).min(MAX_RETRY_DELAY),
            None => MIN_RETRY_DELAY,
        };
        *failed = Some(Failed { delay, retry_at: now + delay });
    }

    fn lock(&self) -> MutexGuard<'_, Option<Failed>> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The delay after the first failure. It doubles with each further one.
const MIN_RETRY_DELAY: Duration = Duration::from_secs(1);
/// The longest delay. A token that recovers is used again within this time.
const MAX_RETRY_DELAY: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn the_delay_doubles_up_to_its_maximum_and_success_resets_it() {
        let clock = Clock::manual(Timestamp::UNIX_EPOCH);
        let backoff = Backoff::new(clock.clone());
        for seconds in [1, 2, 4, 8, 16, 32, 60, 60] {
            assert_eq!(backoff.remaining(), None);
            backoff.extend();
            backoff.extend();
            assert_eq!(backoff.remaining(), Some(Duration::from_secs(seconds)));
            clock.advance(Duration::from_secs(seconds));
        }
        backoff.reset();
        backoff.extend();
        assert_eq!(backoff.remaining(), Some(Duration::from_secs(1)));
    }
}
