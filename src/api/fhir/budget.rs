//! What one page may cost: then it ends, and its link goes on. A search that finds little makes progress on a
//! busy platform too, and a request that costs much ends within its time.

use jiff::Timestamp;

/// What is left for a page.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget {
    messages: usize,
    until: Timestamp,
    visited: usize,
}

impl Budget {
    pub(super) const fn new(messages: usize, until: Timestamp) -> Self {
        Self { messages, until, visited: 0 }
    }

    /// Takes one more message. False: the page ends before it. The first one is always looked at.
    pub(super) fn visit(&mut self, now: Timestamp) -> bool {
        let is_over = self.visited >= self.messages || (self.visited > 0 && self.is_late(now));
        if !is_over {
            self.visited += 1;
        }
        !is_over
    }

    /// Whether its time is over.
    pub(super) fn is_late(&self, now: Timestamp) -> bool {
        now >= self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_ends_by_messages_and_by_time_and_has_one_message_at_least() {
        let now = Timestamp::UNIX_EPOCH;
        let mut few = Budget::new(2, Timestamp::MAX);
        assert_eq!([few.visit(now), few.visit(now), few.visit(now)], [true, true, false]);
        let mut late = Budget::new(100, now);
        assert_eq!([late.visit(now), late.visit(now)], [true, false]);
    }
}
