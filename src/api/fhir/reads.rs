//! What answers are made from.

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
}

impl Reads {
    /// Answers from this store. `base` is the address at which readers see the root of FHIR, without a
    /// solidus at its end: `https://platform.hospital.example:8443/fhir`.
    #[must_use]
    pub fn new(store: Store, config: ConfigHandle, metrics: Metrics, base: String) -> Self {
        Self { store, config, metrics, base, minute: MinuteReads::default() }
    }

    /// Writes what is still to be recorded: the platform stops, and no request is open.
    pub async fn finish(&self) {
        self.minute.finish(&self.store).await;
    }

    /// Renders with the mapping as it is configured now.
    pub(super) async fn renderer(&self) -> Renderer {
        Renderer::new(&self.store, mapping_options(&self.config.load())).await
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

/// A time as an `instant` of FHIR.
pub(super) fn instant(at: jiff::Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}
