//! Watches over devices that send regularly.

use std::time::Duration;

use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::Platform;
use crate::audit::Event;
use crate::interface_a::Feeds;
use crate::pcd::{Feed, FeedChange};
use crate::store::{MessageFilter, StoreError};

/// How soon a silence is noticed.
const INTERVAL: Duration = Duration::from_secs(1);
/// Messages from which a habit is learned again after a start.
const HISTORY: u32 = 17;

impl Platform {
    /// Follows the feeds until `done`.
    pub(super) async fn watch_feeds(&self, feeds: &Feeds, done: &CancellationToken) {
        // Without its memory the platform learns anew.
        if let Err(error) = self.remember_feeds(feeds).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "what devices used to send is not known; it is learned again"
            );
        }
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = done.cancelled() => return,
                _ = ticks.tick() => {}
            }
            let rule = self.config.load().devices.silent_after;
            for (device, change) in feeds.check(&self.directory.load(), self.clock.now(), rule) {
                self.store
                    .audit_or_log(match change {
                        FeedChange::Silent { last, patience } => {
                            Event::FeedSilent { device, last, patience: patience.as_secs() }
                        }
                        FeedChange::Resumed { pause } => {
                            Event::FeedResumed { device, pause: pause.as_secs() }
                        }
                    })
                    .await;
            }
            self.metrics.feeds_silent.set(i64::try_from(feeds.silent()).unwrap_or(i64::MAX));
        }
    }

    async fn remember_feeds(&self, feeds: &Feeds) -> Result<(), StoreError> {
        for device in self.store.devices().await? {
            let filter =
                MessageFilter { device: Some(device.id.clone()), limit: HISTORY, ..MessageFilter::default() };
            let messages = self.store.messages(&filter).await?;
            let accepted = messages.iter().rev().filter(|message| message.verdict.rejection().is_none());
            let times = accepted.map(|message| message.received_at);
            if let Some(feed) = Feed::remembered(times, self.clock.now()) {
                feeds.remember(device.id, feed);
            }
        }
        Ok(())
    }
}
