//! What every connection of the listener shares.

use std::sync::Arc;
use std::time::Duration;

use super::fhir::Reads;
use super::oauth::SignedMetadata;
use super::partner::PartnerQueue;
use super::places::Places;
use super::rates::Rates;
use super::refusals::RefusalRows;
use super::turns::Turns;
use crate::clients::{LastReads, RegistryHandle};
use crate::config::ConfigHandle;
use crate::metrics::Metrics;
use crate::model::{Clock, ComputingTurns, explained};
use crate::store::{Store, StoreError};
use crate::tls::ApiAcceptor;

/// What every connection of the listener shares. Clones are cheap.
#[derive(Debug, Clone)]
pub struct ApiState {
    pub(super) config: ConfigHandle,
    pub(super) acceptor: Arc<ApiAcceptor>,
    pub(super) registry: RegistryHandle,
    pub(super) last_reads: LastReads,
    pub(super) store: Store,
    pub(super) metrics: Metrics,
    pub(super) clock: Clock,
    pub(super) places: Places,
    /// Requests that are answered at once.
    pub(super) turns: Turns,
    /// Requests of partners that wait for a notification.
    pub(super) waiting: Turns,
    /// The queue of their notifications.
    pub(super) partners: PartnerQueue,
    /// What handshakes compute.
    pub(super) handshaking: ComputingTurns,
    pub(super) refusals: RefusalRows,
    /// Requests for tokens that are answered at once: they take no turn of a client that reads.
    pub(super) token_turns: Turns,
    /// Requests for tokens, by address and by client.
    pub(super) rates: Rates,
    /// What strangers learn of the token endpoint, signed.
    pub(super) signed_metadata: SignedMetadata,
    /// Requests for certificates, by address.
    pub(super) enrolment_rates: Rates,
    /// Registrations, by issuer.
    pub(super) registration_rates: Rates,
    /// Log lines about the store.
    fault_lines: Rates,
    pub(super) reads: Reads,
    /// The connections of `reads`, for what a request has to show before it is admitted.
    pub(super) look_ups: Store,
}

impl ApiState {
    /// The state of a listener.
    #[must_use]
    pub fn new(
        config: ConfigHandle,
        acceptor: Arc<ApiAcceptor>,
        (registry, last_reads): (RegistryHandle, LastReads),
        (store, metrics, clock): (Store, Metrics, Clock),
    ) -> Self {
        let started = config.load_full();
        let base = format!("{}/fhir", started.api.base_url);
        // Slow answers take no connection from the directory, from orders or from pages.
        let look_ups = store.with_own_connections();
        let reads = Reads::new(look_ups.clone(), Arc::clone(&config), metrics.clone(), base);
        Self {
            turns: Turns::new(started.api.max_requests),
            waiting: Turns::new(started.api.max_requests),
            partners: PartnerQueue::new(&store),
            config,
            acceptor,
            registry,
            last_reads,
            store,
            metrics,
            clock,
            places: Places::default(),
            handshaking: ComputingTurns::beside_devices(),
            refusals: RefusalRows::default(),
            token_turns: Turns::new(started.api.max_requests),
            rates: Rates::each(Duration::from_secs(1)),
            signed_metadata: SignedMetadata::default(),
            enrolment_rates: Rates::each(Duration::from_mins(1)),
            registration_rates: Rates::each(Duration::from_mins(1)),
            fault_lines: Rates::each(Duration::from_mins(1)),
            reads,
            look_ups,
        }
    }

    /// Counts a request that the store did not take or answer. Clients decide how many there are, so the log
    /// has a line a minute.
    pub(super) fn store_failed(&self, error: &StoreError) {
        self.metrics.api.refuse("store-unavailable");
        if self.fault_lines.allows_client("store", 1, self.clock.instant()) {
            tracing::error!(
                error = %explained(error),
                "the store does not answer; hospital systems are asked to try again; the next line follows after a minute"
            );
        }
    }
}
