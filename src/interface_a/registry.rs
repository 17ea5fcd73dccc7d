//! The sessions that are open now.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use jiff::Timestamp;
use tokio::sync::{mpsc, watch};

use super::pending_replies::{Exchange, PendingReplies};
use crate::authz::Directory;
use crate::model::{DeviceId, Refusal, SessionId};
use crate::revocation::{Engine, IssuedCertificate, Status, Verdict};

/// How many messages may wait to be delivered into one session.
const DELIVERIES: usize = 64;

/// Knows every open session: for those who watch over trust, and for those who have a message for a device.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    sessions: Arc<Mutex<HashMap<SessionId, Entry>>>,
    pending_replies: PendingReplies,
}

/// What is known of an open session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionInfo {
    /// Its name.
    pub id: SessionId,
    /// The Common Name of the certificate.
    pub device: DeviceId,
    /// Where the device connected from.
    pub peer: SocketAddr,
    /// Since when.
    pub since: Timestamp,
    /// The negotiated TLS version.
    pub version: &'static str,
    /// The negotiated cipher suite.
    pub suite: &'static str,
}

/// Why a message could not be delivered into a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DeliverError {
    /// The device is not connected.
    #[error("the device is not connected")]
    NotConnected,
    /// A message with the same MSH-10 waits for its acknowledgement.
    #[error("a message with this control id waits for its acknowledgement already")]
    UnderWay,
    /// Too many messages wait for this device already.
    #[error("too many messages wait for this device already")]
    Busy,
}

/// A message for a device, on its way into the session.
#[derive(Debug)]
pub(super) struct Outgoing {
    /// Its MSH-10.
    pub(super) control_id: Vec<u8>,
    pub(super) frame: Bytes,
}

/// The session's ends of what the registry says to it.
#[derive(Debug)]
pub(super) struct Links {
    pub(super) deliveries: mpsc::Receiver<Outgoing>,
    pub(super) withdrawn: watch::Receiver<Option<Refusal>>,
    _registration: Registration,
}

#[derive(Debug)]
struct Entry {
    info: SessionInfo,
    path: Arc<[IssuedCertificate]>,
    deliveries: mpsc::Sender<Outgoing>,
    withdrawn: watch::Sender<Option<Refusal>>,
}

/// Takes the session off the list when it is dropped, however the session ended.
#[derive(Debug)]
struct Registration {
    registry: Registry,
    id: SessionId,
}

impl Registry {
    /// Every open session.
    #[must_use]
    pub fn sessions(&self) -> Vec<SessionInfo> {
        self.entries().values().map(|entry| entry.info.clone()).collect()
    }

    /// Trust is watched after handshake_limiter: ends the sessions of devices that `directory` does not admit any more.
    pub fn recheck(&self, directory: &Directory) {
        for entry in self.entries().values() {
            if let Err(refusal) = directory.admit(&entry.info.device) {
                // A session that has just ended does not listen any more.
                let _ = entry.withdrawn.send(Some(refusal));
            }
        }
    }

    /// Trust is watched after handshake_limiter: ends the sessions of which one certificate has been revoked since. What has
    /// only become unknown disturbs nobody who is connected.
    pub fn recheck_revocation(&self, revocation: &Engine) {
        let paths: Vec<_> = self.entries().iter().map(|(id, entry)| (*id, Arc::clone(&entry.path))).collect();
        // Looking up takes microseconds each; the list is not held meanwhile.
        for (id, path) in paths {
            let revoked = |status: &Status| matches!(status.verdict, Verdict::Revoked { .. });
            if revocation.peek(&path).iter().any(revoked)
                && let Some(entry) = self.entries().get(&id)
            {
                // A session that has just ended does not listen any more.
                let _ = entry.withdrawn.send(Some(Refusal::Revoked));
            }
        }
    }

    /// Whether the device has a session here.
    #[must_use]
    pub fn is_connected(&self, device: &DeviceId) -> bool {
        self.entries().values().any(|entry| entry.info.device == *device)
    }

    /// Sends `frame`, a message whose MSH-10 is `control_id`, to `device`. Its acknowledgements may come on any session of
    /// the device; `application` says whether a CA is followed by an application acknowledgement.
    ///
    /// # Errors
    /// When the device is not connected, or cannot take more.
    pub fn deliver(
        &self,
        device: &DeviceId,
        control_id: &[u8],
        application: bool,
        frame: Bytes,
    ) -> Result<Exchange, DeliverError> {
        let (session, deliveries) = self.newest_session_of(device).ok_or(DeliverError::NotConnected)?;
        let exchange = self.pending_replies.expect(device, control_id, Some(session), application);
        let exchange = exchange.ok_or(DeliverError::UnderWay)?;
        deliveries.try_send(Outgoing { control_id: control_id.to_vec(), frame }).map_err(
            |error| match error {
                mpsc::error::TrySendError::Full(_) => DeliverError::Busy,
                mpsc::error::TrySendError::Closed(_) => DeliverError::NotConnected,
            },
        )?;
        Ok(exchange)
    }

    /// Waits for the application acknowledgement of a message that `device` has taken before.
    ///
    /// # Errors
    /// When somebody waits for it already.
    pub fn await_application(&self, device: &DeviceId, control_id: &[u8]) -> Result<Exchange, DeliverError> {
        self.pending_replies.expect(device, control_id, None, true).ok_or(DeliverError::UnderWay)
    }

    /// What sessions ask about the acknowledgements that come to them.
    pub(super) fn pending_replies(&self) -> PendingReplies {
        self.pending_replies.clone()
    }

    pub(super) fn register(&self, info: SessionInfo, path: Arc<[IssuedCertificate]>) -> Links {
        let (deliver, deliveries) = mpsc::channel(DELIVERIES);
        let (withdraw, withdrawn) = watch::channel(None);
        let registration = Registration { registry: self.clone(), id: info.id };
        self.entries().insert(info.id, Entry { info, path, deliveries: deliver, withdrawn: withdraw });
        Links { deliveries, withdrawn, _registration: registration }
    }

    // A device that reconnects before its old connection is found dead is reached on the new one.
    fn newest_session_of(&self, device: &DeviceId) -> Option<(SessionId, mpsc::Sender<Outgoing>)> {
        self.entries()
            .values()
            .filter(|entry| entry.info.device == *device)
            .max_by_key(|entry| entry.info.id)
            .map(|entry| (entry.info.id, entry.deliveries.clone()))
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<SessionId, Entry>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.registry.entries().remove(&self.id);
        self.registry.pending_replies.give_up(self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{NAME, clock, device, info};
    use super::super::pending_replies::Acknowledgement;
    use super::*;
    use crate::authz::{Device, DeviceStatus};
    use crate::hl7::AcknowledgementCode;
    use crate::model::MessageId;

    fn named(name: &str) -> SessionInfo {
        SessionInfo { device: name.parse().unwrap(), ..info(&clock()) }
    }

    #[test]
    fn a_session_is_listed_as_long_as_it_lives() {
        let registry = Registry::default();
        let links = registry.register(named(NAME), Arc::default());
        let _other = registry.register(named("OTHER"), Arc::default());
        assert_eq!(registry.sessions().len(), 2);
        drop(links);
        let left: Vec<_> = registry.sessions().into_iter().map(|info| info.device.to_string()).collect();
        assert_eq!(left, ["OTHER"]);
    }

    // Trust is watched after admission (A8).
    #[test]
    fn only_those_who_lost_their_right_are_told() {
        let registry = Registry::default();
        let names = [NAME, "SUSPENDED", "REMOVED"];
        let sessions = names.map(|name| registry.register(named(name), Arc::default()));
        let suspended =
            Device { id: "SUSPENDED".parse().unwrap(), status: DeviceStatus::Suspended, ..device() };
        registry.recheck(&Directory::from(vec![device(), suspended]));
        let told = sessions.each_ref().map(|links| *links.withdrawn.borrow());
        assert_eq!(told, [None, Some(Refusal::SuspendedDevice), Some(Refusal::UnknownDevice)]);
    }

    #[tokio::test]
    async fn a_device_that_came_back_is_reached_on_its_new_connection() {
        let registry = Registry::default();
        let clock = clock();
        let mut old = registry.register(info(&clock), Arc::default());
        clock.advance(std::time::Duration::from_secs(1));
        let mut new = registry.register(info(&clock), Arc::default());
        let device = NAME.parse().unwrap();
        let mut exchange = registry.deliver(&device, b"1", false, Bytes::from_static(b"frame")).unwrap();
        assert_eq!(new.deliveries.recv().await.unwrap().frame, b"frame"[..]);
        let answer =
            Acknowledgement { code: Some(AcknowledgementCode::AA), message: MessageId::at(clock.now()) };
        registry.pending_replies().settle(&device, b"1", answer);
        assert_eq!(exchange.answer().await, Some(answer));
        assert!(old.deliveries.try_recv().is_err());
    }
}
