//! The figures of a soak.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::honest::{Experience, Latencies};
use super::measure::{Observed, percentile};
use super::phase::Phase;

/// Everything that a soak has found.
#[derive(Debug)]
pub struct Report {
    pub experience: Experience,
    pub observed: Observed,
    /// Acknowledged messages that are not in the store.
    pub lost: usize,
    /// How often each attack was made.
    pub counts: BTreeMap<&'static str, u64>,
    /// Connections by outcome.
    pub outcomes: BTreeMap<String, u64>,
}

/// 50 and 99 percent of the latencies of both kinds of phases.
struct Percentiles {
    quiet: [Duration; 2],
    attacked: [Duration; 2],
    counts: [usize; 2],
}

impl Percentiles {
    fn of(latencies: &Latencies) -> Self {
        let both = |durations: &[Duration]| {
            let mut durations = durations.to_vec();
            [50, 99].map(|percent| percentile(&mut durations, percent))
        };
        Self {
            quiet: both(&latencies.quiet),
            attacked: both(&latencies.attacked),
            counts: [latencies.quiet.len(), latencies.attacked.len()],
        }
    }

    /// How many times as long the slowest hundredth takes under attack.
    fn ratio(&self) -> f64 {
        self.attacked[1].as_secs_f64() / self.quiet[1].as_secs_f64().max(1e-6)
    }
}

impl fmt::Display for Percentiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { quiet, attacked, counts } = self;
        write!(
            f,
            "p50 {:.1?} -> {:.1?}, p99 {:.1?} -> {:.1?} ({:.1} x), of {} and {}",
            quiet[0],
            attacked[0],
            quiet[1],
            attacked[1],
            self.ratio(),
            counts[0],
            counts[1]
        )
    }
}

impl Report {
    /// Bytes a minute by which the disk grows beyond what the honest messages take: store, log, the rest.
    fn excess(&self) -> [f64; 3] {
        let Observed { quiet, attacked, .. } = &self.observed;
        let minutes = attacked.duration.as_secs_f64() / 60.0;
        [0, 1, 2].map(|kind| {
            #[expect(clippy::cast_precision_loss, reason = "figures of a report")]
            let [before, now, messages, honest] = [
                quiet.bytes[kind] as f64,
                attacked.bytes[kind] as f64,
                attacked.messages as f64,
                quiet.messages.max(1) as f64,
            ];
            (now - before / honest * messages) / minutes
        })
    }

    /// Asserts that nothing is lost; in a full soak, that all bounds hold.
    pub fn check(&self, is_full: bool) {
        assert_eq!(self.lost, 0, "acknowledged messages are not in the store");
        assert!(!self.experience.acknowledged.is_empty());
        assert!(self.observed.peak_kib < MAX_MEMORY_KIB, "{} KiB", self.observed.peak_kib);
        if !is_full {
            return;
        }
        let failures = &self.experience.failures;
        assert!(failures.is_empty(), "{} failures of honest devices", failures.len());
        let ratio = Percentiles::of(&self.experience.messages).ratio();
        assert!(ratio <= MAX_RATIO, "p99 of honest messages: {ratio:.1} x");
        let growth: f64 = self.excess().iter().sum();
        assert!(growth < MAX_GROWTH, "{growth:.0} bytes a minute");
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { experience, observed, lost, counts, outcomes } = self;
        writeln!(f, "lost: {lost} of {} acknowledged messages", experience.acknowledged.len())?;
        writeln!(f, "honest messages:    {}", Percentiles::of(&experience.messages))?;
        writeln!(f, "honest connections: {}", Percentiles::of(&experience.connections))?;
        let failed = |phase| experience.failures.iter().filter(move |(at, _)| *at == phase).count();
        writeln!(
            f,
            "honest failures: {} in quiet phases, {} under attack, {} between",
            failed(Phase::Quiet),
            failed(Phase::Attacked),
            experience.failures.len() - failed(Phase::Quiet) - failed(Phase::Attacked)
        )?;
        for (phase, failure) in experience.failures.iter().take(SHOWN_FAILURES) {
            writeln!(f, "    {phase:?}: {failure:.300}")?;
        }
        let mib = |kib: u64| kib / 1024;
        writeln!(
            f,
            "memory: {} MiB in quiet phases, {} MiB at most",
            mib(observed.quiet_kib),
            mib(observed.peak_kib)
        )?;
        let [store, log, other] = self.excess().map(|bytes| bytes / 1e6);
        writeln!(
            f,
            "disk beyond honest messages: store {store:.2}, log {log:.2}, other {other:.2} MB a minute ({:?} -> {:?})",
            observed.quiet, observed.attacked
        )?;
        writeln!(f, "attacks: {counts:?}")?;
        write!(f, "connections: {outcomes:?}")
    }
}

/// How many times as long the slowest hundredth of the honest messages may take under attack.
const MAX_RATIO: f64 = 3.0;
/// Resident memory of the platform at most.
const MAX_MEMORY_KIB: u64 = 300 * 1024;
/// Bytes a minute by which the disk may grow beyond what the honest messages take.
const MAX_GROWTH: f64 = 1e6;
const SHOWN_FAILURES: usize = 8;
