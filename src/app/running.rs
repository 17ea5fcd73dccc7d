//! The running parts: what runs, and what the end of each means.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use futures_util::future::BoxFuture;
use tokio::signal::unix::Signal;
use tokio_util::sync::CancellationToken;

use super::health_report::HealthReport;
use super::service_manager::ServiceManager;
use super::tasks::{OnEnd, Tasks};
use super::{Bound, Platform, audit, chain_end, directory, findings, live, revocation};
use crate::api::{ApiListener, ApiState};
use crate::audit::ReloadedBy;
use crate::audit_forwarder::Forwarder;
use crate::clients::RefusedReader;
use crate::contact::{Contacts, Recorder};
use crate::enrol::RefusedEnrolment;
use crate::finding::Board;
use crate::gateway::Gateway;
use crate::http;
use crate::interface_a::{AcceptCheck, Accepting, Registry, Serving};
use crate::liveness::{self, Liveness};
use crate::model::{Task, explained};
use crate::notify;
use crate::oauth::{RefusedAuthorization, RefusedGrant, RefusedRegistration};
use crate::outbound::{Outbound, Receivers};
use crate::page;
use crate::projector::{self, Projector};
use crate::southbound::{Desk, Dispatcher};

/// What the running parts share.
pub(super) struct Shared {
    pub(super) platform: Arc<Platform>,
    registry: Registry,
    liveness: Liveness,
    contacts: Contacts,
    drain: CancellationToken,
    follower: Arc<directory::Follower>,
}

impl Bound {
    /// Starts every part of the platform. The future that is returned resolves when every session has ended.
    pub(super) async fn start(
        self,
        tasks: &mut Tasks,
        hangup: Signal,
    ) -> (Arc<Platform>, BoxFuture<'static, ()>) {
        let Self { platform, serving, admin, api, commands, registry, liveness, contacts, drain } = self;
        let follower = Arc::new(directory::Follower::new(
            platform.store.clone(),
            Arc::clone(&platform.directory),
            registry.clone(),
            platform.revocation.clone(),
            platform.metrics.clone(),
        ));
        let shared = Shared { platform: Arc::new(platform), registry, liveness, contacts, drain, follower };
        shared.keep_instance(tasks);
        shared.watch_threads(tasks, &serving);
        shared.start_revocation(tasks);
        shared.start_directory(tasks);
        shared.start_audit(tasks);
        shared.start_dispatcher(tasks).await;
        shared.start_gateway(tasks);
        shared.start_projector(tasks);
        shared.start_outbound(tasks);
        shared.start_api(tasks, api);
        shared.start_housekeeping(tasks);
        let live = shared.live_view(tasks, serving.accepting());
        shared.start_health_report(tasks, Arc::clone(&live), serving.accept_check());
        shared.start_operator_side(tasks, (admin, commands), live, hangup);
        let served = shared.start_interface_a(tasks, serving);
        (shared.platform, served)
    }
}

impl Shared {
    fn keep_instance(&self, tasks: &mut Tasks) {
        let kept = self.platform.store.keep_instance(tasks.done());
        let keep = async move {
            if let Err(error) = kept.await {
                tracing::error!(error = %explained(&error), "the store cannot be served by this process any more");
            }
        };
        tasks.spawn(Task::Instance, keep);
    }

    fn watch_threads(&self, tasks: &mut Tasks, serving: &Serving) {
        let Platform { store, revocation, .. } = &*self.platform;
        tasks.watch(Task::StoreWriter, OnEnd::Stop, store.writer_ended());
        if let Some(ended) = store.checkpointer_ended() {
            // SQLite checkpoints inside of commits then.
            tasks.watch(Task::StoreCheckpoint, OnEnd::Degrade, ended.cancelled_owned());
        }
        tasks.watch(Task::RevocationDisk, OnEnd::Stop, revocation.disk_writer_ended().cancelled_owned());
        let (ended, drain) = (serving.handshakes_ended(), self.drain.clone());
        let ended = async move {
            ended.await;
            // During the shutdown their end is no fault.
            if drain.is_cancelled() {
                std::future::pending().await
            }
        };
        tasks.watch(Task::Handshakes, OnEnd::Stop, ended);
    }

    fn start_revocation(&self, tasks: &mut Tasks) {
        let Platform { revocation, config, acceptor, metrics, .. } = &*self.platform;
        let done = tasks.done();
        tasks.spawn(Task::RevocationRefresh, revocation.clone().refresh(done.clone()));
        let (registry, config) = (self.registry.clone(), Arc::clone(config));
        let watched = revocation::Watched {
            revocation: revocation.clone(),
            acceptor: Arc::clone(acceptor),
            people: Arc::clone(&self.platform.people),
            api: Arc::clone(&self.platform.api),
            registry,
            config,
            metrics: metrics.clone(),
        };
        tasks.spawn(Task::Revocation, revocation::watch(watched, done.clone()));
        let stapling = acceptor.staple_refresher().clone();
        tasks.spawn_restarting(Task::Stapling, move || stapling.clone().run(done.clone()));
    }

    fn start_directory(&self, tasks: &mut Tasks) {
        tasks.spawn(Task::Directory, Arc::clone(&self.follower).watch(tasks.done()));
    }

    fn start_audit(&self, tasks: &mut Tasks) {
        let Platform { store, acceptor, config, metrics, clock, .. } = &*self.platform;
        let done = tasks.done();
        let (signed, acceptor) = (store.clone(), Arc::clone(acceptor));
        let signing =
            audit::sign_regularly(signed, acceptor, Arc::clone(config), metrics.clone(), done.clone());
        tasks.spawn(Task::AuditSigning, signing);
        chain_end::start_counters_at_zero(metrics);
        let remembering = (store.clone(), metrics.clone(), Arc::clone(config), done.clone());
        tasks.spawn_restarting(Task::AuditMemory, move || {
            let (store, metrics, config, done) = remembering.clone();
            chain_end::remember_regularly(store, metrics, config, done)
        });
        let (config, store) = (Arc::clone(config), store.clone());
        let (metrics, clock) = (metrics.clone(), clock.clone());
        tasks.spawn_restarting(Task::AuditForwarder, move || {
            let (config, store) = (Arc::clone(&config), store.clone());
            let forwarder = Forwarder { config, store, metrics: metrics.clone(), clock: clock.clone() };
            forwarder.run(done.clone())
        });
    }

    /// On return the dispatcher awaits what devices have accepted before: they may answer once they are
    /// connected.
    async fn start_dispatcher(&self, tasks: &mut Tasks) {
        let desk = Desk {
            store: self.platform.store.clone(),
            registry: self.registry.clone(),
            config: Arc::clone(&self.platform.config),
            metrics: self.platform.metrics.clone(),
            clock: self.platform.clock.clone(),
        };
        let directory = Arc::clone(&self.platform.directory);
        let dispatcher = Dispatcher { desk, directory, drain: self.drain.clone() };
        let done = tasks.done();
        let mut first = Some(dispatcher.clone().start(done.clone()).await);
        tasks.spawn_restarting(Task::Dispatcher, move || {
            let (first, dispatcher, done) = (first.take(), dispatcher.clone(), done.clone());
            async move {
                match first {
                    Some(work) => work.await,
                    None => dispatcher.start(done).await.await,
                }
            }
        });
    }

    fn start_gateway(&self, tasks: &mut Tasks) {
        let gateway = Gateway {
            config: Arc::clone(&self.platform.config),
            directory: Arc::clone(&self.platform.directory),
            store: self.platform.store.clone(),
            registry: self.registry.clone(),
            metrics: self.platform.metrics.clone(),
            clock: self.platform.clock.clone(),
            status: self.platform.gateway.clone(),
        };
        let done = tasks.done();
        tasks.spawn_restarting(Task::Gateway, move || gateway.clone().run(done.clone()));
    }

    fn start_projector(&self, tasks: &mut Tasks) {
        let projector = Projector {
            config: Arc::clone(&self.platform.config),
            store: self.platform.store.clone(),
            clients: Arc::clone(&self.platform.clients),
            metrics: self.platform.metrics.clone(),
            clock: self.platform.clock.clone(),
            status: self.platform.projection.clone(),
        };
        projector::start_counters_at_zero(&projector.metrics);
        let done = tasks.done();
        tasks.spawn_restarting(Task::Projector, move || projector.clone().run(done.clone()));
    }

    fn start_outbound(&self, tasks: &mut Tasks) {
        let outbound = Outbound {
            config: Arc::clone(&self.platform.config),
            // What partners cause takes no connection from the platform itself.
            store: self.platform.store.with_own_connections(),
            registry: Arc::clone(&self.platform.clients),
            metrics: self.platform.metrics.clone(),
            clock: self.platform.clock.clone(),
            receivers: Receivers::default(),
        };
        let done = tasks.done();
        tasks.spawn_restarting(Task::Outbound, move || outbound.clone().run(done.clone()));
    }

    fn start_api(&self, tasks: &mut Tasks, listener: ApiListener) {
        let Platform { config, api, clients, last_reads, store, metrics, clock, .. } = &*self.platform;
        metrics.api.start_refusals_at_zero(&RefusedReader::CODES);
        metrics.api.start_refusals_at_zero(&RefusedGrant::CODES);
        metrics.api.start_refusals_at_zero(&RefusedRegistration::CODES);
        metrics.api.start_refusals_at_zero(&RefusedAuthorization::CODES);
        metrics.api.start_refusals_at_zero(&RefusedEnrolment::CODES);
        let shared = (store.clone(), metrics.clone(), clock.clone());
        let state = ApiState::new(
            Arc::clone(config),
            Arc::clone(api),
            (Arc::clone(clients), last_reads.clone()),
            shared,
        );
        let (listener, done) = (Arc::new(listener), tasks.done());
        tasks.spawn_restarting(Task::Api, move || Arc::clone(&listener).serve(state.clone(), done.clone()));
    }

    fn start_housekeeping(&self, tasks: &mut Tasks) {
        let done = tasks.done();
        let watch = liveness::Watch {
            liveness: self.liveness.clone(),
            config: Arc::clone(&self.platform.config),
            directory: Arc::clone(&self.platform.directory),
            store: self.platform.store.clone(),
            metrics: self.platform.metrics.clone(),
            clock: self.platform.clock.clone(),
        };
        tasks.spawn_restarting(Task::Liveness, {
            let done = done.clone();
            move || watch.clone().run(done.clone())
        });
        let recorder = Recorder {
            contacts: self.contacts.clone(),
            liveness: self.liveness.clone(),
            directory: Arc::clone(&self.platform.directory),
            store: self.platform.store.clone(),
            clock: self.platform.clock.clone(),
        };
        tasks.spawn_restarting(Task::Contacts, {
            let done = done.clone();
            move || recorder.clone().run(done.clone())
        });
        let platform = Arc::clone(&self.platform);
        platform.start_prune_counters_at_zero();
        platform.publish_retention_of_messages();
        tasks.spawn_restarting(Task::Retention, move || {
            let (platform, done) = (Arc::clone(&platform), done.clone());
            async move { platform.prune(&done).await }
        });
    }

    fn live_view(&self, tasks: &Tasks, accepting: Accepting) -> Arc<live::LiveView> {
        let Platform { config, acceptor, directory, clock, .. } = &*self.platform;
        Arc::new(live::LiveView {
            registry: self.registry.clone(),
            accepting,
            liveness: self.liveness.clone(),
            config: Arc::clone(config),
            stapling: acceptor.staple_refresher().clone(),
            supervisor: tasks.supervisor(),
            directory: Arc::clone(directory),
            follower: Arc::clone(&self.follower),
            board: Board::default(),
            room: ArcSwapOption::empty(),
            started: clock.now(),
            acceptor: Arc::clone(acceptor),
            api: Arc::clone(&self.platform.api),
            people: Arc::clone(&self.platform.people),
            last_reads: self.platform.last_reads.clone(),
            trend: std::sync::Mutex::default(),
        })
    }

    fn start_health_report(&self, tasks: &mut Tasks, live: Arc<live::LiveView>, accept_check: AcceptCheck) {
        let report = HealthReport {
            manager: ServiceManager::from_environment(),
            store: self.platform.store.clone(),
            accept_check,
            live,
            drain: self.drain.clone(),
        };
        let done = tasks.done();
        tasks.spawn_restarting(Task::ServiceManager, move || report.clone().run(done.clone()));
    }

    fn start_operator_side(
        &self,
        tasks: &mut Tasks,
        (admin, commands): (http::AdminListener, Option<Arc<dyn http::CommandLine>>),
        live: Arc<live::LiveView>,
        hangup: Signal,
    ) {
        let Platform { store, metrics, revocation, config, .. } = &*self.platform;
        let examiner = findings::Examiner {
            platform: Arc::clone(&self.platform),
            live: Arc::clone(&live),
            drain: self.drain.clone(),
        };
        let done = tasks.done();
        tasks.spawn_restarting(Task::Findings, move || examiner.clone().run(done.clone()));
        self.start_notifications(tasks, live.board.clone());
        let (reloader, requests) = http::reloader();
        let (metrics, store, revocation) = (metrics.clone(), store.clone(), revocation.clone());
        let config = Arc::clone(config);
        let state =
            http::AdminState::new(config, metrics, store, revocation, self.drain.clone(), reloader, live);
        let state = match commands {
            Some(commands) => state.with_commands(commands),
            None => state,
        };
        let (done, pages) = (tasks.done(), (page::routes(), page::problem_page(&state)));
        tasks.spawn(Task::Admin, admin.serve(state, pages, done));
        let platform = Arc::clone(&self.platform);
        let reload = reload_on_request(platform, hangup, requests, self.drain.clone());
        tasks.spawn_until(Task::Reload, self.drain.clone(), reload);
    }

    fn start_notifications(&self, tasks: &mut Tasks, board: Board) {
        let Platform { store, metrics, config, clock, notifications, .. } = &*self.platform;
        notify::start_at_zero(metrics);
        let watch = notify::Watch {
            board,
            config: Arc::clone(config),
            store: store.clone(),
            metrics: metrics.clone(),
            clock: clock.clone(),
            status: notifications.clone(),
        };
        let done = tasks.done();
        tasks.spawn_restarting(Task::Notifications, move || watch.clone().run(done.clone()));
    }

    /// The future that is returned resolves when every session has ended.
    fn start_interface_a(&self, tasks: &mut Tasks, serving: Serving) -> BoxFuture<'static, ()> {
        let (supervisor, connections) = (tasks.supervisor(), serving.connections());
        let accept = async move {
            if let Err(error) = serving.run().await {
                tracing::error!(error = %explained(&error), "listening socket failed");
                supervisor.stop(Task::InterfaceA, "failed");
            }
        };
        let ended = tasks.spawn_until(Task::InterfaceA, self.drain.clone(), accept);
        let served = async move {
            ended.cancelled().await;
            // A listener that panicked has not waited for its sessions.
            connections.close();
            connections.wait().await;
        };
        Box::pin(served)
    }
}

/// Reads the configuration again on request, until `drain`.
///
/// One task handles both kinds of request: two reloads at once could publish halves of each other.
async fn reload_on_request(
    platform: Arc<Platform>,
    mut hangup: Signal,
    mut requests: http::ReloadRequests,
    drain: CancellationToken,
) {
    let manager = ServiceManager::from_environment();
    let reload = async |by| {
        manager.reloading();
        let reloaded = platform.reload(by).await;
        manager.reloaded();
        reloaded
    };
    loop {
        tokio::select! {
            () = drain.cancelled() => return,
            Some(request) = requests.recv() => {
                let by = ReloadedBy::Http(request.actor().to_owned());
                request.answer(reload(by).await);
            }
            _ = hangup.recv() => drop(reload(ReloadedBy::Signal).await),
        }
    }
}
