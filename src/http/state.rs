//! What the handlers of the admin listener use.

use std::sync::Arc;

use axum::extract::FromRef;
use tokio_util::sync::CancellationToken;

use super::reload::Reloader;
use crate::config::ConfigHandle;
use crate::finding::Board;
use crate::metrics::Metrics;
use crate::model::DeviceId;
use crate::revocation::{Engine, KnownStaple};
use crate::store::{Removals, Store};
use crate::view::{BehindView, FeedView, GlanceView, SessionView};

/// What only a running platform knows.
pub trait Live: std::fmt::Debug + Send + Sync {
    /// The open sessions of this node.
    fn sessions(&self) -> Vec<SessionView>;
    /// The OCSP responses that are stapled to the platform's own certificate chains.
    fn staples(&self) -> Vec<KnownStaple>;
    /// When the device last sent a message; `None` before its first message.
    fn feed(&self, device: &DeviceId) -> Option<FeedView>;
    /// Whether the device is expected and was never heard.
    fn is_missing(&self, device: &DeviceId) -> bool;
    /// The messages of the devices that send through `device`.
    fn devices_behind(&self, device: &DeviceId) -> Vec<BehindView>;
    /// Why the platform takes no further connections at this moment.
    fn shortage(&self) -> Option<String>;
    /// The names of the running parts whose end stops the platform.
    fn failed_tasks(&self) -> Vec<&'static str>;
    /// What an operator should know.
    fn board(&self) -> &Board;
    /// Numbers of the running platform.
    fn glance(&self) -> GlanceView;
    /// What retention removes, as configured now.
    fn removals(&self) -> Removals;
}

/// What the handlers use.
#[derive(Debug, Clone)]
pub struct AdminState {
    pub(super) config: ConfigHandle,
    pub(super) metrics: Metrics,
    pub(super) store: Store,
    pub(super) revocation: Engine,
    pub(super) drain: CancellationToken,
    pub(super) reloader: Reloader,
    pub(super) live: Arc<dyn Live>,
}

impl FromRef<AdminState> for Reloader {
    fn from_ref(state: &AdminState) -> Self {
        state.reloader.clone()
    }
}

impl AdminState {
    /// `drain` is cancelled when the platform begins to shut down; from then on `/readyz` fails.
    #[must_use]
    pub fn new(
        config: ConfigHandle,
        metrics: Metrics,
        store: Store,
        revocation: Engine,
        drain: CancellationToken,
        reloader: Reloader,
        live: Arc<dyn Live>,
    ) -> Self {
        Self { config, metrics, store, revocation, drain, reloader, live }
    }
}
