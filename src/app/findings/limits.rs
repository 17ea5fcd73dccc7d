//! Limits that a busy platform meets first, and what of them is used.

use std::time::{Duration, Instant};

use crate::app::Platform;
use crate::finding::facts::{LimitNear, UsedLimit};
use crate::finding::{Finding, Subject};
use crate::interface_a::Accepting;

/// For how many examinations in a row each limit has been nearly used up.
#[derive(Debug, Default)]
pub(super) struct Limits {
    connections: u32,
    handshakes: u32,
    queue: u32,
    files: u32,
    frames: u32,
    feeds: u32,
    audit: u32,
    /// When open files were counted, and how many there were.
    counted: Option<(Instant, usize)>,
}

impl Limits {
    /// Sets the metrics. A limit that stays nearly used up is a finding.
    pub(super) fn look(&mut self, platform: &Platform, accepting: &Accepting) -> Option<Finding> {
        let metrics = &platform.metrics;
        let incomplete = usize::try_from(metrics.incomplete_connections.get()).unwrap_or_default();
        let handshakes = (incomplete, platform.config.load().interface_a.max_incomplete_connections);
        let files = self.open_files(platform.clock.instant());
        let config = platform.config.load();
        let used = |gauge: &prometheus::IntGauge| usize::try_from(gauge.get()).unwrap_or_default();
        // Interface A sets the limit of frames: it depends on the memory of the machine.
        let (_, frames) = metrics.operation.use_of("frame-memory");
        let frames = (used(&metrics.frame_memory_bytes), usize::try_from(frames).unwrap_or(usize::MAX));
        let feeds = (used(&metrics.feeds_behind), config.devices.max_feeds as usize);
        let audit = (used(&metrics.housekeeping.audit_deferred_rows), config.audit.max_deferred_rows);
        let uses = [
            ("connections", accepting.connections(), &mut self.connections),
            ("handshakes", handshakes, &mut self.handshakes),
            ("store-queue", platform.store.queued(), &mut self.queue),
            ("open-files", files, &mut self.files),
            ("frame-memory", frames, &mut self.frames),
            ("feeds", feeds, &mut self.feeds),
            ("audit-rows", audit, &mut self.audit),
        ];
        let mut near = Vec::new();
        for (what, (used, limit), times) in uses {
            metrics.operation.set_use(what, used, limit);
            *times = if is_near(used, limit) { times.saturating_add(1) } else { 0 };
            if *times >= MIN_TIMES {
                near.push(UsedLimit { limit: what.to_owned(), used: used as u64, allowed: limit as u64 });
            }
        }
        let (queued, _) = platform.store.queued();
        metrics.operation.store_queue_entries.set(i64::try_from(queued).unwrap_or(i64::MAX));
        (!near.is_empty()).then(|| Finding::new(Subject::Platform, LimitNear { limits: near }))
    }

    /// How many files are open, and how many may be. Counting those of 20 000 connections takes
    /// milliseconds.
    fn open_files(&mut self, now: Instant) -> (usize, usize) {
        let known = self.counted.filter(|(at, _)| now.saturating_duration_since(*at) < COUNT_INTERVAL);
        let (_, open) = known.unwrap_or_else(|| {
            let open = std::fs::read_dir("/proc/self/fd").map_or(0, |files| files.count().saturating_sub(1));
            (now, open)
        });
        if known.is_none() {
            self.counted = Some((now, open));
        }
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        (open, limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX))
    }
}

fn is_near(used: usize, limit: usize) -> bool {
    used.saturating_mul(5) > limit.saturating_mul(4)
}

/// Examinations after which it is no burst.
const MIN_TIMES: u32 = 3;
/// How often open files are counted.
const COUNT_INTERVAL: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_four_fifths_is_near() {
        assert!(!is_near(80, 100) && is_near(81, 100));
        assert!(!is_near(0, 0) && !is_near(1, usize::MAX));
    }

    #[test]
    fn open_files_are_counted_once_in_a_while() {
        let (mut limits, now) = (Limits::default(), crate::model::Clock::system().instant());
        let (open, limit) = limits.open_files(now);
        assert!(open > 2 && limit > open, "{open} of {limit}");
        let _more: Vec<_> = (0..50).map(|_| std::fs::File::open("/proc/self/stat").unwrap()).collect();
        assert_eq!(limits.open_files(now).0, open);
        assert!(limits.open_files(now + COUNT_INTERVAL).0 >= open.saturating_sub(20) + 50);
    }
}
