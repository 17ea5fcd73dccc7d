//! The risks of a store, as observed last, and those that the operator accepts.
//!
//! Settings such as `fsync`, and the tables, can change while the platform is connected (`ALTER SYSTEM`,
//! `ALTER TABLE`). On a server each connection reports them when it is opened, and the renewal of the lease
//! every two seconds. Besides, each transaction that stores a message checks the settings by itself, in its
//! own round trip: see [`crate::store::postgres::durability`]. A file is examined before and after each
//! commit.

use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, OnceLock};

use crate::metrics::Metrics;
use crate::model::{StoreRisk, StoreRisks};
use crate::store::error::StoreError;

/// The risks of one store. Clones share them.
#[derive(Debug, Clone, Default)]
pub(in crate::store) struct ObservedRisks(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    observed: AtomicU16,
    accepted: AtomicU16,
    /// Whether the store may be opened with a risk, to read it.
    opens_to_read: AtomicBool,
    metrics: OnceLock<Metrics>,
}

impl ObservedRisks {
    pub(in crate::store) fn new(accepted: StoreRisks) -> Self {
        let risks = Self::default();
        risks.0.accepted.store(accepted.bits(), Ordering::Relaxed);
        risks
    }

    /// From now on the store is opened in any state. What is written needs one that is accepted all the same.
    pub(in crate::store) fn open_to_read(&self) {
        self.0.opens_to_read.store(true, Ordering::Relaxed);
    }

    /// # Errors
    /// [`StoreError::Risky`] when the store must not be opened in its state.
    pub(in crate::store) fn require_openable(&self) -> Result<(), StoreError> {
        if self.0.opens_to_read.load(Ordering::Relaxed) { Ok(()) } else { self.require_accepted() }
    }

    /// Replaces the accepted risks.
    pub(in crate::store) fn accept(&self, accepted: StoreRisks) {
        self.0.accepted.store(accepted.bits(), Ordering::Relaxed);
    }

    /// Sets the gauges of `metrics` now and at each change. Only the first call has an effect.
    pub(in crate::store) fn report_to(&self, metrics: &Metrics) {
        if self.0.metrics.set(metrics.clone()).is_ok() {
            self.publish(self.observed());
        }
    }

    /// Replaces the observed risks. Logs what has changed.
    pub(in crate::store) fn observe(&self, now: StoreRisks) {
        let before = StoreRisks::from_bits(self.0.observed.swap(now.bits(), Ordering::Relaxed));
        if before == now {
            return;
        }
        self.publish(now);
        let appeared = now.without(before);
        for risk in appeared.without(self.accepted()).iter() {
            tracing::error!(
                risk = risk.code(),
                "the store can lose or hide acknowledged messages: {risk}; nothing is acknowledged until that is \
                 changed back or accepted (store.accepted-risks)"
            );
        }
        for risk in appeared.without(appeared.without(self.accepted())).iter() {
            tracing::warn!(
                risk = risk.code(),
                "the store can lose or hide acknowledged messages: {risk}; store.accepted-risks accepts it"
            );
        }
        for risk in before.without(now).iter() {
            tracing::warn!(risk = risk.code(), "the store no longer has this risk");
        }
    }

    pub(in crate::store) fn observed(&self) -> StoreRisks {
        StoreRisks::from_bits(self.0.observed.load(Ordering::Relaxed))
    }

    pub(in crate::store) fn accepted(&self) -> StoreRisks {
        StoreRisks::from_bits(self.0.accepted.load(Ordering::Relaxed))
    }

    /// # Errors
    /// [`StoreError::Risky`] when the store has a risk that is not accepted: nothing that it commits may be
    /// acknowledged.
    pub(in crate::store) fn require_accepted(&self) -> Result<(), StoreError> {
        let risks = self.observed().without(self.accepted());
        if risks.is_empty() { Ok(()) } else { Err(StoreError::Risky(risks)) }
    }

    fn publish(&self, risks: StoreRisks) {
        let Some(metrics) = self.0.metrics.get() else { return };
        for risk in StoreRisk::ALL {
            metrics.store_risks.with_label_values(&[risk.code()]).set(risks.contains(risk).into());
        }
    }
}
