//! What the operator's side sees of the devices' side.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwapOption;
use futures_util::future::BoxFuture;
use jiff::Timestamp;

use super::directory::Follower;
use super::removals::removals;
use super::tasks::Supervisor;
use crate::authz::{Device, DeviceStatus, Directory, DirectoryHandle};
use crate::clients::{LastRead, LastReads};
use crate::config::ConfigHandle;
use crate::finding::Board;
use crate::fleet::{BehindDevice, LiveDevice, state_behind};
use crate::http::Live;
use crate::interface_a::{Accepting, Registry};
use crate::liveness::{DeviceLiveness, Liveness};
use crate::model::{DeviceId, Task};
use crate::revocation::KnownStaple;
use crate::store::Removals;
use crate::tls::stapling::StapleRefresher;
use crate::tls::{Acceptor, ApiAcceptor, Authority, AuthorityRole, PeopleAcceptor};
use crate::view::{
    BehindView, CertificateView, FeedView, GlanceView, Minute, SessionView, StoreRoomView, Trend,
};
use crate::x509::{CertificateFacts, NO_EXPIRY};

/// The current sessions, and the liveness of the devices.
#[derive(Debug)]
pub(super) struct LiveView {
    pub(super) registry: Registry,
    pub(super) accepting: Accepting,
    pub(super) liveness: Liveness,
    pub(super) config: ConfigHandle,
    pub(super) stapling: StapleRefresher,
    pub(super) supervisor: Supervisor,
    pub(super) directory: DirectoryHandle,
    pub(super) follower: Arc<Follower>,
    pub(super) board: Board,
    /// How large the store is, and how long its disk lasts.
    pub(super) room: ArcSwapOption<StoreRoomView>,
    /// When the process started.
    pub(super) started: Timestamp,
    pub(super) acceptor: Arc<Acceptor>,
    pub(super) people: Arc<PeopleAcceptor>,
    pub(super) api: Arc<ApiAcceptor>,
    /// When hospital systems read last.
    pub(super) last_reads: LastReads,
    /// The last day, for plots.
    pub(super) trend: Mutex<Trend>,
}

impl Live for LiveView {
    fn sessions(&self) -> Vec<SessionView> {
        let mut sessions = self.registry.sessions();
        sessions.sort_by_key(|session| session.id);
        let view = |session: crate::interface_a::SessionInfo| SessionView {
            id: session.id.to_string(),
            device: session.device.to_string(),
            peer: session.peer.to_string(),
            since: session.since.to_string(),
            version: session.version,
            suite: session.suite,
        };
        sessions.into_iter().map(view).collect()
    }

    fn staples(&self) -> Vec<KnownStaple> {
        self.stapling.staples()
    }

    fn shortage(&self) -> Option<String> {
        self.accepting.shortage().map(|shortage| shortage.to_string())
    }

    fn failed_tasks(&self) -> Vec<&'static str> {
        self.supervisor.failed().into_iter().map(Task::name).collect()
    }

    fn board(&self) -> &Board {
        &self.board
    }

    fn glance(&self) -> GlanceView {
        let (directory, sessions) = (self.directory.load(), self.registry.sessions());
        let connected: HashSet<_> = sessions.iter().map(|session| &session.device).collect();
        let is_active = |device: &&Arc<Device>| device.status == DeviceStatus::Active;
        GlanceView {
            started: self.started.to_string(),
            devices: directory.len(),
            active: directory.devices().filter(is_active).count(),
            connected: connected.len(),
            sessions: sessions.len(),
            silent: self.liveness.silent_devices(),
            store: self.room.load().as_deref().cloned(),
        }
    }

    fn removals(&self) -> Removals {
        removals(&self.config.load().store)
    }

    fn directory(&self) -> Arc<Directory> {
        self.directory.load_full()
    }

    fn follow_directory(&self) -> BoxFuture<'static, bool> {
        Box::pin(Arc::clone(&self.follower).follow_now())
    }

    fn last_reads(&self) -> BTreeMap<String, LastRead> {
        self.last_reads.all()
    }

    fn trend(&self) -> Trend {
        self.trend.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn certificates(&self) -> Vec<CertificateView> {
        let own = self.acceptor.certificates();
        let own = own.iter().map(|facts| certificate("platform", facts));
        let admin = self.people.certificate();
        let admin = admin.iter().map(|facts| certificate("admin listener", facts));
        let api = self.api.certificate();
        let api = api.iter().map(|facts| certificate("listener for hospital systems", facts));
        let all = [self.acceptor.authorities(), self.people.authorities(), self.api.authorities()].concat();
        let authorities = all.iter().map(|Authority { facts, role }| certificate(role_name(*role), facts));
        own.chain(admin).chain(api).chain(authorities).collect()
    }

    fn feed(&self, device: &DeviceId) -> Option<FeedView> {
        Some(self.feed_view(device, &self.liveness.device(device)?))
    }

    fn is_missing(&self, device: &DeviceId) -> bool {
        self.liveness.is_missing(device)
    }

    fn device(&self, device: &DeviceId) -> LiveDevice {
        let known = self.liveness.device(device);
        let is = |what: fn(&DeviceLiveness) -> bool| known.as_ref().is_some_and(what);
        LiveDevice {
            sessions: self.registry.sessions_of(device),
            last_heard: known.as_ref().map(DeviceLiveness::last_heard),
            is_silent: is(DeviceLiveness::is_silent),
            has_left: is(DeviceLiveness::has_left),
            is_missing: self.liveness.is_missing(device),
        }
    }

    fn devices_behind(&self, device: &DeviceId, is_connected: bool, now: Timestamp) -> Vec<BehindView> {
        let directory = self.directory.load();
        let Some(gateway) = directory.find(device) else { return Vec::new() };
        let devices = self.liveness.devices_behind(device).into_iter();
        let view = |(name, liveness): (std::sync::Arc<str>, DeviceLiveness)| BehindView {
            state: state_behind(
                &BehindDevice {
                    identity: &name,
                    last_heard: liveness.last_heard(),
                    is_silent: liveness.is_silent(),
                    has_left: liveness.has_left(),
                },
                gateway,
                is_connected,
                now,
            ),
            identity: name.to_string(),
            feed: self.feed_view(device, &liveness),
        };
        devices.map(view).collect()
    }
}

impl LiveView {
    /// Adds a minute to the trend, if one has passed.
    pub(super) fn note(&self, now: Timestamp, minute: impl FnOnce() -> Minute) {
        let mut trend = self.trend.lock().unwrap_or_else(PoisonError::into_inner);
        if trend.is_due(now) {
            trend.push(minute());
        }
    }

    /// The messages of a device that sends with the certificate of `via`.
    fn feed_view(&self, via: &DeviceId, liveness: &DeviceLiveness) -> FeedView {
        let known = self.directory.load().find(via).and_then(|known| known.silent_after);
        let rule = known.unwrap_or(self.config.load().devices.silent_after);
        FeedView {
            last: liveness.last_heard().to_string(),
            silent_after_seconds: liveness.silence_threshold(rule).map(|threshold| threshold.as_secs()),
            silent: liveness.is_silent(),
            left: liveness.has_left(),
        }
    }
}

const fn role_name(role: AuthorityRole) -> &'static str {
    match role {
        AuthorityRole::Root => "root of devices",
        AuthorityRole::SharedRoot => "root of devices and of the platform",
        AuthorityRole::PlatformRoot => "root of the platform",
        AuthorityRole::PlatformCa => "CA of the platform",
        AuthorityRole::DeviceCa => "CA of devices",
        AuthorityRole::PeopleRoot => "root of people",
        AuthorityRole::AdminCa => "CA of the admin listener",
        AuthorityRole::CommunityRoot => "root of a trust community",
        AuthorityRole::UserRoot => "root of people who let applications read",
        AuthorityRole::ApiCa => "CA of the listener for hospital systems",
    }
}

fn certificate(role: &'static str, facts: &CertificateFacts) -> CertificateView {
    CertificateView {
        role,
        subject: facts.subject.to_string(),
        issuer: facts.issuer.to_string(),
        serial: facts.serial.to_string(),
        key: facts.key.family(),
        fingerprint: facts.fingerprint.to_string(),
        not_before: facts.not_before,
        not_after: (facts.not_after < NO_EXPIRY).then_some(facts.not_after),
    }
}
