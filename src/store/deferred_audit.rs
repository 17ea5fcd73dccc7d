//! Audit rows that could not be written, and wait for the store to recover.
//!
//! The events have happened whether the store works or not: devices are refused, sessions end. So a limited
//! number of them is kept in memory with their times, and written in their order afterwards. What does not
//! fit is counted, and the count is a row as well.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use prometheus::{IntCounter, IntGauge};

use crate::audit::Event;

/// The rows that wait.
#[derive(Debug)]
pub(in crate::store) struct DeferredAudit {
    state: Mutex<State>,
    /// One task at a time writes the rows.
    writing: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct State {
    rows: VecDeque<DeferredRow>,
    max_rows: usize,
    lost: Option<LostRows>,
    /// Whether a task waits for the store to recover.
    is_watched: bool,
    metrics: Option<(IntGauge, IntCounter)>,
}

/// A row that waits, and when its event happened.
#[derive(Debug, Clone)]
pub(in crate::store) struct DeferredRow {
    pub(in crate::store) at: Timestamp,
    pub(in crate::store) event: Event,
}

/// Rows that were lost: there was no room, or the database refuses them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) struct LostRows {
    pub(in crate::store) count: u64,
    pub(in crate::store) first: Timestamp,
    pub(in crate::store) last: Timestamp,
}

/// What became of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) struct Deferral {
    /// Whether the row waits now; otherwise there was no room for it, and nothing counts it.
    pub(in crate::store) is_kept: bool,
    /// Whether the caller has to start the task that waits for the store.
    pub(in crate::store) starts_watch: bool,
}

impl DeferredAudit {
    pub(in crate::store) fn limit(&self, max_rows: usize, waiting: IntGauge, lost: IntCounter) {
        let mut state = self.state();
        state.max_rows = max_rows;
        state.metrics = Some((waiting, lost));
    }

    /// Keeps a row for later, if there is room.
    pub(in crate::store) fn defer(&self, at: Timestamp, event: Event) -> Deferral {
        let mut state = self.state();
        let is_kept = state.rows.len() < state.max_rows;
        if is_kept {
            state.rows.push_back(DeferredRow { at, event });
            state.publish();
        }
        let starts_watch = is_kept && !state.is_watched;
        state.is_watched |= is_kept;
        Deferral { is_kept, starts_watch }
    }

    /// Counts a row that is lost. The result is as that of [`DeferredAudit::defer`]: its count has to be
    /// written.
    pub(in crate::store) fn lose(&self, at: Timestamp) -> Deferral {
        let mut state = self.state();
        let lost = state.lost.get_or_insert(LostRows { count: 0, first: at, last: at });
        lost.count += 1;
        lost.last = at;
        if let Some((_, lost)) = &state.metrics {
            lost.inc();
        }
        let starts_watch = !state.is_watched;
        state.is_watched = true;
        Deferral { is_kept: false, starts_watch }
    }

    /// The turn of a task that writes the rows.
    pub(in crate::store) async fn turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.writing.lock().await
    }

    /// The row that has waited for the longest time.
    pub(in crate::store) fn first(&self) -> Option<DeferredRow> {
        self.state().rows.front().cloned()
    }

    /// The first row is written, or lost.
    pub(in crate::store) fn remove_first(&self) {
        let mut state = self.state();
        state.rows.pop_front();
        state.publish();
    }

    /// The rows that were lost so far.
    pub(in crate::store) fn lost(&self) -> Option<LostRows> {
        self.state().lost
    }

    /// The count of `reported` is written. True when nothing waits any more; the watch is over then.
    pub(in crate::store) fn finish(&self, reported: Option<LostRows>) -> bool {
        let mut state = self.state();
        if state.lost == reported {
            state.lost = None;
        } else if let (Some(lost), Some(reported)) = (&mut state.lost, reported) {
            lost.count = lost.count.saturating_sub(reported.count);
        }
        let is_done = state.rows.is_empty() && state.lost.is_none();
        state.is_watched = !is_done;
        is_done
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn publish(&self) {
        if let Some((waiting, _)) = &self.metrics {
            waiting.set(i64::try_from(self.rows.len()).unwrap_or(i64::MAX));
        }
    }
}

impl Default for DeferredAudit {
    fn default() -> Self {
        let state = State {
            rows: VecDeque::new(),
            max_rows: DEFAULT_MAX_ROWS,
            lost: None,
            is_watched: false,
            metrics: None,
        };
        Self { state: Mutex::new(state), writing: tokio::sync::Mutex::default() }
    }
}

/// Until [`DeferredAudit::limit`].
const DEFAULT_MAX_ROWS: usize = 4096;
