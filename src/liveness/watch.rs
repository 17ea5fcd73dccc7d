//! The task that reports silent and resumed devices.

use std::time::Duration;

use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::behind::DevicesBehind;
use super::history;
use super::rules::Change;
use super::table::{FeedLimits, Liveness, Report};
use crate::audit::{Event, FeedsBehind};
use crate::authz::{Directory, DirectoryHandle};
use crate::config::{ConfigHandle, Identity};
use crate::metrics::Metrics;
use crate::model::{Clock, DeviceId, SilentAfter, explained};
use crate::store::{MessageFilter, Store};

/// Watches the liveness of all devices.
#[derive(Debug, Clone)]
pub struct Watch {
    /// The state that Interface A updates.
    pub liveness: Liveness,
    /// `[devices] silent-after` and the limits, read at each check.
    pub config: ConfigHandle,
    /// The devices that may connect.
    pub directory: DirectoryHandle,
    /// The source of the history at the start; the changes are recorded in its audit trail.
    pub store: Store,
    /// `pcd_feeds_silent` and the others of feeds.
    pub metrics: Metrics,
    /// The time of each check.
    pub clock: Clock,
}

impl Watch {
    /// Runs until `done` is cancelled.
    pub async fn run(self, done: CancellationToken) {
        if let Err(error) = history::restore(&self.store, &self.liveness, self.clock.now()).await {
            tracing::warn!(
                error = %explained(&error),
                "cannot read the message history of the devices; silence thresholds are learned again"
            );
        }
        let mut entries = history::Entries::default();
        let mut directory = self.directory.load_full();
        entries.see(&directory);
        self.forget_unlisted(&directory);
        let mut ticks = tokio::time::interval(CHECK_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = done.cancelled() => return,
                _ = ticks.tick() => self.check().await,
            }
            let present = self.directory.load_full();
            let is_changed = !std::sync::Arc::ptr_eq(&directory, &present);
            if is_changed {
                entries.see(&present);
                directory = present;
            }
            if let Err(error) = entries.restore(&self.store, &self.liveness, self.clock.now()).await {
                tracing::debug!(error = %explained(&error), "cannot read the history of a new entry");
            }
            if is_changed {
                self.forget_unlisted(&directory);
            }
        }
    }

    /// Where the list of an entry decides for whom it sends, it says whose silence is right.
    fn forget_unlisted(&self, directory: &Directory) {
        if self.config.load().devices.identity == Identity::Enforce {
            self.liveness.forget_unlisted(directory);
        }
    }

    async fn check(&self) {
        let config = self.config.load();
        let (rule, limits) = (config.devices.silent_after, FeedLimits::from(&config.devices));
        self.learn_from_other_nodes(rule).await;
        let reports = self.liveness.check(&self.directory.load(), self.clock.now(), rule, limits);
        for (device, report) in reports {
            if let Report::Silent(devices) = &report {
                let silent = devices.names.len() + devices.others;
                tracing::warn!(%device, silent, "devices behind a gateway stopped sending");
            }
            self.store.audit_or_defer(event(device, report)).await;
        }
        self.look_for_missing(rule).await;
        let count = |devices: usize| i64::try_from(devices).unwrap_or(i64::MAX);
        self.metrics.feeds_silent.set(count(self.liveness.silent_devices()));
        self.metrics.devices_missing.set(count(self.liveness.missing_devices()));
        self.metrics.feeds_behind.set(count(self.liveness.devices_watched_behind()));
        self.metrics.feeds_not_watched_total.inc_by(self.liveness.take_not_watched());
    }
}

impl Watch {
    /// A device that sends to another node is not silent. A store in a file has no other node: this one has
    /// heard every message in it.
    async fn learn_from_other_nodes(&self, rule: SilentAfter) {
        if !self.store.is_shared() {
            return;
        }
        let now = self.clock.now();
        for (device, since) in self.liveness.not_heard(&self.directory.load(), now, rule) {
            if let Err(error) = history::catch_up(&self.store, &self.liveness, &device, since, now).await {
                tracing::debug!(error = %explained(&error), "cannot read what other nodes received");
                return;
            }
        }
    }

    /// Reports expected devices that were never heard, on any node. The store may have forgotten a device
    /// that was.
    async fn look_for_missing(&self, rule: SilentAfter) {
        for (device, allowed) in self.liveness.unheard(&self.directory.load(), self.clock.now(), rule) {
            let filter = MessageFilter { device: Some(device.clone()), limit: 1, ..MessageFilter::default() };
            let Ok(messages) = self.store.messages(&filter).await else { continue };
            if self.liveness.set_missing(&device, messages.is_empty()) {
                tracing::warn!(
                    %device,
                    seconds = allowed.as_secs(),
                    "an expected device has sent nothing; device change --not-expected stops this"
                );
            }
        }
    }
}

fn event(device: DeviceId, report: Report) -> Event {
    match report {
        Report::Own(Change::Silent { last_heard, threshold }) => {
            Event::FeedSilent { device, last: last_heard, threshold: threshold.as_secs() }
        }
        Report::Own(Change::Resumed { gap }) => Event::FeedResumed { device, pause: gap.as_secs() },
        Report::Silent(devices) => Event::FeedsBehindSilent(feeds(device, devices)),
        Report::Resumed(devices) => Event::FeedsBehindResumed(feeds(device, devices)),
    }
}

fn feeds(device: DeviceId, DevicesBehind { names, others, last_heard }: DevicesBehind) -> FeedsBehind {
    let identities = names.iter().map(ToString::to_string).collect();
    FeedsBehind { device, identities, others, last: last_heard }
}

const CHECK_INTERVAL: Duration = Duration::from_secs(1);
