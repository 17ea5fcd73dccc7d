//! What answers are made from.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;

use super::answer::Failure;
use super::minute::MinuteReads;
use crate::config::ConfigHandle;
use crate::metrics::Metrics;
use crate::render::{Renderer, mapping_options};
use crate::store::Store;

/// What answers are made from. Clones share it.
#[derive(Debug, Clone)]
pub struct Reads {
    pub(super) store: Store,
    pub(super) config: ConfigHandle,
    pub(super) metrics: Metrics,
    /// The address of the root of FHIR, without a solidus at its end.
    pub(super) base: String,
    pub(super) minute: MinuteReads,
    /// Answers that are made at once: each has its messages in memory.
    pub(super) rendering: Arc<Semaphore>,
    logged: Arc<Mutex<Logged>>,
}

/// When a failed read was logged last, and how many there were since.
#[derive(Debug, Default)]
struct Logged {
    at: Option<jiff::Timestamp>,
    others: u64,
}

impl Reads {
    /// Answers from this store. `base` is the address at which readers see the root of FHIR, without a
    /// solidus at its end: `https://platform.hospital.example:8443/fhir`.
    #[must_use]
    pub fn new(store: Store, config: ConfigHandle, metrics: Metrics, base: String) -> Self {
        let rendering = Arc::new(Semaphore::new(config.load().api.max_rendering));
        Self {
            store,
            config,
            metrics,
            base,
            minute: MinuteReads::default(),
            rendering,
            logged: Arc::default(),
        }
    }

    /// Writes what is still to be recorded: the platform stops, and no request is open.
    pub async fn finish(&self) {
        self.minute.finish(&self.store).await;
    }

    /// Renders with the mapping as it is configured now.
    pub(super) async fn renderer(&self) -> Renderer {
        Renderer::new(&self.store, mapping_options(&self.config.load())).await
    }

    /// Logs what failed: a line in ten seconds, as readers ask again at once.
    pub(super) fn log(&self, failure: &Failure) {
        let Some(fault) = &failure.fault else { return };
        let (mut logged, now) =
            (self.logged.lock().unwrap_or_else(PoisonError::into_inner), self.store.now());
        if logged.at.is_some_and(|at| now.duration_since(at).abs() < LOG_INTERVAL) {
            logged.others += 1;
            return;
        }
        let others = std::mem::take(&mut logged.others);
        logged.at = Some(now);
        tracing::error!(error = %fault, others, "the index of FHIR resources cannot be read; readers get 503");
    }

    /// Whether this node knows that the index is switched off.
    pub(super) fn is_disabled(&self) -> bool {
        !self.config.load().fhir.enabled
    }

    /// The present time as an `instant` of FHIR.
    pub(super) fn now(&self) -> String {
        instant(self.store.now())
    }
}

/// The least time between two lines of the log about failed reads.
const LOG_INTERVAL: jiff::SignedDuration = jiff::SignedDuration::from_secs(10);

/// A time as an `instant` of FHIR.
pub(super) fn instant(at: jiff::Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}
