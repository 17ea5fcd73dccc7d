//! The configured limits on the rows about refused peers.

use std::time::Duration;

use crate::config::{Audit, RefusalInterval};

/// `audit.refusal-…`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    aggregation: RefusalInterval,
    /// Rows in one minute.
    pub(super) rows: usize,
    /// Bytes of their details in one minute.
    pub(super) bytes: usize,
}

impl Limits {
    /// Whether repeated refusals share a row although there is room.
    pub(super) fn is_aggregated(&self) -> bool {
        self.aggregation != RefusalInterval::Never
    }

    /// How long refusals are counted before their row is written.
    pub(super) const fn interval(&self) -> Duration {
        match self.aggregation {
            RefusalInterval::Every(interval) => interval,
            RefusalInterval::Never => RATE_PERIOD,
        }
    }
}

impl From<&Audit> for Limits {
    fn from(audit: &Audit) -> Self {
        Self { aggregation: audit.refusal_interval, rows: audit.refusal_rate, bytes: audit.refusal_bytes }
    }
}

const RATE_PERIOD: Duration = Duration::from_mins(1);
