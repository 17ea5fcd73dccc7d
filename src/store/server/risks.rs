//! The risks of a store, as observed last, and those that the operator accepts.
//!
//! Settings such as `fsync`, and the tables, can change while the platform is connected (`ALTER SYSTEM`,
//! `ALTER TABLE`). On a server each connection reports them when it is opened, and the renewal of the lease
//! every two seconds. Besides, each transaction that stores a message checks the settings by itself, in its
//! own round trip: see [`crate::store::postgres::durability`]. A file is examined before and after each
//! commit that follows one of another connection. An examination that cannot be made is a risk itself.

use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::metrics::Metrics;
use crate::model::{Clock, FoundRisks, StoreRisk, StoreRisks};
use crate::store::error::StoreError;

/// The risks of one store. Clones share them.
#[derive(Debug, Clone, Default)]
pub(in crate::store) struct ObservedRisks(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    state: Mutex<State>,
    accepted: AtomicU16,
    /// Whether the store may be opened with a risk, to read it.
    opens_to_read: AtomicBool,
    metrics: OnceLock<Metrics>,
}

#[derive(Debug, Default)]
struct State {
    /// What the last examination found.
    examined: FoundRisks,
    examined_at: Option<Instant>,
    /// What was found besides.
    raised: FoundRisks,
}

impl State {
    fn all(&self) -> FoundRisks {
        self.examined.clone().with(&self.raised)
    }
}

impl ObservedRisks {
    pub(in crate::store) fn new(accepted: StoreRisks) -> Self {
        let risks = Self::default();
        risks.accept(accepted);
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
        let accepted: StoreRisks = accepted.iter().filter(|risk| risk.is_acceptable()).collect();
        self.0.accepted.store(accepted.bits(), Ordering::Relaxed);
    }

    /// Sets the gauges of `metrics` now and at each change. Only the first call has an effect.
    pub(in crate::store) fn report_to(&self, metrics: &Metrics) {
        if self.0.metrics.set(metrics.clone()).is_ok() {
            self.publish(self.observed());
        }
    }

    /// Replaces what the last examination found. Logs what has changed.
    pub(in crate::store) fn observe(&self, now: FoundRisks) {
        self.change(|state| {
            state.examined = now;
            state.examined_at = Some(Clock::system().instant());
            state.raised.remove(StoreRisk::Unexamined);
        });
    }

    /// Adds a risk that no examination finds, or replaces its object.
    pub(in crate::store) fn raise(&self, risk: StoreRisk, object: impl Into<String>) {
        self.change(|state| {
            state.raised.remove(risk);
            state.raised.add(risk, object);
        });
    }

    /// Ends such a risk.
    pub(in crate::store) fn lower(&self, risk: StoreRisk) {
        self.change(|state| state.raised.remove(risk));
    }

    /// Whether the last examination is so recent that its result counts.
    pub(in crate::store) fn is_examined(&self) -> bool {
        self.state().examined_at.is_some_and(|at| at.elapsed() < MAX_EXAMINATION_AGE)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state();
        let before = state.all().set();
        change(&mut state);
        let found = state.all();
        drop(state);
        let now = found.set();
        if before == now {
            return;
        }
        self.publish(now);
        for risk in now.without(before).iter() {
            let described = found.described(risk);
            if self.accepted().contains(risk) {
                tracing::warn!(
                    risk = risk.code(),
                    "the store can lose or hide acknowledged messages: {described}; store.accepted-risks accepts it"
                );
            } else {
                tracing::error!(
                    risk = risk.code(),
                    "the store can lose or hide acknowledged messages: {described}; nothing is acknowledged until \
                     that is changed back or accepted (docs/reference/store.md, \"Risks of the store\")"
                );
            }
        }
        for risk in before.without(now).iter() {
            tracing::warn!(risk = risk.code(), "the store no longer has this risk");
        }
    }

    /// The risks, and where they were found.
    pub(in crate::store) fn found(&self) -> FoundRisks {
        self.state().all()
    }

    pub(in crate::store) fn observed(&self) -> StoreRisks {
        self.found().set()
    }

    pub(in crate::store) fn accepted(&self) -> StoreRisks {
        StoreRisks::from_bits(self.0.accepted.load(Ordering::Relaxed))
    }

    /// # Errors
    /// [`StoreError::Risky`] when the store has a risk that is not accepted: nothing that it commits may be
    /// acknowledged. What was not read back is no reason to write no more: the next batch shows whether that
    /// is over.
    pub(in crate::store) fn require_accepted(&self) -> Result<(), StoreError> {
        let mut risks = self.found().without(self.accepted());
        risks.remove(StoreRisk::NotReadBack);
        if risks.is_empty() { Ok(()) } else { Err(StoreError::Risky(risks)) }
    }

    /// # Errors
    /// [`StoreError::Risky`] when the store is not ready: as in [`ObservedRisks::require_accepted`], and when
    /// the last batches were not read back.
    pub(in crate::store) fn require_none(&self) -> Result<(), StoreError> {
        let risks = self.found().without(self.accepted());
        if risks.is_empty() { Ok(()) } else { Err(StoreError::Risky(risks)) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn publish(&self, risks: StoreRisks) {
        let Some(metrics) = self.0.metrics.get() else { return };
        for risk in StoreRisk::ALL {
            metrics.store_risks.with_label_values(&[risk.code()]).set(risks.contains(risk).into());
        }
    }
}

/// Older examinations count as none.
const MAX_EXAMINATION_AGE: Duration = Duration::from_secs(5);
