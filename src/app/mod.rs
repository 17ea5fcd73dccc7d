//! The platform as a whole: the only place that sees every module.
//!
//! [`Platform::build`] does everything up to binding a port and so finds every problem that can be found before;
//! [`Bound::run`] serves until it is told to stop, and then finishes what it has begun.

mod audit;
mod certificates;
mod directory;
mod lifecycle;
mod live;
mod reload;
mod retention;
mod revocation;
pub mod telemetry;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio_util::sync::CancellationToken;

use crate::audit::{Event, StopReason};
use crate::audit_forwarder;
use crate::authz::DirectoryHandle;
use crate::config::{Config, ConfigHandle};
use crate::http;
use crate::interface_a::{Dependencies, InterfaceA, Registry, Serving};
use crate::liveness::{self, Liveness};
use crate::metrics::Metrics;
use crate::model::{BindError, Clock};
use crate::revocation::{Engine, KnownStaple, RevocationError};
use crate::southbound::Dispatcher;
use crate::store::{Store, StoreError};
use crate::tls::{Acceptor, AcceptorError, ConnectError};
use crate::x509::CertificateFacts;

use lifecycle::Ending;
pub use lifecycle::Signals;

/// How long the last words may take when there is no time any more.
const FAREWELL: Duration = Duration::from_secs(1);

/// A platform with everything read and checked, before it listens.
#[derive(Debug)]
pub struct Platform {
    config: ConfigHandle,
    clock: Clock,
    metrics: Metrics,
    store: Store,
    directory: DirectoryHandle,
    acceptor: Arc<Acceptor>,
    revocation: Engine,
}

/// A platform that listens and does not serve yet.
#[derive(Debug)]
pub struct Bound {
    platform: Platform,
    serving: Serving,
    admin: http::AdminListener,
    registry: Registry,
    liveness: Liveness,
    drain: CancellationToken,
}

/// What stands in the way of a platform.
#[derive(Debug, thiserror::Error)]
pub enum PlatformError {
    /// The store.
    #[error("the store cannot be used")]
    Store(#[from] StoreError),
    /// CRLs, responders, and the folder for what is fetched.
    #[error("what is known about revoked certificates cannot be used")]
    Revocation(#[from] RevocationError),
    /// Roots, certificates, keys.
    #[error("the TLS identities and roots cannot be used")]
    Tls(#[from] AcceptorError),
    /// The way to the audit record repository.
    #[error("the audit record repository cannot be reached with what is configured")]
    Repository(#[from] ConnectError),
    /// A port.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The registry of metrics.
    #[error("the metrics cannot be set up")]
    Metrics(#[from] prometheus::Error),
    /// A listening socket broke while serving.
    #[error("a listening socket broke")]
    Listener(#[source] std::io::Error),
    /// The operating system gives no threads.
    #[error("no threads for handshakes can be had")]
    Threads(#[source] std::io::Error),
    /// The operating system does not deliver signals.
    #[error("signals cannot be received")]
    Signals(#[source] std::io::Error),
}

impl Platform {
    /// Reads everything that the configuration names: store, directory, roots, CRLs, identities.
    ///
    /// # Errors
    /// When something of that cannot be used.
    pub async fn build(config: Config, clock: Clock) -> Result<Self, PlatformError> {
        let metrics = Metrics::new()?;
        // The identities first: they are the likelier mistake, and looking at them changes nothing.
        let directory = DirectoryHandle::default();
        let revocation = Engine::open(&config.revocation, metrics.clone(), clock.clone())?;
        let acceptor = Acceptor::build(&config, Arc::clone(&directory), revocation.clone(), clock.clone())
            .map(Arc::new)?;
        audit_forwarder::connector(&config, &clock)?;
        // Before anybody is served; what comes late is stapled when it comes.
        acceptor.staple(config.stapling.wait).await;
        let store = Store::open_as(config.node.clone(), &config.store_url, clock.clone()).await?;
        store.report_to(&metrics);
        directory.store(Arc::new(directory::read(&store).await?));
        let platform = Self {
            config: Arc::new(ArcSwap::from_pointee(config)),
            clock,
            metrics,
            store,
            directory,
            acceptor,
            revocation,
        };
        platform.publish_certificates();
        Ok(platform)
    }

    /// The platform's own certificates.
    #[must_use]
    pub fn certificates(&self) -> Vec<CertificateFacts> {
        self.acceptor.certificates()
    }

    /// What is stapled to them.
    #[must_use]
    pub fn staples(&self) -> Vec<KnownStaple> {
        self.acceptor.stapling().known()
    }

    /// The store.
    #[must_use]
    pub const fn store(&self) -> &Store {
        &self.store
    }

    /// Binds Interface A and the admin listener.
    ///
    /// # Errors
    /// When an address cannot be had.
    pub fn bind(self) -> Result<Bound, PlatformError> {
        let drain = CancellationToken::new();
        let registry = Registry::default();
        let liveness = Liveness::default();
        let serving = InterfaceA::new(Dependencies {
            config: Arc::clone(&self.config),
            acceptor: Arc::clone(&self.acceptor),
            directory: Arc::clone(&self.directory),
            registry: registry.clone(),
            liveness: liveness.clone(),
            store: self.store.clone(),
            metrics: self.metrics.clone(),
            clock: self.clock.clone(),
            drain: drain.clone(),
        })
        .map_err(PlatformError::Threads)?
        .bind()?;
        let admin = http::AdminListener::bind(self.config.load().admin_listen)?;
        Ok(Bound { platform: self, serving, admin, registry, liveness, drain })
    }

    fn publish_certificates(&self) {
        let gauge = &self.metrics.certificate_not_after_timestamp_seconds;
        for certificate in self.acceptor.certificates() {
            gauge
                .with_label_values(&["platform", certificate.key.family()])
                .set(certificate.not_after.as_second());
        }
    }
}

impl Bound {
    /// Where Interface A listens.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.serving.addresses()
    }

    /// Where the admin listener is.
    #[must_use]
    pub const fn admin_address(&self) -> SocketAddr {
        self.admin.address()
    }

    /// Ends the platform in good order when it is cancelled, as a first SIGTERM does.
    #[must_use]
    pub fn stopper(&self) -> CancellationToken {
        self.drain.clone()
    }

    /// Serves until a signal says stop, then finishes what is in flight and acknowledges it.
    ///
    /// # Errors
    /// When a part of the platform fails while it serves.
    pub async fn run(self, signals: Signals) -> Result<(), PlatformError> {
        let listen = self.addresses();
        let Self { platform, serving, admin, registry, liveness, drain } = self;
        let platform = Arc::new(platform);
        let started = Event::PlatformStarted { version: env!("CARGO_PKG_VERSION").to_owned(), listen };
        platform.store.audit_or_log(started).await;
        platform.tell_certificates_since_last_start().await;

        let done = CancellationToken::new();
        let refresh = tokio::spawn(platform.revocation.clone().refresh(done.clone()));
        let stapling = tokio::spawn(platform.acceptor.stapling().clone().keep(done.clone()));
        let revocation = tokio::spawn(revocation::watch(
            platform.revocation.clone(),
            registry.clone(),
            Arc::clone(&platform.config),
            done.clone(),
        ));
        let (reloader, reloads) = http::reloader();
        let live = Arc::new(live::LiveView {
            registry: registry.clone(),
            liveness: liveness.clone(),
            config: Arc::clone(&platform.config),
            stapling: platform.acceptor.stapling().clone(),
        });
        let state = {
            let (metrics, store) = (platform.metrics.clone(), platform.store.clone());
            http::AdminState::new(metrics, store, platform.revocation.clone(), drain.clone(), reloader, live)
        };
        let dispatcher = Dispatcher {
            store: platform.store.clone(),
            registry: registry.clone(),
            metrics: platform.metrics.clone(),
            clock: platform.clock.clone(),
            drain: drain.clone(),
        };
        let dispatching = dispatcher.start(done.clone()).await;
        let admin = tokio::spawn(admin.serve(state, done.clone()));
        let watch = tokio::spawn(directory::watch(
            platform.store.clone(),
            Arc::clone(&platform.directory),
            registry,
            platform.metrics.clone(),
            done.clone(),
        ));
        let signing = tokio::spawn(audit::sign_regularly(
            platform.store.clone(),
            Arc::clone(&platform.acceptor),
            Arc::clone(&platform.config),
            done.clone(),
        ));
        let feed = audit_forwarder::Forwarder {
            config: Arc::clone(&platform.config),
            store: platform.store.clone(),
            metrics: platform.metrics.clone(),
            clock: platform.clock.clone(),
        };
        let sending = tokio::spawn(feed.run(done.clone()));
        let watch_liveness = liveness::Watch {
            liveness,
            config: Arc::clone(&platform.config),
            directory: Arc::clone(&platform.directory),
            store: platform.store.clone(),
            metrics: platform.metrics.clone(),
            clock: platform.clock.clone(),
        };
        let listening = tokio::spawn(watch_liveness.run(done.clone()));
        let pruning = tokio::spawn({
            let (platform, done) = (Arc::clone(&platform), done.clone());
            async move { platform.prune(&done).await }
        });
        let grace = platform.config.load().interface_a.drain_timeout;
        let served = {
            let reload = |by| platform.reload(by);
            lifecycle::until_stopped(serving.run(), signals, reloads, &drain, grace, reload).await
        };

        let reason = if served.is_ok() { StopReason::Requested } else { StopReason::Fault };
        let farewell = async {
            platform.store.audit_or_log(Event::PlatformStopped { reason }).await;
            done.cancel();
            for task in [
                admin,
                watch,
                dispatching,
                signing,
                listening,
                pruning,
                refresh,
                stapling,
                revocation,
                sending,
            ] {
                if let Err(panic) = task.await {
                    tracing::error!(error = &panic as &dyn std::error::Error, "a task of ours failed");
                }
            }
            audit::sign(&platform.store, &platform.acceptor).await;
            platform.store.close().await;
        };
        if matches!(served, Ok(Ending::CutShort)) {
            // The store may be what holds everything up.
            if tokio::time::timeout(FAREWELL, farewell).await.is_err() {
                tracing::warn!("stopping without a last row in the audit trail: the store does not answer");
            }
        } else {
            farewell.await;
        }
        served.map(|_| ())
    }
}
