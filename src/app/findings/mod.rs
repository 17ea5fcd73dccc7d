//! What an operator should know of the running platform, examined every few seconds.
//!
//! The functions of this folder look at one thing each and are used by `check` as well, so that a start and a
//! running platform report the same.

mod devices;
mod store;
mod trust;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::Platform;
use super::live::LiveView;
use super::removals::removals;
use crate::finding::{Changes, Code, Finding, Severity, Subject};
use crate::http::Live as _;

pub use store::of_error;
pub use trust::{authority, installed_crl, platform_certificate, staple, unfit_anchor};

/// Examines the platform.
#[derive(Debug, Clone)]
pub(super) struct Examiner {
    pub(super) platform: Arc<Platform>,
    pub(super) live: Arc<LiveView>,
    pub(super) drain: CancellationToken,
}

impl Examiner {
    /// Examines the platform until `done`.
    pub(super) async fn run(self, done: CancellationToken) {
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = done.cancelled() => return,
                _ = ticks.tick() => {}
            }
            let found = tokio::select! {
                () = done.cancelled() => return,
                found = self.examine() => found,
            };
            let changes = self.live.board.replace(found, self.platform.clock.now());
            log(&changes);
            for (code, count) in self.live.board.counts() {
                let gauge = self.platform.metrics.housekeeping.findings.with_label_values(&[code.code()]);
                gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
            }
        }
    }

    async fn examine(&self) -> Vec<Finding> {
        let Platform { store, directory, config, clock, .. } = &*self.platform;
        let mut found = self.process();
        found.extend(self.trust());
        found.extend(devices::silent(&directory.load(), &self.live.liveness, clock.now()));
        found.extend(devices::missing(&directory.load(), &self.live.liveness));
        let removals = removals(&config.load().store);
        found.extend(store::store(store, removals).await);
        found
    }

    /// The process: whether it accepts connections, and whether its parts run.
    fn process(&self) -> Vec<Finding> {
        let of = |code, what| Finding::new(code, Subject::Platform, what);
        let draining = self.drain.is_cancelled();
        let draining = draining.then(|| of(Code::ShuttingDown, "the platform is shutting down".to_owned()));
        let shortage = self.live.shortage().map(|shortage| of(Code::NotAccepting, shortage));
        let failed = self.live.failed_tasks();
        let failed = (!failed.is_empty())
            .then(|| of(Code::TaskFailed, format!("ended because of a fault: {}", failed.join(", "))));
        let unconfirmed = self.platform.metrics.housekeeping.clock_confirmed.get() == 0;
        let unconfirmed = unconfirmed.then(|| {
            of(Code::ClockUnconfirmed, "the clock is not believed, and retention pauses".to_owned())
        });
        [draining, shortage, failed, unconfirmed].into_iter().flatten().collect()
    }

    /// Certificates, roots, staples and lists.
    fn trust(&self) -> Vec<Finding> {
        let Platform { acceptor, revocation, config, clock, .. } = &*self.platform;
        let (now, config) = (clock.now(), config.load());
        let own = acceptor.certificates();
        let own = own.iter().filter_map(|facts| platform_certificate(facts, now).err());
        let authorities = acceptor.authorities();
        let authorities = authorities.iter().filter_map(|known| authority(known, now)?.1.err());
        let anchors = acceptor.unfit_anchors();
        let staples = self.live.staples();
        let crls = revocation.installed_crls();
        let undetermined = config.revocation.when_undetermined;
        let crls = crls.iter().filter_map(|crl| installed_crl(crl, undetermined, now));
        let staples = staples.iter().filter_map(|known| staple(known).err());
        own.chain(authorities).chain(anchors.iter().map(unfit_anchor)).chain(staples).chain(crls).collect()
    }
}

/// One line for each finding that begins or ends, as long as they are few.
fn log(changes: &Changes) {
    for Finding { code, severity, subject, what, .. } in changes.begun.iter().take(MAX_LINES) {
        let to_do = code.what_to_do();
        match severity {
            Severity::Urgent => tracing::error!(%code, %subject, what, to_do, "finding"),
            Severity::Attention => tracing::warn!(%code, %subject, what, to_do, "finding"),
            Severity::Info => tracing::info!(%code, %subject, what, to_do, "finding"),
        }
    }
    for Finding { code, subject, .. } in changes.ended.iter().take(MAX_LINES) {
        tracing::info!(%code, %subject, "finding ended");
    }
    let more = changes.begun.len().saturating_sub(MAX_LINES) + changes.ended.len().saturating_sub(MAX_LINES);
    if more > 0 {
        tracing::warn!(more, "further findings began or ended; `pcd-platform status` lists them");
    }
}

/// How often the platform is examined.
const INTERVAL: Duration = Duration::from_secs(5);
/// Lines about findings that begin, and about those that end, in one examination.
const MAX_LINES: usize = 20;
