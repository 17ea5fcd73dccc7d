//! What the handlers of the admin listener use.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::FromRef;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::command_line::{CommandLine, NoCommands};
use super::person::Person;
use super::problem::Problem;
use super::refused_looks::RefusedLooks;
use super::reload::{Reloaded, Reloader};
use super::running::RunningCommands;
use super::store_check::StoreCheck;
use crate::audit::{Event, ViewedAs};
use crate::authz::Directory;
use crate::clients::LastRead;
use crate::config::ConfigHandle;
use crate::finding::Board;
use crate::fleet::LiveDevice;
use crate::metrics::Metrics;
use crate::model::{DeviceId, MessageId, Right};
use crate::revocation::{Engine, KnownStaple};
use crate::store::{Removals, Scanned, Store};
use crate::view::{BehindView, CertificateView, ContentQuery, FeedView, GlanceView, SessionView, Trend};

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
    /// What is known of a device besides its feed.
    fn device(&self, device: &DeviceId) -> LiveDevice;
    /// The messages of the devices that send through `device`, which `is_connected` to any node.
    fn devices_behind(&self, device: &DeviceId, is_connected: bool, now: Timestamp) -> Vec<BehindView>;
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
    /// The directory as it decides now.
    fn directory(&self) -> Arc<Directory>;
    /// Reads the directory if it was changed; resolves within some seconds, to whether it decides now as it
    /// was stored when this was called.
    fn follow_directory(&self) -> BoxFuture<'static, bool>;
    /// When each client of a hospital system read last from this node.
    fn last_reads(&self) -> BTreeMap<String, LastRead>;
    /// The last day, minute by minute.
    fn trend(&self) -> Trend;
    /// The platform's certificates, its CAs and the roots.
    fn certificates(&self) -> Vec<CertificateView>;
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
    pub(super) commands: Arc<dyn CommandLine>,
    pub(super) refused_looks: RefusedLooks,
    pub(super) running: RunningCommands,
    pub(super) store_check: StoreCheck,
}

impl FromRef<AdminState> for Reloader {
    fn from_ref(state: &AdminState) -> Self {
        state.reloader.clone()
    }
}

impl AdminState {
    /// The current configuration.
    #[must_use]
    pub const fn config(&self) -> &ConfigHandle {
        &self.config
    }

    /// The metrics.
    #[must_use]
    pub const fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The store.
    #[must_use]
    pub const fn store(&self) -> &Store {
        &self.store
    }

    /// What is known of certificates.
    #[must_use]
    pub const fn revocation(&self) -> &Engine {
        &self.revocation
    }

    /// What only the running platform knows.
    #[must_use]
    pub fn live(&self) -> &dyn Live {
        &*self.live
    }

    /// Records that `person` looks at the content of a message, before it is shown. `reason` is what the
    /// person gave, if anything.
    ///
    /// # Errors
    /// When the person may not, or the row cannot be written: then nothing may be shown.
    pub async fn record_view(
        &self,
        person: &Person,
        message: MessageId,
        device: &DeviceId,
        viewed_as: ViewedAs,
        reason: Option<String>,
    ) -> Result<(), Problem> {
        person.demand(Right::Content)?;
        let (device, actor) = (device.clone(), person.actor().to_owned());
        let viewed = Event::MessageViewed { message, device, viewed_as, actor, reason };
        Ok(self.store.audit(viewed).await?)
    }

    /// Searches messages by what stands in them, on behalf of `person`, who gave a reason. It is recorded
    /// before anything is searched.
    ///
    /// # Errors
    /// When the person may not, the row cannot be written, or the store does not answer.
    pub async fn search_content(
        &self,
        person: &Person,
        query: &ContentQuery,
        reason: String,
    ) -> Result<Scanned, Problem> {
        person.demand(Right::Content)?;
        Ok(query.run(&self.store, person.actor().to_owned(), Some(reason)).await?)
    }

    /// Reads the configuration again, on behalf of `person`.
    ///
    /// # Errors
    /// When the person may not, or the platform is stopping.
    pub async fn reload(&self, person: &Person) -> Result<Reloaded, Problem> {
        person.demand(Right::Administer)?;
        let reloaded = self.reloader.reload(person.actor()).await;
        reloaded.ok_or_else(|| Problem::unavailable("the platform is stopping"))
    }

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
        let commands = Arc::new(NoCommands);
        Self {
            config,
            metrics,
            store,
            revocation,
            drain,
            reloader,
            live,
            commands,
            refused_looks: RefusedLooks::default(),
            running: RunningCommands::default(),
            store_check: StoreCheck::default(),
        }
    }

    /// The state of a platform that executes commands for people.
    #[must_use]
    pub fn with_commands(self, commands: Arc<dyn CommandLine>) -> Self {
        Self { commands, ..self }
    }
}
