//! The task that writes what was seen to the store.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::table::Contacts;
use crate::authz::DirectoryHandle;
use crate::liveness::{FeedState, Liveness};
use crate::model::{Clock, DeviceId, explained};
use crate::store::{Feed, Observations, Store};

/// Writes what was seen.
#[derive(Debug, Clone)]
pub struct Recorder {
    /// What Interface A has seen.
    pub contacts: Contacts,
    /// When devices were heard.
    pub liveness: Liveness,
    /// The devices that may connect.
    pub directory: DirectoryHandle,
    /// Where it is written.
    pub store: Store,
    /// The time of each write.
    pub clock: Clock,
}

/// When a feed was heard, whether it was silent, and whether it had left.
type Written = (Timestamp, bool, bool);

/// What one run of the task knows.
#[derive(Debug, Default)]
struct Progress {
    has_begun: bool,
    /// When rows of removed devices were deleted last.
    forgot: Option<Instant>,
    /// When the feeds were compared last.
    compared: Option<Instant>,
    /// The feeds that are written next.
    waiting: VecDeque<Feed>,
    /// What was written of each feed.
    written: HashMap<(DeviceId, Option<Arc<str>>), Written>,
}

impl Recorder {
    /// Runs until `done` is cancelled, and writes the rest then.
    pub async fn run(self, done: CancellationToken) {
        let mut progress = Progress::default();
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let is_done = tokio::select! {
                () = done.cancelled() => true,
                _ = ticks.tick() => false,
            };
            let is_written = self.write(&mut progress, is_done).await;
            if is_done {
                return;
            }
            if !is_written {
                tokio::select! {
                    () = done.cancelled() => {}
                    () = tokio::time::sleep(RETRY_DELAY) => {}
                }
            }
        }
    }

    /// Writes what is due. False when it could not be written; then it waits.
    async fn write(&self, progress: &mut Progress, everything: bool) -> bool {
        let now = self.clock.instant();
        let is_over = |since: Option<Instant>, interval: Duration| {
            since.is_none_or(|since| now.saturating_duration_since(since) >= interval)
        };
        let forgets_removed = is_over(progress.forgot, FORGET_INTERVAL);
        if forgets_removed {
            let directory = self.directory.load();
            self.contacts.forget(|device| directory.find(device).is_some());
        }
        let is_due = progress.waiting.is_empty() && is_over(progress.compared, COMPARE_INTERVAL);
        if everything || is_due {
            progress.compared = Some(now);
            progress.compare(self.liveness.feeds(), &self.store, everything);
        }
        let max_feeds = if everything { usize::MAX } else { MAX_FEEDS };
        let feeds = progress.waiting.drain(..max_feeds.min(progress.waiting.len())).collect();
        let day = self.clock.now().to_zoned_datetime(TimeZone::system()).date().to_string();
        let seen = self.contacts.take(self.store.node(), &day, now, everything);
        let observations = Observations { begins: !progress.has_begun, forgets_removed, feeds, ..seen };
        if observations.is_empty() {
            return true;
        }
        match self.store.record_observations(observations.clone()).await {
            Ok(()) => {
                progress.has_begun = true;
                if forgets_removed {
                    progress.forgot = Some(now);
                }
                true
            }
            Err(error) => {
                tracing::debug!(error = %explained(&error), "what was seen of devices waits for the store");
                progress.waiting.extend(observations.feeds.iter().cloned());
                self.contacts.restore(observations, now);
                false
            }
        }
    }
}

impl Progress {
    /// Finds the feeds whose rows are out of date. What waits is replaced by what is newer.
    fn compare(&mut self, feeds: Vec<FeedState>, store: &Store, everything: bool) {
        let key = |feed: &Feed| (feed.via.clone(), feed.identity.clone());
        let mut waiting: BTreeMap<_, _> = self.waiting.drain(..).map(|feed| (key(&feed), feed)).collect();
        let mut written = HashMap::with_capacity(feeds.len());
        for feed in feeds {
            let id = (feed.via.clone(), feed.identity.clone());
            let known = self.written.remove(&id);
            let is_current = known.is_some_and(|(last, is_silent, has_left)| {
                let late = feed.last.duration_since(last);
                let is_fresh = late.is_zero() || (!everything && late.unsigned_abs() < MAX_FEED_AGE);
                is_fresh && (is_silent, has_left) == (feed.is_silent, feed.has_left)
            });
            let is_storable = |name: &Arc<str>| {
                !name.is_empty() && name.len() <= MAX_IDENTITY_BYTES && !name.contains('\0')
            };
            let is_storable = feed.identity.as_ref().is_none_or(is_storable);
            let state = (feed.last, feed.is_silent, feed.has_left);
            if is_current {
                written.extend(known.map(|known| (id, known)));
            } else if is_storable {
                let row = row(feed, store);
                waiting.insert(key(&row), row);
                written.insert(id, state);
            }
        }
        self.waiting = waiting.into_values().collect();
        self.written = written;
    }
}

fn row(feed: FeedState, store: &Store) -> Feed {
    let FeedState { via, identity, last, pause, heartbeat, is_silent, has_left } = feed;
    let identity = identity.map(|name| name.to_string());
    Feed { via, identity, node: store.node().clone(), last, pause, heartbeat, is_silent, has_left }
}

/// How often something may be written.
const TICK: Duration = Duration::from_secs(1);
/// How soon it is tried again what the store did not take.
const RETRY_DELAY: Duration = Duration::from_secs(10);
/// How often rows of removed devices are deleted.
const FORGET_INTERVAL: Duration = Duration::from_mins(10);
/// How often the feeds are compared with what was written.
const COMPARE_INTERVAL: Duration = Duration::from_secs(10);
/// How old the time in the row of a feed may be.
const MAX_FEED_AGE: Duration = Duration::from_mins(1);
/// Rows about feeds in one write.
const MAX_FEEDS: usize = 128;
/// Longer identities are not written: an index of PostgreSQL limits the length of its keys.
const MAX_IDENTITY_BYTES: usize = 512;
