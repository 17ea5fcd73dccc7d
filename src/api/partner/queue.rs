//! What partners that wait for notifications share.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use crate::clients::Oid;
use crate::store::{Store, StoreError};

/// The queue of notifications, as the requests of partners see it. Clones share it.
#[derive(Debug, Clone)]
pub(in crate::api) struct PartnerQueue {
    /// With connections of its own: partners decide how much they ask.
    pub(in crate::api) store: Store,
    due: Arc<Mutex<Due>>,
}

/// The organisations that may have a notification.
#[derive(Debug, Default)]
struct Due {
    read: Option<Instant>,
    organisations: HashSet<Oid>,
}

impl PartnerQueue {
    pub(in crate::api) fn new(store: &Store) -> Self {
        Self { store: store.with_own_connections(), due: Arc::default() }
    }

    /// Whether the organisation may have a notification now. However many requests wait, the store is asked
    /// twice a second at most.
    pub(super) async fn may_have_due(&self, organisation: &Oid, now: Instant) -> Result<bool, StoreError> {
        let mut due = self.due.lock().await;
        if due.read.is_none_or(|read| now.saturating_duration_since(read) >= READ_INTERVAL) {
            due.organisations = self.store.organisations_with_due().await?.into_iter().collect();
            due.read = Some(now);
        }
        Ok(due.organisations.contains(organisation))
    }
}

const READ_INTERVAL: Duration = Duration::from_millis(500);
