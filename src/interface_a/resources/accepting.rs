//! Whether Interface A takes further connections.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::memory::{ControlGroups, Use};
use crate::config::ConfigHandle;
use crate::metrics::Metrics;
use crate::model::Clock;

/// Why no further connections are taken. They wait in the queue of the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shortage {
    /// There are as many connections as there may be.
    Connections,
    /// The process or the machine has no free file descriptor.
    OpenFiles,
    /// The memory of the control group is nearly used up.
    Memory,
}

/// Knows of shortages. Clones share what they know.
#[derive(Debug, Clone)]
pub struct Accepting(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    clock: Clock,
    metrics: Metrics,
    /// The open connections, and how many there may be.
    open: TaskTracker,
    allowed: AtomicUsize,
    is_memory_short: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// When `accept` last failed for want of a descriptor.
    exhausted_at: Option<Instant>,
    /// When that was last logged.
    logged_at: Option<Instant>,
    /// While memory is short.
    memory: Option<MemoryShortage>,
}

#[derive(Debug, Clone, Copy)]
struct MemoryShortage {
    since: Instant,
    /// How many connections there were at its beginning. A new one may replace one that has ended, because
    /// its memory is used again, although the process seldom returns it to the system.
    connections: usize,
}

impl Accepting {
    pub(in crate::interface_a) fn new(open: TaskTracker, metrics: Metrics, clock: Clock) -> Self {
        for shortage in [Shortage::OpenFiles, Shortage::Memory] {
            metrics.accept_pauses_total.with_label_values(&[shortage.code()]);
        }
        let (allowed, is_memory_short) = (AtomicUsize::new(usize::MAX), AtomicBool::new(false));
        let state = Mutex::default();
        Self(Arc::new(Shared { clock, metrics, open, allowed, is_memory_short, state }))
    }

    /// How many connections there may be.
    pub(in crate::interface_a) fn set_allowed(&self, connections: usize) {
        self.0.allowed.store(connections, Ordering::Relaxed);
    }

    /// How many connections there are, and how many there may be.
    #[must_use]
    pub fn connections(&self) -> (usize, usize) {
        (self.0.open.len(), self.0.allowed.load(Ordering::Relaxed))
    }

    /// Why no connections are taken at this moment.
    #[must_use]
    pub fn shortage(&self) -> Option<Shortage> {
        let now = self.0.clock.instant();
        let state = self.lock();
        if state.memory.is_some() {
            return Some(Shortage::Memory);
        }
        let is_recent = |at: Instant| now.saturating_duration_since(at) < EXHAUSTED_TIME;
        if state.exhausted_at.is_some_and(is_recent) {
            return Some(Shortage::OpenFiles);
        }
        let is_full = self.0.open.len() >= self.0.allowed.load(Ordering::Relaxed);
        is_full.then_some(Shortage::Connections)
    }

    /// Whether large frames have to wait.
    pub(in crate::interface_a) fn is_memory_short(&self) -> bool {
        self.0.is_memory_short.load(Ordering::Relaxed)
    }

    /// `accept` failed for want of a descriptor.
    pub(in crate::interface_a) fn report_exhausted(&self, error: &std::io::Error) {
        let now = self.0.clock.instant();
        self.count(Shortage::OpenFiles);
        let mut state = self.lock();
        state.exhausted_at = Some(now);
        if state.logged_at.is_none_or(|at| now.saturating_duration_since(at) >= LOG_INTERVAL) {
            state.logged_at = Some(now);
            drop(state);
            tracing::error!(%error, "cannot accept connections; raise the limit on open files (trying again)");
        }
    }

    /// Waits until one more connection may be taken.
    pub(in crate::interface_a) async fn wait(&self) {
        let is_full = || self.lock().memory.is_some_and(|shortage| self.0.open.len() >= shortage.connections);
        while is_full() {
            tokio::time::sleep(RETRY_INTERVAL).await;
        }
    }

    /// What of the memory is used, and the mark in percent.
    fn observe_memory(&self, memory: Use, percent: u64) {
        let Use { used, limit } = memory;
        self.0.metrics.memory_used_bytes.set(i64::try_from(used).unwrap_or(i64::MAX));
        self.0.metrics.memory_limit_bytes.set(i64::try_from(limit).unwrap_or(i64::MAX));
        let (now, connections) = (self.0.clock.instant(), self.0.open.len());
        let mut state = self.lock();
        match state.memory {
            None if memory.exceeds(percent) => {
                state.memory = Some(MemoryShortage { since: now, connections });
                drop(state);
                self.0.is_memory_short.store(true, Ordering::Relaxed);
                self.count(Shortage::Memory);
                tracing::error!(
                    used,
                    limit,
                    connections,
                    "the memory of the control group is nearly used up: no further connections and no large \
                     frames are taken; raise its limit (MemoryMax= of systemd), or lower max-connections"
                );
            }
            Some(shortage) if memory.has_recovered(percent) && shortage.is_old(now) => {
                state.memory = None;
                drop(state);
                self.0.is_memory_short.store(false, Ordering::Relaxed);
                tracing::info!(used, limit, "connections are taken again: there is memory");
            }
            _ => {}
        }
    }

    fn count(&self, shortage: Shortage) {
        self.0.metrics.accept_pauses_total.with_label_values(&[shortage.code()]).inc();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MemoryShortage {
    fn is_old(self, now: Instant) -> bool {
        now.saturating_duration_since(self.since) >= SHORTAGE_TIME
    }
}

impl Shortage {
    /// Every shortage.
    pub const ALL: [Self; 3] = [Self::Connections, Self::OpenFiles, Self::Memory];

    /// The stable code, as in `pcd_accept_pauses_total{reason}`.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::OpenFiles => "open-files",
            Self::Memory => "memory",
        }
    }
}

impl fmt::Display for Shortage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connections => "all connections are taken: raise interface-a.max-connections",
            Self::OpenFiles => "no file descriptor is free: raise the limit of open files",
            Self::Memory => "the memory of the control group is nearly used up: raise its limit",
        })
    }
}

/// Looks at the memory of the control group until `stop`.
pub(in crate::interface_a) async fn watch_memory(
    accepting: Accepting,
    config: ConfigHandle,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let groups = ControlGroups::of_process();
    while stop.run_until_cancelled(tokio::time::sleep(MEMORY_INTERVAL)).await.is_some() {
        if let Some(memory) = groups.fullest() {
            accepting.observe_memory(memory, config.load().interface_a.memory_mark);
        }
    }
    Ok(())
}

/// How long a failed `accept` counts: longer than until it is tried again.
const EXHAUSTED_TIME: Duration = Duration::from_secs(2);
/// How often want of descriptors is logged.
const LOG_INTERVAL: Duration = Duration::from_mins(1);
/// How often a listener that waits for memory looks.
const RETRY_INTERVAL: Duration = Duration::from_millis(100);
/// How often the use of memory is read. A busy connection takes at most a few megabytes in this time.
const MEMORY_INTERVAL: Duration = Duration::from_millis(250);
/// The shortest shortage of memory: its begin and its end are logged.
const SHORTAGE_TIME: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::super::super::fixtures::clock;
    use super::*;

    fn accepting() -> (Accepting, TaskTracker, Clock) {
        let (open, clock) = (TaskTracker::new(), clock());
        (Accepting::new(open.clone(), Metrics::new().unwrap(), clock.clone()), open, clock)
    }

    fn used(percent: u64) -> Use {
        Use { used: percent << 30, limit: 100 << 30 }
    }

    #[tokio::test]
    async fn while_memory_is_short_a_connection_replaces_one_that_has_ended() {
        let (accepting, open, clock) = accepting();
        let (_first, second) = (open.token(), open.token());
        accepting.observe_memory(used(85), 85);
        assert_eq!((accepting.shortage(), accepting.is_memory_short()), (None, false));
        accepting.observe_memory(used(86), 85);
        assert_eq!((accepting.shortage(), accepting.is_memory_short()), (Some(Shortage::Memory), true));
        let waits = tokio::time::timeout(RETRY_INTERVAL * 2, accepting.wait()).await;
        assert!(waits.is_err());
        drop(second);
        accepting.wait().await;
        clock.advance(SHORTAGE_TIME);
        accepting.observe_memory(used(81), 85);
        assert_eq!(accepting.shortage(), Some(Shortage::Memory), "not yet");
        accepting.observe_memory(used(80), 85);
        assert_eq!((accepting.shortage(), accepting.is_memory_short()), (None, false));
        let _more = [open.token(), open.token()];
        accepting.wait().await;
    }

    #[test]
    fn the_last_connection_that_is_allowed_is_a_shortage() {
        let (accepting, open, _) = accepting();
        accepting.set_allowed(2);
        let _first = open.token();
        assert_eq!(accepting.shortage(), None);
        let second = open.token();
        assert_eq!(accepting.shortage(), Some(Shortage::Connections));
        drop(second);
        assert_eq!(accepting.shortage(), None);
    }

    #[test]
    fn want_of_descriptors_is_known_for_a_while() {
        let (accepting, _, clock) = accepting();
        let error = std::io::Error::from_raw_os_error(24);
        (0..20).for_each(|_| accepting.report_exhausted(&error));
        assert_eq!(accepting.shortage(), Some(Shortage::OpenFiles));
        clock.advance(EXHAUSTED_TIME);
        assert_eq!(accepting.shortage(), None);
        assert_eq!(accepting.0.metrics.accept_pauses_total.with_label_values(&["open-files"]).get(), 20);
    }
}
