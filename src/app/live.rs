//! What the operator's side sees of the devices' side.

use std::collections::HashSet;
use std::sync::Arc;

use jiff::Timestamp;

use super::removals::removals;
use super::tasks::Supervisor;
use crate::authz::{Device, DeviceStatus, DirectoryHandle};
use crate::config::ConfigHandle;
use crate::finding::Board;
use crate::http::Live;
use crate::interface_a::{Accepting, Registry};
use crate::liveness::{DeviceLiveness, Liveness};
use crate::model::{DeviceId, Task};
use crate::revocation::KnownStaple;
use crate::store::Removals;
use crate::tls::stapling::StapleRefresher;
use crate::view::{BehindView, FeedView, GlanceView, SessionView};

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
    pub(super) board: Board,
    /// When the process started.
    pub(super) started: Timestamp,
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
        }
    }

    fn removals(&self) -> Removals {
        removals(&self.config.load().store)
    }

    fn feed(&self, device: &DeviceId) -> Option<FeedView> {
        Some(self.feed_view(device, &self.liveness.device(device)?))
    }

    fn is_missing(&self, device: &DeviceId) -> bool {
        self.liveness.is_missing(device)
    }

    fn devices_behind(&self, device: &DeviceId) -> Vec<BehindView> {
        let devices = self.liveness.devices_behind(device).into_iter();
        let view = |(name, liveness): (std::sync::Arc<str>, DeviceLiveness)| BehindView {
            identity: name.to_string(),
            feed: self.feed_view(device, &liveness),
        };
        devices.map(view).collect()
    }
}

impl LiveView {
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
