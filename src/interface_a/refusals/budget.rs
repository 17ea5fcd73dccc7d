//! How many rows, and how many bytes of them, are written in any minute.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The rows of the last minute.
#[derive(Debug, Default)]
pub(super) struct Budget {
    rows: VecDeque<(Instant, usize)>,
    bytes: usize,
}

impl Budget {
    /// Whether one more row may be written. It may exceed `max_bytes`, but no row after it.
    pub(super) fn has_room(&mut self, now: Instant, max_rows: usize, max_bytes: usize) -> bool {
        while let Some((at, bytes)) = self.rows.front()
            && now.saturating_duration_since(*at) >= MINUTE
        {
            self.bytes = self.bytes.saturating_sub(*bytes);
            self.rows.pop_front();
        }
        self.rows.len() < max_rows && self.bytes < max_bytes
    }

    pub(super) fn take(&mut self, now: Instant, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes);
        self.rows.push_back((now, bytes));
    }
}

const MINUTE: Duration = Duration::from_mins(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interface_a::fixtures::clock;

    #[test]
    fn rows_and_bytes_of_any_minute_are_limited() {
        let (clock, mut budget) = (clock(), Budget::default());
        let mut take = |bytes| {
            let has_room = budget.has_room(clock.instant(), 3, 100);
            if has_room {
                budget.take(clock.instant(), bytes);
            }
            has_room
        };
        assert_eq!([10, 10, 10, 10].map(&mut take), [true, true, true, false]);
        clock.advance(MINUTE);
        assert_eq!([99, 99, 1].map(&mut take), [true, true, false]);
        clock.advance(MINUTE);
        assert!(take(1));
    }
}
