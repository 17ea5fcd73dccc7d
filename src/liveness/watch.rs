//! The task that reports silent and resumed devices.

use std::time::Duration;

use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::rules::{Change, DeviceLiveness};
use super::table::Liveness;
use crate::audit::Event;
use crate::authz::DirectoryHandle;
use crate::config::ConfigHandle;
use crate::metrics::Metrics;
use crate::model::{Clock, DeviceId, explained};
use crate::store::{MessageFilter, Store, StoreError};

/// Watches the liveness of all devices.
#[derive(Debug, Clone)]
pub struct Watch {
    /// The state that Interface A updates.
    pub liveness: Liveness,
    /// `[devices] silent-after`, read at each check.
    pub config: ConfigHandle,
    /// The devices that may connect.
    pub directory: DirectoryHandle,
    /// The source of the history at the start; the changes are recorded in its audit trail.
    pub store: Store,
    /// `pcd_feeds_silent`.
    pub metrics: Metrics,
    /// The time of each check.
    pub clock: Clock,
}

impl Watch {
    /// Runs until `done` is cancelled.
    pub async fn run(self, done: CancellationToken) {
        if let Err(error) = self.restore().await {
            tracing::warn!(
                error = %explained(&error),
                "cannot read the message history of the devices; silence thresholds are learned again"
            );
        }
        let mut ticks = tokio::time::interval(CHECK_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = done.cancelled() => return,
                _ = ticks.tick() => self.check().await,
            }
        }
    }

    async fn check(&self) {
        let rule = self.config.load().devices.silent_after;
        for (device, change) in self.liveness.check(&self.directory.load(), self.clock.now(), rule) {
            self.store.audit_or_defer(event(device, change)).await;
        }
        let silent = i64::try_from(self.liveness.silent_devices()).unwrap_or(i64::MAX);
        self.metrics.feeds_silent.set(silent);
    }

    /// Learns from the newest accepted messages of each device.
    async fn restore(&self) -> Result<(), StoreError> {
        for device in self.store.devices().await? {
            let filter = MessageFilter {
                device: Some(device.id.clone()),
                limit: HISTORY_LENGTH,
                ..MessageFilter::default()
            };
            let messages = self.store.messages(&filter).await?;
            let accepted = messages.iter().rev().filter(|message| message.verdict.rejection().is_none());
            let times = accepted.map(|message| message.received_at);
            if let Some(liveness) = DeviceLiveness::from_history(times, self.clock.now()) {
                self.liveness.restore(device.id, liveness);
            }
        }
        Ok(())
    }
}

fn event(device: DeviceId, change: Change) -> Event {
    match change {
        Change::Silent { last_heard, threshold } => {
            Event::FeedSilent { device, last: last_heard, threshold: threshold.as_secs() }
        }
        Change::Resumed { gap } => Event::FeedResumed { device, pause: gap.as_secs() },
    }
}

const CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// Messages per device that are read at the start: one more than the gaps from which a threshold is learned.
const HISTORY_LENGTH: u32 = 17;
