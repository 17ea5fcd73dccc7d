//! What the operator's side sees of the devices' side.

use crate::config::ConfigHandle;
use crate::http::{FeedView, Live, SessionView};
use crate::interface_a::{Feeds, Registry};
use crate::model::DeviceId;
use crate::revocation::KnownStaple;
use crate::tls::stapling::Stapling;

/// Sessions and feeds, as they are now.
#[derive(Debug)]
pub(super) struct LiveView {
    pub(super) registry: Registry,
    pub(super) feeds: Feeds,
    pub(super) config: ConfigHandle,
    pub(super) stapling: Stapling,
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
        self.stapling.known()
    }

    fn feed(&self, device: &DeviceId) -> Option<FeedView> {
        let feed = self.feeds.of(device)?;
        let rule = self.config.load().devices.silent_after;
        Some(FeedView {
            last: feed.last().to_string(),
            silent_after_seconds: feed.patience(rule).map(|patience| patience.as_secs()),
            silent: feed.is_silent(),
        })
    }
}
