//! What a connection needs of the platform, and what its tasks for the store bring back.

use std::time::Instant;

use tokio_util::sync::CancellationToken;

use crate::contact::Contacts;
use crate::interface_a::relay::{PlatformAnswer, Relay};
use crate::interface_a::session::{Now, Ticket};
use crate::liveness::Liveness;
use crate::metrics::Metrics;
use crate::model::Clock;
use crate::store::{RecordOutcome, Store, StoreError};

/// What a connection needs of the platform.
#[derive(Debug)]
pub(in crate::interface_a) struct Services {
    pub(in crate::interface_a) store: Store,
    pub(in crate::interface_a) relay: Relay,
    pub(in crate::interface_a) liveness: Liveness,
    pub(in crate::interface_a) contacts: Contacts,
    pub(in crate::interface_a) clock: Clock,
    pub(in crate::interface_a) metrics: Metrics,
    /// Cancelled when the platform shuts down: the session finishes what is in flight, then closes.
    pub(in crate::interface_a) drain: CancellationToken,
}

/// A task for the store that is done.
pub(super) enum StoreResult {
    Recorded(Ticket, Result<RecordOutcome, StoreError>, Option<PlatformAnswer>),
    Audited,
    PassedOn,
}

impl Services {
    pub(in crate::interface_a) fn now(&self) -> Now {
        Now { wall: self.clock.now(), instant: self.clock.instant() }
    }

    pub(super) fn observe(&self, stage: &str, since: Instant) {
        let spent = self.clock.instant().saturating_duration_since(since);
        self.metrics.message_duration_seconds.with_label_values(&[stage]).observe(spent.as_secs_f64());
    }
}
