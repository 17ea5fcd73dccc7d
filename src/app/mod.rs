//! Puts the platform together: the only module that sees all others.
//!
//! [`Platform::build`] reads and checks everything up to binding a port, [`Platform::bind`] binds the ports,
//! and [`Bound::run`] serves until a signal or a fault ends it. `running` lists the running parts, `tasks`
//! supervises them.

mod audit;
mod certificates;
mod chain;
mod chain_end;
mod clock;
mod clock_watch;
mod directory;
mod enrolled;
mod error;
mod examine;
mod expiry;
pub mod findings;
mod health_report;
mod last_reload;
mod lifecycle;
mod live;
mod reload;
mod removals;
mod retention;
mod retention_pace;
mod retention_size;
mod revocation;
mod running;
mod service_manager;
mod size_watch;
mod store_wait;
mod stored_before;
mod tasks;
pub mod telemetry;
mod trend;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio_util::sync::CancellationToken;

use crate::api::ApiListener;
use crate::audit::{Event, ReloadedBy, StopReason};
use crate::audit_forwarder;
use crate::authz::DirectoryHandle;
use crate::clients::{LastReads, RegistryHandle};
use crate::config::{self, AdminSocket, Config, ConfigHandle, Values};
use crate::contact::Contacts;
use crate::gateway;
use crate::http;
use crate::interface_a::{Dependencies, InterfaceA, PassedSockets, Registry, Serving};
use crate::liveness::Liveness;
use crate::metrics::Metrics;
use crate::model::{Clock, Task, explained};
use crate::notify;
use crate::projector::ProjectionStatus;
use crate::revocation::Engine;
use crate::store::{MigrationPolicy, OwnChain, Store, WhenBehind};
use crate::tls::{Acceptor, ApiAcceptor, PeopleAcceptor};

pub use chain::examine_chain;
pub use directory::read_withdrawn;
pub use enrolled::{ExaminedPartner, examine_enrolled};
pub use error::PlatformError;
pub use examine::{Examination, examine, fetch_staples, probe_sources};
use lifecycle::Ending;
pub use lifecycle::Signals;
pub use removals::removals;
use service_manager::ServiceManager;
pub use stored_before::missing_store;
use tasks::Tasks;

/// A platform whose configuration, keys, roots and store are read and checked; it does not listen yet.
#[derive(Debug)]
pub struct Platform {
    config: ConfigHandle,
    /// The configuration that this process started with: some keys need a restart.
    started: Values,
    clock: Clock,
    metrics: Metrics,
    store: Store,
    directory: DirectoryHandle,
    acceptor: Arc<Acceptor>,
    people: Arc<PeopleAcceptor>,
    /// TLS for hospital systems.
    api: Arc<ApiAcceptor>,
    /// Hospital systems.
    clients: RegistryHandle,
    /// When each of them read last.
    last_reads: LastReads,
    revocation: Engine,
    clock_watch: clock_watch::ClockWatch,
    /// Limits of messages by size.
    sizes: size_watch::SizeWatch,
    last_reload: last_reload::LastReload,
    /// Which receivers of notifications fail.
    notifications: notify::Status,
    /// How the platform of a gateway is reached.
    gateway: gateway::Status,
    /// How far the index of FHIR resources is behind.
    projection: ProjectionStatus,
}

/// A platform with bound ports that does not serve yet.
#[derive(Debug)]
pub struct Bound {
    platform: Platform,
    serving: Serving,
    admin: http::AdminListener,
    api: ApiListener,
    commands: Option<Arc<dyn http::CommandLine>>,
    registry: Registry,
    liveness: Liveness,
    contacts: Contacts,
    drain: CancellationToken,
}

/// Logs the rights that the role of the platform lacks in the store.
async fn log_missing_rights(store: &Store, config: &Config) {
    if let Err(error) = store.check_rights(removals(&config.store)).await {
        let error = explained(&error);
        tracing::error!(
            error,
            "rights are missing in the store: grant them; until then the platform is not ready, and it ends now \
             if its start needs one of them"
        );
    }
}

impl Platform {
    /// Reads everything that the configuration names: store, directory, roots, CRLs, identities.
    ///
    /// # Errors
    /// When one of these cannot be used.
    pub async fn build(
        config: Config,
        migration: MigrationPolicy,
        clock: Clock,
    ) -> Result<Self, PlatformError> {
        let metrics = Metrics::new()?;
        // Identities before the store: mistakes are likelier there, and reading them changes nothing.
        let directory = DirectoryHandle::default();
        let revocation = Engine::open(&config.revocation, metrics.clone(), clock.clone())?;
        let acceptor = Acceptor::build(&config, Arc::clone(&directory), revocation.clone(), clock.clone())
            .map(Arc::new)?;
        let people = PeopleAcceptor::build(&config, revocation.clone(), clock.clone());
        let people = people.map(Arc::new).map_err(PlatformError::People)?;
        let api = ApiAcceptor::build(&config, revocation.clone(), clock.clone());
        let api = api.map(Arc::new).map_err(PlatformError::Api)?;
        audit_forwarder::connector(&config, &clock)?;
        gateway::connector(&config, &clock)?;
        let gateway = gateway::Status::new(config.gateway.as_ref());
        store_wait::await_store(&config, &clock).await?;
        let when_behind = match config.store.when_behind {
            config::WhenBehind::Refuse => WhenBehind::Refuse,
            config::WhenBehind::Continue => WhenBehind::Continue,
        };
        let chain =
            OwnChain::remembered(config.store.node.clone(), &config.audit.state_directory, when_behind);
        let store = Store::serve_chain(chain, &config.store.url, migration, clock.clone()).await?;
        store.report_to(&metrics);
        let kind = if config.store.url.is_postgres() { "postgres" } else { "sqlite" };
        metrics.operation.set_info(store.node().as_str(), kind);
        store.defer_audit_rows(config.audit.max_deferred_rows, &metrics);
        log_missing_rights(&store, &config).await;
        directory::load(&store, &directory, &revocation).await?;
        let platform = Self {
            started: config.values.clone(),
            config: Arc::new(ArcSwap::from_pointee(config)),
            clock,
            metrics,
            store,
            directory,
            acceptor,
            people,
            api,
            clients: RegistryHandle::default(),
            last_reads: LastReads::default(),
            revocation,
            clock_watch: clock_watch::ClockWatch::default(),
            sizes: size_watch::SizeWatch::default(),
            last_reload: last_reload::LastReload::default(),
            notifications: notify::Status::default(),
            gateway,
            projection: ProjectionStatus::default(),
        };
        if platform.config.load().messages.zone.is_unknown() {
            tracing::warn!("this machine does not say its time zone; times without zone are read as UTC");
        }
        platform.begin_with_clock().await;
        let config = platform.config.load_full();
        platform.publish_expiry(&config);
        Ok(platform)
    }

    /// Sets the gauges of certificates that end.
    fn publish_expiry(&self, config: &Config) {
        expiry::publish(&self.acceptor, &self.people, &self.api, config.gateway.as_ref(), &self.metrics);
    }

    /// The store.
    #[must_use]
    pub const fn store(&self) -> &Store {
        &self.store
    }

    /// Binds Interface A, as far as the service manager has passed no sockets for it, and the admin listener.
    /// The process may then open as many files as the system allows it.
    ///
    /// # Errors
    /// When an address cannot be bound, or a socket that was passed is for none.
    pub fn bind(self, passed: PassedSockets) -> Result<Bound, PlatformError> {
        let addresses = passed.assign(&self.config.load().interface_a.listen)?;
        let drain = CancellationToken::new();
        let registry = Registry::default();
        let (liveness, contacts) = (Liveness::default(), Contacts::default());
        let serving = InterfaceA::new(Dependencies {
            config: Arc::clone(&self.config),
            acceptor: Arc::clone(&self.acceptor),
            directory: Arc::clone(&self.directory),
            revocation: self.revocation.clone(),
            registry: registry.clone(),
            liveness: liveness.clone(),
            contacts: contacts.clone(),
            store: self.store.clone(),
            metrics: self.metrics.clone(),
            clock: self.clock.clone(),
            drain: drain.clone(),
        })
        .map_err(PlatformError::Threads)?
        .bind(addresses)?;
        let (people, clock) = (Arc::clone(&self.people), self.clock.clone());
        // Without people and probes the platform receives messages all the same. An operator at a
        // terminal waits for an answer.
        let may_wait = ServiceManager::from_environment().is_there();
        let mut admin = http::AdminListener::bind(self.config.load().admin.listen, may_wait, people, clock)?;
        self.bind_socket(&mut admin)?;
        self.note_socket(&admin);
        if let Some(address) = self.config.load().admin.health_listen {
            admin.bind_health(address, may_wait)?;
        }
        let api = ApiListener::bind(&self.config.load().api.listen, may_wait)?;
        Ok(Bound { platform: self, serving, admin, api, commands: None, registry, liveness, contacts, drain })
    }
}

impl Platform {
    /// Binds the socket for people. Without one that is configured, the platform serves devices all the same:
    /// commands then open the store themselves.
    fn bind_socket(&self, admin: &mut http::AdminListener) -> Result<(), PlatformError> {
        let config = self.config.load();
        let section = &config.admin;
        let Some(path) = section.socket.path(&config.audit.state_directory, &config.store.node) else {
            return Ok(());
        };
        match admin.bind_socket(&path, section.socket_group.as_deref()) {
            Err(error) if section.socket == AdminSocket::Beside => {
                let error = explained(&error);
                tracing::error!(error, "no socket for people and commands; set admin.socket to another path");
                Ok(())
            }
            bound => {
                bound?;
                let group = section.socket_group.as_deref();
                if let Some(why) = group.and_then(|group| http::unreachable_for(&path, group)) {
                    tracing::warn!(why, "the socket for people is not reachable for all who may connect");
                }
                Ok(())
            }
        }
    }
}

impl Platform {
    /// Commands look there once `admin.socket` was changed in the file.
    fn note_socket(&self, admin: &http::AdminListener) {
        let config = self.config.load();
        let (folder, node) = (&config.audit.state_directory, &config.store.node);
        if let Err(error) = http::note_socket(folder, node, admin.socket()) {
            tracing::debug!(%error, "the path of the socket could not be written down");
        }
    }
}

impl Bound {
    /// Fetches the OCSP responses for the platform's own certificates, for `stapling.wait` at most. The ports
    /// are bound, and connections wait for the first handshake; a response that arrives later is stapled when
    /// it arrives.
    pub async fn fetch_staples(&self) {
        let wait = self.platform.config.load().stapling.wait;
        self.platform.acceptor.fetch_staples(wait).await;
    }

    /// The addresses of Interface A.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.serving.addresses()
    }

    /// Executes commands for people who come in over the socket.
    #[must_use]
    pub fn with_commands(self, commands: Arc<dyn http::CommandLine>) -> Self {
        Self { commands: Some(commands), ..self }
    }

    /// The address of the admin listener.
    #[must_use]
    pub const fn admin_address(&self) -> SocketAddr {
        self.admin.address()
    }

    /// The addresses for hospital systems.
    #[must_use]
    pub fn api_addresses(&self) -> Vec<SocketAddr> {
        self.api.addresses()
    }

    /// Whether the admin listener speaks TLS.
    #[must_use]
    pub fn has_admin_tls(&self) -> bool {
        self.platform.people.is_on()
    }

    /// The address for probes of other machines, if there is one.
    #[must_use]
    pub fn health_address(&self) -> Option<SocketAddr> {
        self.admin.health_address()
    }

    /// A link by which a browser of this process's account sees the pages, once and within a minute.
    #[must_use]
    pub fn page_link(&self) -> Option<String> {
        self.admin.page_link()
    }

    /// The socket for people and commands, if there is one.
    #[must_use]
    pub fn admin_socket(&self) -> Option<&Path> {
        self.admin.socket()
    }

    /// Shuts the platform down gracefully when it is cancelled, as a first SIGTERM does.
    #[must_use]
    pub fn stopper(&self) -> CancellationToken {
        self.drain.clone()
    }

    /// Serves until a signal asks for the shutdown or a running part fails, then drains: it stops accepting
    /// connections, acknowledges messages in flight and closes each session.
    ///
    /// # Errors
    /// [`PlatformError::Task`] when a part that the platform cannot do without has ended before the shutdown.
    pub async fn run(self, signals: Signals) -> Result<(), PlatformError> {
        self.report_start().await;
        let (stop, hangup) = signals.split();
        let (clock, drain) = (self.platform.clock.clone(), self.drain.clone());
        let config = Arc::clone(&self.platform.config);
        let drain_timeout = || config.load().interface_a.drain_timeout;
        notify_service_manager(drain.clone());
        let mut tasks = Tasks::new(self.platform.metrics.clone(), clock.clone(), drain.clone());
        let (platform, served) = self.start(&mut tasks, hangup).await;
        let ending = lifecycle::until_stopped(served, stop, &drain, drain_timeout, &clock).await;
        platform.shut_down(tasks, ending).await
    }

    /// Logs what was started, and where; records it in the audit trail.
    async fn report_start(&self) {
        let (platform, listen) = (&self.platform, self.addresses());
        let config = platform.config.load();
        tracing::info!(
            version = env!("CARGO_PKG_VERSION"),
            commit = option_env!("PCD_COMMIT").unwrap_or("unknown"),
            node = %platform.store.node(),
            store = %config.store.url,
            interface_a = ?listen,
            admin = %self.admin_address(),
            devices = platform.directory.load().len(),
            "platform started"
        );
        let started = Event::PlatformStarted { version: env!("CARGO_PKG_VERSION").to_owned(), listen };
        platform.store.audit_or_defer(started).await;
        platform.record_certificates_at_start().await;
        platform.record_unusable_identities(ReloadedBy::Start).await;
    }
}

impl Platform {
    /// Ends the running parts, signs the audit trail and closes the store, within a time.
    async fn shut_down(&self, mut tasks: Tasks, ending: Ending) -> Result<(), PlatformError> {
        let supervisor = tasks.supervisor();
        let failed = supervisor.failed();
        let (reason, timeout) = match (failed.is_empty(), ending) {
            (true, Ending::Finished) => (StopReason::Requested, SHUTDOWN_TIMEOUT),
            (true, Ending::CutShort) => (StopReason::Requested, SHORT_SHUTDOWN_TIMEOUT),
            // The part that failed may be what the others wait for.
            (false, _) => (StopReason::Fault, SHORT_SHUTDOWN_TIMEOUT),
        };
        let shut_down = async {
            self.store.audit_or_defer(Event::PlatformStopped { reason }).await;
            tasks.finish().await;
            // What made the signing task panic could end the process here.
            if !failed.contains(&Task::AuditSigning) {
                audit::sign(&self.store, &self.acceptor, &self.config.load().tls).await;
            }
            chain_end::remember(&self.store).await;
            tasks.close();
            self.store.close().await;
        };
        if tokio::time::timeout(timeout, shut_down).await.is_err() {
            tracing::warn!(
                ?timeout,
                "shutdown timeout expired; the last rows of the audit trail may be missing or unsigned"
            );
        }
        match supervisor.failed().first() {
            Some(task) => Err(PlatformError::Task(*task)),
            None => Ok(()),
        }
    }
}

/// Reports to the service manager that devices can connect, and later that the shutdown has begun.
fn notify_service_manager(drain: CancellationToken) {
    let manager = ServiceManager::from_environment();
    manager.ready();
    tokio::spawn(async move {
        drain.cancelled().await;
        manager.stopping();
    });
}

/// How long the shutdown may take once every session has ended.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(30);
/// How long it may take when sessions did not end in time or a part has failed: the store may be what does
/// not answer.
const SHORT_SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(1);
