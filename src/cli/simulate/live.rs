//! The live line of a simulation: on a terminal one line that changes, elsewhere a line every ten seconds.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cli::Output;
use crate::simulate::{Counters, Live};

/// Where it is shown: stderr, because stdout has the summary.
pub(super) struct Display {
    bar: Option<ProgressBar>,
    devices: usize,
    last: Option<(Duration, Live)>,
    every: Duration,
}

impl Display {
    /// A line that changes where a person looks; lines one below the other elsewhere, and with `--json`.
    pub(super) fn new(output: Output) -> Self {
        let is_terminal = io::stderr().is_terminal() && !output.is_json();
        let bar = is_terminal.then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            bar.set_style(
                ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_bar()),
            );
            bar
        });
        let every = if is_terminal { TERMINAL_INTERVAL } else { LINE_INTERVAL };
        Self { bar, devices: 0, last: None, every }
    }

    pub(super) fn for_devices(self, devices: usize) -> Self {
        Self { devices, ..self }
    }

    /// A line about the preparation.
    pub(super) fn note(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.set_message(text.to_owned()),
            // Without a reader of stderr the work goes on.
            None => drop(writeln!(io::stderr().lock(), "{text}")),
        }
    }

    /// Shows the counts, if it is time.
    pub(super) fn show(&mut self, at: Duration, counters: &Counters) {
        let (since, before) = match &self.last {
            Some((last, _)) if at.saturating_sub(*last) < self.every => return,
            Some((last, before)) => (at.saturating_sub(*last), Some(*before)),
            None => (at, None),
        };
        let live = counters.live();
        self.last = Some((at, live));
        if before.is_none() && self.bar.is_none() {
            return;
        }
        let [p50, p99] = [0.5, 0.99].map(|share| counters.latencies().quantile(share));
        let rate = |now: u64, before: u64| now.saturating_sub(before) as f64 / since.as_secs_f64().max(0.001);
        let (sent, connected) = before.map_or((0.0, 0.0), |old| {
            (rate(live.acknowledged, old.acknowledged), rate(live.handshakes, old.handshakes))
        });
        self.note(&format!(
            "{:>6.0}s  {} of {} connected ({connected:.0}/s)  {} sent, {} acknowledged ({sent:.0}/s)  \
             p50 {:.1} ms, p99 {:.1} ms  {} sessions lost",
            at.as_secs_f64(),
            live.up,
            self.devices,
            live.sent,
            live.acknowledged,
            p50.as_secs_f64() * 1e3,
            p99.as_secs_f64() * 1e3,
            live.lost
        ));
    }

    pub(super) fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

const TERMINAL_INTERVAL: Duration = Duration::from_secs(1);
const LINE_INTERVAL: Duration = Duration::from_secs(10);
