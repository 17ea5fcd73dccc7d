//! Waits for changes of the device directory.

use std::time::Duration;

use crate::store::postgres::listener::Listener;
use crate::store::read::reader::Reader;

/// Waits for changes of the device directory, by any process or node.
#[derive(Debug)]
pub struct DirectoryChanges(Option<Listener>);

impl Reader {
    /// Waits for changes of the device directory.
    pub(in crate::store) fn directory_changes(&self) -> DirectoryChanges {
        DirectoryChanges(match self {
            Self::Sqlite(_) => None,
            Self::Postgres(pool) => Some(Listener::new(pool.clone())),
        })
    }
}

impl DirectoryChanges {
    /// Returns when the directory may have changed;
    /// [`Store::device_revision`](crate::store::Store::device_revision) says whether it has.
    pub async fn next(&mut self) {
        match &mut self.0 {
            None => tokio::time::sleep(POLL_INTERVAL).await,
            Some(listener) => listener.changed().await,
        }
    }
}

/// How often SQLite is polled: it has no notifications.
const POLL_INTERVAL: Duration = Duration::from_millis(250);
