//! From an accepted connection to the end of its session.

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt as _;
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use super::admitted::{connected, info, readmit};
use super::connection::{Connection, Ended, Notice, Relays, Services, WRITE_TIMEOUT, close};
use super::counters;
use super::device_limits::{DeviceLimits, DeviceShare, NotStored};
use super::frame_memory::FrameMemory;
use super::handshakes::{Handshakes, Outcome};
use super::opening::Opening;
use super::proxy::Origin;
use super::refusal_log::RefusalLog;
use super::refusals::Refusals;
use super::refused_peer::RefusedPeer;
use super::registry::{Channels, Registry, SessionLimit};
use super::resources::Accepting;
use super::session::{Context, Now, Session};
use crate::audit;
use crate::authz::{Device, DeviceKind, DeviceStatus, DirectoryHandle};
use crate::config::{ConfigHandle, Unknown};
use crate::contact::Contacts;
use crate::hl7::AcknowledgeAs;
use crate::liveness::Liveness;
use crate::metrics::Metrics;
use crate::model::{Clock, DeviceId, Refusal, RefusalFacts, SessionId};
use crate::revocation::Engine;
use crate::store::{Recorded, Store};
use crate::tls::{Acceptor, HandshakeError, Peer, Secured, SecuredStream};

/// What Interface A needs of the rest of the platform.
#[derive(Debug, Clone)]
pub struct Dependencies {
    /// The current configuration.
    pub config: ConfigHandle,
    /// Performs the handshakes and decides about certificates.
    pub acceptor: Arc<Acceptor>,
    /// The devices that may connect, and the identities for which each may speak.
    pub directory: DirectoryHandle,
    /// What is known about revoked certificates.
    pub revocation: Engine,
    /// The list of open sessions.
    pub registry: Registry,
    /// Where accepted messages are reported.
    pub liveness: Liveness,
    /// Where connections and refusals are reported.
    pub contacts: Contacts,
    /// Where messages are stored.
    pub store: Store,
    /// The counters of the platform.
    pub metrics: Metrics,
    /// The time.
    pub clock: Clock,
    /// Cancelled to shut down: every session finishes what is in flight, then ends.
    pub drain: CancellationToken,
}

/// Serves devices.
#[derive(Debug)]
pub struct InterfaceA {
    directory: DirectoryHandle,
    revocation: Engine,
    pub(super) handshakes: Arc<Handshakes>,
    registry: Registry,
    pub(super) services: Arc<Services>,
    frame_memory: Arc<FrameMemory>,
    device_limits: DeviceLimits,
    pub(super) config: ConfigHandle,
    pub(super) connections: TaskTracker,
    pub(super) refusal_log: Arc<RefusalLog>,
    pub(super) refusals: Arc<Refusals>,
    pub(super) accepting: Accepting,
}

/// A session that has begun and does not run yet.
struct OpenSession {
    id: SessionId,
    device: DeviceId,
    opened: Now,
    opening: Arc<Opening>,
    share: Arc<DeviceShare>,
    /// Its fields are in each line of the log.
    span: tracing::Span,
    connection: Box<Connection<SecuredStream>>,
}

impl InterfaceA {
    /// Assembles Interface A.
    ///
    /// # Errors
    /// When the operating system provides no threads for handshakes.
    pub fn new(dependencies: Dependencies) -> std::io::Result<Self> {
        let Dependencies {
            config,
            acceptor,
            directory,
            revocation,
            registry,
            liveness,
            contacts,
            store,
            metrics,
            clock,
            drain,
        } = dependencies;
        counters::start_at_zero(&metrics);
        let handshakes = Handshakes::new(acceptor, Arc::clone(&config), metrics.clone(), clock.clone())?;
        let refusals = Refusals::new(Arc::clone(&config), store.clone(), metrics.clone(), clock.clone());
        let connections = TaskTracker::new();
        let accepting = Accepting::new(connections.clone(), metrics.clone(), clock.clone());
        let frame_memory = FrameMemory::new(Arc::clone(&config), accepting.clone(), metrics.clone());
        let relay = registry.relay().clone();
        let services = Services { relay, store, liveness, contacts, clock: clock.clone(), metrics, drain };
        Ok(Self {
            directory,
            revocation,
            handshakes: Arc::new(handshakes),
            registry,
            refusal_log: Arc::new(RefusalLog::new(clock.clone())),
            refusals: Arc::new(refusals),
            device_limits: DeviceLimits::default(),
            frame_memory: Arc::new(frame_memory),
            accepting,
            services: Arc::new(services),
            config,
            connections,
        })
    }

    /// Serves one connection from its first byte to its last. A panic ends this connection and no other.
    ///
    /// Most connections wait most of the time, so the memory of this future counts: what happens before and
    /// after that is in boxes.
    pub(super) async fn serve(
        self: Arc<Self>,
        tcp: TcpStream,
        address: SocketAddr,
        permit: OwnedSemaphorePermit,
    ) {
        let connection = async {
            if let Some(session) = Box::pin(self.open(tcp, address)).await {
                self.run(session).await;
            }
        };
        if AssertUnwindSafe(connection).catch_unwind().await.is_err() {
            self.services.metrics.panics_total.inc();
            tracing::error!(peer = %address, "internal fault; the connection is closed");
        }
        drop(permit);
    }

    /// Performs the handshake, and opens a session for a peer that is admitted.
    async fn open(&self, tcp: TcpStream, address: SocketAddr) -> Option<Box<OpenSession>> {
        let (origin, outcome) = tokio::select! {
            biased;
            // A peer whose handshake is cut short by a shutdown has sent nothing yet.
            () = self.services.drain.cancelled() => return None,
            ended = Box::pin(self.handshakes.perform(tcp, address)) => ended,
        };
        let is_health_check = origin.is_probe || self.is_health_check(origin.address);
        match outcome {
            Outcome::Secured(secured) => return self.open_session(secured).await,
            Outcome::Refused(refused) if refused.certificate.is_none() && is_health_check => {
                self.count_unrecorded("health-check");
            }
            Outcome::Refused(refused) => self.refuse(origin, refused).await,
            Outcome::Silent if is_health_check => self.count_unrecorded("health-check"),
            Outcome::Silent => self.count_unrecorded("silent"),
            Outcome::Ended => {}
        }
        None
    }

    fn is_health_check(&self, address: SocketAddr) -> bool {
        let config = self.config.load();
        config.interface_a.health_checks.iter().any(|network| network.contains(address.ip()))
    }

    fn count_unrecorded(&self, reason: &str) {
        self.services.metrics.unrecorded_connections_total.with_label_values(&[reason]).inc();
    }

    async fn open_session(&self, secured: Box<Secured>) -> Option<Box<OpenSession>> {
        let (stream, peer) = secured.into_parts();
        let opened = self.services.now();
        let id = SessionId::at(opened.wall);
        let device = peer.device().id.clone();
        let share = self.device_limits.share(&device);
        let channels = match self.register(id, &peer, &share, opened) {
            Ok(channels) => channels,
            Err(refusal) => {
                self.refuse_registration(stream, &peer, refusal).await;
                return None;
            }
        };
        let metrics = &self.services.metrics;
        let result = if peer.is_resumed() { "resumed" } else { "accepted" };
        metrics.handshakes_total.with_label_values(&[result, ""]).inc();
        metrics.tls_negotiated_total.with_label_values(&[peer.version(), peer.suite()]).inc();
        // At the level of errors, so that every line of the session has the fields of the span, whatever the
        // level.
        let span = tracing::error_span!("session", session = %id, %device, peer = %peer.address());
        let due = share.take_session_row(opened.instant, self.config.load().audit.refusal_interval);
        let opening = Arc::new(Opening::new(id, &peer, due));
        let context = Context {
            config: Arc::clone(&self.config),
            directory: Arc::clone(&self.directory),
            pending_replies: self.registry.pending_replies(),
            patient_key: self.services.store.patient_key().await,
            relay: self.services.relay.clone(),
            share: Arc::clone(&share),
        };
        let limits = self.config.load().messages.clone();
        share.resume_rejections(&device, &self.services.store, &limits, opened.wall).await;
        let activity = self.services.contacts.connected(connected(id, &peer, opened.wall));
        let connection = Box::new(Connection {
            stream,
            session: Session::open(peer, id, context, opened),
            services: Arc::clone(&self.services),
            channels,
            opening: Arc::clone(&opening),
            activity,
            share: Arc::clone(&share),
            large_turn: None,
            relays: Relays::default(),
            frame: self.frame_memory.share(id, device.clone(), opened.instant),
            is_bounded: false,
            write_timeout: WRITE_TIMEOUT,
        });
        Some(Box::new(OpenSession { id, device, opened, opening, share, span, connection }))
    }

    /// Runs a session to its end.
    async fn run(&self, session: Box<OpenSession>) {
        let OpenSession { id, device, opened, opening, share, span, connection } = *session;
        let metrics = &self.services.metrics;
        metrics.connections_active.inc();
        let run = connection.run().instrument(span.clone());
        let ended = AssertUnwindSafe(run).catch_unwind().await.unwrap_or_else(|_| {
            metrics.panics_total.inc();
            span.in_scope(|| tracing::error!("internal fault; the session is over"));
            Ended { reason: audit::SessionEnd::Fault, messages: None }
        });
        metrics.connections_active.dec();
        let (wall, why) = (self.services.clock.now(), ended.reason.code());
        self.services.contacts.disconnected(&device, id, wall, why);
        metrics.connections_total.with_label_values(&[ended.reason.code()]).inc();
        metrics.operation.sessions_ended_total.with_label_values(&[ended.reason.code()]).inc();
        let row = audit::Event::SessionEnded { session: id, device, why: ended.reason };
        Box::pin(self.record_end(&opening, &share, ended, row, opened)).instrument(span).await;
    }

    /// Records the end of a session, or counts the session.
    async fn record_end(
        &self,
        opening: &Opening,
        share: &DeviceShare,
        Ended { reason, messages }: Ended,
        row: audit::Event,
        opened: Now,
    ) {
        let Services { store, clock, .. } = &*self.services;
        if let Some(counted) = opening.counted(opened.wall, reason) {
            share.count_sessions(counted, clock.instant());
            return;
        }
        if let Some(event) = opening.take() {
            store.audit_or_defer(event).await;
        }
        let duration_seconds = clock.instant().saturating_duration_since(opened.instant).as_secs();
        tracing::info!(reason = reason.code(), duration_seconds, messages, "device disconnected");
        store.audit_or_defer(row).await;
    }

    fn register(
        &self,
        id: SessionId,
        peer: &Peer,
        share: &DeviceShare,
        now: Now,
    ) -> Result<Channels, Refusal> {
        let admit = || readmit(peer, &self.directory.load(), &self.revocation);
        let limits = &self.config.load().interface_a;
        if !share.take_session(now.instant, limits.new_sessions_per_device) {
            return Err(Refusal::TooManyNewSessions);
        }
        let sessions = match peer.device().kind {
            DeviceKind::Gateway => limits.sessions_per_gateway,
            DeviceKind::Device => limits.sessions_per_device,
        };
        let limit = SessionLimit { sessions, now: now.instant };
        self.registry.register(info(id, peer, now.wall), Arc::clone(peer.path()), limit, admit)
    }

    /// Closes a connection whose peer lost its right to connect during the handshake.
    async fn refuse_registration(&self, mut stream: SecuredStream, peer: &Peer, refusal: Refusal) {
        let refused = HandshakeError {
            refusal,
            certificate: Some(Box::new(peer.certificate().clone())),
            is_issued: true,
            peer_alert: None,
            extension: None,
            revocation: Arc::new(peer.revocation().to_vec()),
            facts: Box::new(RefusalFacts {
                certificate: Some(peer.shown_certificate().clone()),
                ..RefusalFacts::default()
            }),
        };
        let origin = Origin { balancer: peer.balancer(), ..Origin::direct(peer.address()) };
        self.refuse(origin, refused).await;
        close(&mut stream, Notice::UnlessUnread).await;
    }

    /// Records how many rejected messages of each device were not stored in the last hour; with `everything`
    /// in the current one too.
    pub(super) async fn report_rejections(&self, everything: bool) {
        let Services { store, clock, .. } = &*self.services;
        for (device, NotStored { since, messages, bytes }) in
            self.device_limits.report_rejections(clock.now(), everything)
        {
            let event = audit::Event::RejectionsNotStored { device, since, messages, bytes };
            store.audit_or_defer(event).await;
        }
    }

    /// Records the sessions that were counted in intervals that are over; with `everything` those of the
    /// current ones too.
    pub(super) async fn report_sessions(&self, everything: bool) {
        let Services { store, clock, .. } = &*self.services;
        let interval = self.config.load().audit.refusal_interval;
        for (device, sessions) in self.device_limits.report_sessions(clock.instant(), interval, everything) {
            let count = sessions.count;
            tracing::info!(%device, count, "device connected and disconnected again without a message");
            let event = audit::Event::SessionsCounted { device: device.clone(), sessions: sessions.clone() };
            if store.try_audit_or_defer(event).await == Recorded::NotKept {
                self.device_limits.share(&device).count_sessions(*sessions, clock.instant());
            }
        }
    }

    async fn refuse(&self, origin: Origin, refused: HandshakeError) {
        let address = origin.address;
        let metrics = &self.services.metrics;
        metrics.handshakes_total.with_label_values(&["refused", refused.refusal.code()]).inc();
        metrics.connections_total.with_label_values(&[refused.refusal.code()]).inc();
        let peer = RefusedPeer::new(address.ip(), &refused, &self.directory.load());
        self.refusal_log.record(peer.clone(), address, &refused);
        let now = self.services.now();
        let remembered = peer.remembered(address, &refused, &self.directory.load(), now.wall);
        self.services.contacts.refused(remembered, now.instant);
        if refused.refusal == Refusal::UnknownDevice && self.config.load().devices.unknown == Unknown::Enrol {
            self.enrol(&refused).await;
        }
        self.refusals.record(peer, origin, &refused).await;
    }

    /// Adds an unknown device to the directory as suspended; an operator may resume it.
    async fn enrol(&self, refused: &HandshakeError) {
        let name = refused.certificate.as_ref().and_then(|certificate| certificate.common_name.as_deref());
        let Some(Ok(id)) = name.map(DeviceId::parse) else { return };
        let device = Device {
            id,
            kind: DeviceKind::Device,
            status: DeviceStatus::Suspended,
            speaks_for: Vec::new(),
            issuers: Vec::new(),
            acknowledge: AcknowledgeAs::AsAsked,
            silent_after: None,
            expected: false,
            receives_orders: true,
            note: "enrolled when it first connected".to_owned(),
            learns_until: None,
            about: crate::authz::About::default(),
        };
        self.services.store.enrol_or_log(device).await;
    }
}
