//! What answers are made from.

use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Body;
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};

use super::budget::Budget;
use super::minute::MinuteReads;
use super::misses::Misses;
use super::sending::AnswerMemory;
use crate::config::{Config, ConfigHandle};
use crate::metrics::Metrics;
use crate::render::{Mapper, RenderTurns, Renderer, mapping_options};
use crate::store::{Store, StoreError};

/// What answers are made from. Clones share it.
#[derive(Debug, Clone)]
pub struct Reads {
    pub(super) store: Store,
    pub(super) config: ConfigHandle,
    pub(super) metrics: Metrics,
    /// The address of the root of FHIR, without a solidus at its end.
    pub(super) base: String,
    pub(super) minute: MinuteReads,
    pub(super) misses: Misses,
    turns: RenderTurns,
    /// How messages are mapped by the configuration beside it.
    mapper: Arc<Mutex<Option<ConfiguredMapper>>>,
    pub(super) answer_memory: AnswerMemory,
    /// When a fault of the store was logged last.
    logged: Arc<Mutex<Option<Timestamp>>>,
}

/// How messages are mapped, and by which configuration.
type ConfiguredMapper = (Arc<Config>, Arc<Mapper>);

impl Reads {
    /// Answers from this store. `base` is the address at which readers see the root of FHIR, without a
    /// solidus at its end: `https://platform.hospital.example:8443/fhir`.
    #[must_use]
    pub fn new(store: Store, config: ConfigHandle, metrics: Metrics, base: String) -> Self {
        let answer_memory = AnswerMemory::new(config.load().api.answer_memory);
        let (minute, turns) = (MinuteReads::default(), RenderTurns::default());
        let (mapper, logged) = (Arc::default(), Arc::default());
        let misses = Misses::default();
        Self { store, config, metrics, base, minute, misses, turns, mapper, answer_memory, logged }
    }

    /// Writes what is still to be recorded: the platform stops, and no request is open.
    pub async fn finish(&self) {
        self.minute.finish(&self.store).await;
    }

    /// Logs a fault of the store: readers decide how often they ask, and not how much is logged.
    pub(super) fn log_fault(&self, error: &str) {
        let now = self.store.now();
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = logged.is_none_or(|last| now.duration_since(last).abs() >= LOG_INTERVAL);
        if is_due {
            *logged = Some(now);
            tracing::error!(error, "the index of FHIR resources cannot be read; readers get 503");
        }
    }

    /// Renders for this client, with the mapping as it is configured now.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(in crate::api) async fn renderer(&self, client: &str) -> Result<Renderer, StoreError> {
        let config = self.config.load_full();
        let known = self.mapper.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mapper = match known.filter(|(of, _)| Arc::ptr_eq(of, &config)) {
            Some((_, mapper)) => mapper,
            None => {
                let mapper = Arc::new(Mapper::new(&self.store, mapping_options(&config)).await?);
                let made = Some((config, Arc::clone(&mapper)));
                *self.mapper.lock().unwrap_or_else(PoisonError::into_inner) = made;
                mapper
            }
        };
        Ok(Renderer::of(&self.store, mapper).with_turns(self.turns.of(client)))
    }

    /// How often readers have mapped messages.
    #[cfg(test)]
    pub(super) fn turns_taken(&self) -> usize {
        self.turns.taken()
    }

    /// The address of the root of FHIR, without a solidus at its end.
    pub(in crate::api) fn base(&self) -> &str {
        &self.base
    }

    /// The body of a response, which counts until the client has taken it; `None`: there is no memory for it.
    pub(in crate::api) fn sent_body(&self, bytes: Bytes) -> Option<Body> {
        self.answer_memory.body(bytes)
    }

    /// What one page may cost, from now on.
    pub(super) fn budget(&self) -> Budget {
        let config = self.config.load();
        let until = self.store.now().saturating_add(config.api.query_timeout / 2);
        Budget::new(config.api.max_page_messages, until.unwrap_or(Timestamp::MAX))
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
pub(super) fn instant(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

/// One line of the log in this time.
const LOG_INTERVAL: SignedDuration = SignedDuration::from_secs(10);
