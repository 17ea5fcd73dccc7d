//! How many lines the log gets of what others decide: a device whose messages the platform refuses, or the
//! platform, must not fill it.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Bounds the lines of one kind. Metrics count what has none.
#[derive(Debug, Default)]
pub(super) struct LogLimit(Mutex<Lines>);

#[derive(Debug, Default)]
struct Lines {
    /// When the first line of this interval was logged.
    began: Option<Instant>,
    logged: u32,
    left_out: u64,
}

impl LogLimit {
    /// Whether a line is logged now: how many were left out before it.
    pub(super) fn take(&self, now: Instant) -> Option<u64> {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.began.is_none_or(|began| now.saturating_duration_since(began) >= INTERVAL) {
            (lines.began, lines.logged) = (Some(now), 0);
        }
        if lines.logged >= MAX_LINES {
            lines.left_out += 1;
            return None;
        }
        lines.logged += 1;
        Some(std::mem::take(&mut lines.left_out))
    }
}

/// Lines of one kind in an interval.
const MAX_LINES: u32 = 10;
const INTERVAL: Duration = Duration::from_mins(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Clock;

    #[test]
    fn what_others_decide_does_not_fill_the_log() {
        let (limit, now) = (LogLimit::default(), Clock::system().instant());
        let lines = |at: Instant| (0..1000).filter_map(|_| limit.take(at)).collect::<Vec<_>>();
        assert_eq!(lines(now), [0; MAX_LINES as usize]);
        let later = lines(now + INTERVAL);
        assert_eq!((later.len(), later[0], later[1]), (MAX_LINES as usize, 990, 0));
    }
}
