//! Resets of a connection that say nothing about its messages.
//!
//! A platform resets the connection on which it has sent an order, when it gives the order up or gets no
//! answer. That is no failure: the gateway connects again at once, and no message is suspected. But a
//! platform may also send an order on each connection and reset it for another reason, such as a message that
//! it does not take. So a reset is pardoned only while an order that came on the connection may be without an
//! answer, and not more often than a platform gives up orders.

use std::time::{Duration, Instant};

/// How many resets of a connection may still be pardoned.
#[derive(Debug)]
pub(super) struct Pardons {
    left: u32,
    /// Since when the next one grows.
    since: Instant,
}

impl Pardons {
    pub(super) const fn new(now: Instant) -> Self {
        Self { left: MOST, since: now }
    }

    /// Whether a reset is pardoned. `ordered`: when the last order came on the connection.
    pub(super) fn take(&mut self, ordered: Option<Instant>, now: Instant) -> bool {
        let is_open = ordered.is_some_and(|at| now.saturating_duration_since(at) < UNANSWERED);
        self.grow(now);
        if !is_open || self.left == 0 {
            return false;
        }
        self.left -= 1;
        true
    }

    fn grow(&mut self, now: Instant) {
        while self.left < MOST && self.since + EACH <= now {
            self.since += EACH;
            self.left += 1;
        }
        if self.left == MOST {
            self.since = now;
        }
    }
}

/// Resets that are pardoned in a row.
const MOST: u32 = 10;
/// When one more is pardoned.
const EACH: Duration = Duration::from_secs(10);
/// How long an order may be without an answer: a platform waits for 30 seconds.
const UNANSWERED: Duration = Duration::from_secs(40);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Clock;

    #[test]
    fn resets_are_pardoned_while_an_order_is_unanswered_and_not_without_end() {
        let now = Clock::system().instant();
        let mut pardons = Pardons::new(now);
        assert!(!pardons.take(None, now), "no order came");
        assert!(!pardons.take(Some(now), now + UNANSWERED), "the platform waits no longer");
        assert!((0..MOST).all(|_| pardons.take(Some(now), now)));
        assert!(!pardons.take(Some(now), now));
        let later = now + EACH;
        assert!(pardons.take(Some(later), later) && !pardons.take(Some(later), later));
        // A platform that gives up an order each half minute.
        for round in 1..1000 {
            let at = later + EACH * 3 * round;
            assert!(pardons.take(Some(at), at), "{round}");
        }
    }
}
