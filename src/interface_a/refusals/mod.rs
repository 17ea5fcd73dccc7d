//! Audit rows about refused peers, at a bounded rate (A8 and A9.4: record the refusal).
//!
//! A peer decides how often it is refused, so it must not decide how much is stored for years. The first
//! refusal of a peer for a reason has a row of its own at once. The further ones of an interval share a row
//! with their number. The number and size of rows in a minute is limited, and what does not fit is counted in
//! one row for all other peers. No refusal is missing from the counts while the process runs.

mod aggregation;
mod budget;
mod limits;
mod others;
mod table;
#[cfg(test)]
mod tests;

use std::sync::{Mutex, MutexGuard, PoisonError};

use self::aggregation::Aggregation;
use self::limits::Limits;
use self::table::Refused;
use super::proxy::Origin;
use super::refused_peer::RefusedPeer;
use super::session::Now;
use crate::audit::{Event, RefusedPeers};
use crate::config::ConfigHandle;
use crate::metrics::Metrics;
use crate::model::Clock;
use crate::store::{Recorded, Store};
use crate::tls::{self, HandshakeError};

/// Records refusals in the audit trail.
#[derive(Debug)]
pub(super) struct Refusals {
    config: ConfigHandle,
    store: Store,
    metrics: Metrics,
    clock: Clock,
    aggregation: Mutex<Aggregation>,
}

impl Refusals {
    pub(super) fn new(config: ConfigHandle, store: Store, metrics: Metrics, clock: Clock) -> Self {
        Self { config, store, metrics, clock, aggregation: Mutex::default() }
    }

    /// Records a refusal: its row is durable on return, or it is counted for a later row.
    pub(super) async fn record(&self, peer: RefusedPeer, origin: Origin, refused: &HandshakeError) {
        let Origin { address, balancer, .. } = origin;
        let (refusal, certificate) = (refused.refusal, refused.certificate.as_deref());
        let own = || Event::ConnectionRefused {
            peer: address,
            balancer,
            refusal,
            certificate: certificate.cloned(),
            extension: refused.extension.clone(),
            revocation: tls::evidence(&refused.revocation),
        };
        let (now, limits) = (self.now(), self.limits());
        let row =
            self.aggregation().record(Refused { peer, refusal, certificate, address }, now, &limits, own);
        if let Some(row) = row {
            self.write(row).await;
        }
    }

    /// Writes the counting rows that are due. To be called about once a second.
    pub(super) async fn tick(&self) {
        let (now, limits) = (self.now(), self.limits());
        let due = self.aggregation().due(now, &limits);
        for row in due {
            self.write(row).await;
        }
    }

    /// Writes the rows of everything that was counted and not written.
    pub(super) async fn close(&self) {
        let (now, limits) = (self.now(), self.limits());
        let rest = self.aggregation().close(now, &limits);
        for row in rest {
            self.write(row).await;
        }
    }

    /// A row that cannot be written waits for the store to recover. One for which there is no room is counted
    /// for a later one.
    async fn write(&self, row: Event) {
        let (kind, count) = match &row {
            Event::RefusalsCounted { peers: RefusedPeers::Others { .. }, count } => ("others", count.count),
            Event::RefusalsCounted { count, .. } => ("counted", count.count),
            _ => ("own", 1),
        };
        if self.store.try_audit_or_defer(row.clone()).await != Recorded::NotKept {
            self.metrics.recorded_refusals_total.with_label_values(&[kind]).inc_by(count);
        } else {
            let now = self.now();
            self.aggregation().restore(&row, now);
        }
    }

    fn now(&self) -> Now {
        Now { wall: self.clock.now(), instant: self.clock.instant() }
    }

    fn limits(&self) -> Limits {
        Limits::from(&self.config.load().audit)
    }

    fn aggregation(&self) -> MutexGuard<'_, Aggregation> {
        self.aggregation.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
