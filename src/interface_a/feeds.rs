//! When each device was heard, and which of them have gone silent.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use crate::authz::Directory;
use crate::config::SilentAfter;
use crate::model::DeviceId;
use crate::pcd::{Feed, FeedChange};

/// The feeds of all devices. Cheap to clone; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Feeds(Arc<Mutex<HashMap<DeviceId, Feed>>>);

impl Feeds {
    /// A message of `device` was stored; `promised`: how soon it says that the next one comes.
    pub fn hear(&self, device: &DeviceId, at: Timestamp, promised: Option<Duration>) {
        let mut feeds = self.feeds();
        match feeds.get_mut(device) {
            Some(feed) => feed.hear(at, promised),
            None => {
                let mut feed = Feed::begin(at);
                feed.promise(promised);
                feeds.insert(device.clone(), feed);
            }
        }
    }

    /// What is known from before the platform was started; a device that was heard since then is left as it is.
    pub fn remember(&self, device: DeviceId, feed: Feed) {
        self.feeds().entry(device).or_insert(feed);
    }

    /// What is to be told now, once. Who may not connect is not expected, and forgotten.
    pub fn check(
        &self,
        directory: &Directory,
        now: Timestamp,
        rule: SilentAfter,
    ) -> Vec<(DeviceId, FeedChange)> {
        let mut feeds = self.feeds();
        feeds.retain(|device, _| directory.admit(device).is_ok());
        let changes =
            feeds.iter_mut().filter_map(|(device, feed)| Some((device.clone(), feed.check(now, rule)?)));
        changes.collect()
    }

    /// What is known of one device.
    #[must_use]
    pub fn of(&self, device: &DeviceId) -> Option<Feed> {
        self.feeds().get(device).cloned()
    }

    /// How many are silent.
    #[must_use]
    pub fn silent(&self) -> usize {
        self.feeds().values().filter(|feed| feed.is_silent()).count()
    }

    fn feeds(&self) -> MutexGuard<'_, HashMap<DeviceId, Feed>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
