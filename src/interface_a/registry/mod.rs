//! The open sessions.

mod inbox;
mod outgoing;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use jiff::Timestamp;
use tokio::sync::Semaphore;

use self::inbox::Inbox;
pub use self::outgoing::DeliverError;
pub(super) use self::outgoing::Outgoing;
use super::order_habits::Habit;
use super::pending_replies::{Exchange, PendingReplies};
use super::relay::Relay;
use super::unawaited::{Unawaited, UnawaitedAnswer};
use crate::authz::Directory;
use crate::model::{Deadline, DeviceId, Refusal, SessionId};
use crate::revocation::{Engine, IssuedCertificate, Status, Verdict, issuer_keys};

/// The list of open sessions. The directory and revocation watches end sessions through it; the dispatcher
/// sends messages to devices through it.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    sessions: Arc<Mutex<Sessions>>,
    pending_replies: PendingReplies,
    relay: Relay,
}

/// An open session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionInfo {
    /// Its id.
    pub id: SessionId,
    /// The Common Name of the certificate.
    pub device: DeviceId,
    /// The address from which the device connected.
    pub peer: SocketAddr,
    /// When it was opened.
    pub since: Timestamp,
    /// The negotiated TLS version.
    pub version: &'static str,
    /// The negotiated cipher suite.
    pub suite: &'static str,
}

/// A message for a device.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// Its MSH-10.
    pub control_id: Vec<u8>,
    /// Whether a CA is followed by an application acknowledgement.
    pub application: bool,
    /// Its MSH-11.1, which that of its acknowledgements has to be.
    pub mode: Vec<u8>,
    /// From when it is no longer sent.
    pub deadline: Deadline,
    /// The message in its frame.
    pub frame: Bytes,
}

/// A session that takes a message. Chosen before the message is claimed: a device that is added under the
/// name of a removed one connects later, and cannot get what was meant for the other.
#[derive(Debug)]
pub struct Recipient {
    device: DeviceId,
    session: SessionId,
    inbox: Arc<Inbox>,
}

/// What a session receives from the registry.
#[derive(Debug)]
pub(super) struct Channels {
    pub(super) inbox: Arc<Inbox>,
    pub(super) unawaited: Unawaited,
    /// How many unawaited answers of the session may wait for the dispatcher.
    pub(super) unawaited_permits: Arc<Semaphore>,
    registration: Registration,
}

/// How many sessions a device may have, and the time.
#[derive(Debug, Clone, Copy)]
pub(super) struct SessionLimit {
    pub(super) sessions: usize,
    pub(super) now: Instant,
}

#[derive(Debug, Default)]
struct Sessions {
    /// In boxes: a table has up to twice as many places as entries.
    by_id: HashMap<SessionId, Box<Entry>>,
    /// The oldest first.
    by_device: HashMap<DeviceId, Vec<SessionId>>,
}

#[derive(Debug)]
struct Entry {
    info: SessionInfo,
    path: Arc<[IssuedCertificate]>,
    inbox: Arc<Inbox>,
    opened: Instant,
}

impl Entry {
    /// Whether the device has sent something since then.
    fn is_heard_since(&self, time: Instant) -> bool {
        self.inbox.idle_since().is_none_or(|since| since > time)
    }

    /// Whether the session has not been asked to end.
    fn stays(&self) -> bool {
        self.inbox.withdrawn().is_none()
    }
}

impl Sessions {
    fn insert(&mut self, entry: Box<Entry>) {
        let id = entry.info.id;
        let sessions =
            self.by_device.entry(entry.info.device.clone()).or_insert_with(|| Vec::with_capacity(1));
        sessions.insert(sessions.partition_point(|earlier| *earlier < id), id);
        self.by_id.insert(id, entry);
    }

    fn remove(&mut self, id: SessionId) {
        let Some(entry) = self.by_id.remove(&id) else { return };
        if let Some(sessions) = self.by_device.get_mut(&entry.info.device) {
            sessions.retain(|session| *session != id);
            if sessions.is_empty() {
                self.by_device.remove(&entry.info.device);
            }
        }
    }

    /// The sessions of a device, the oldest first.
    fn of_device(&self, device: &DeviceId) -> impl DoubleEndedIterator<Item = &Entry> {
        let ids = self.by_device.get(device).into_iter().flatten();
        ids.filter_map(|id| self.by_id.get(id).map(|entry| &**entry))
    }

    /// Makes room for one more session of the device: the one that has been idle longest makes way.
    fn make_room(
        &self,
        device: &DeviceId,
        limit: SessionLimit,
        expects: impl Fn(SessionId) -> bool,
    ) -> Result<(), Refusal> {
        let own: Vec<_> = self.of_device(device).filter(|entry| entry.stays()).collect();
        if own.len() < limit.sessions {
            return Ok(());
        }
        let idle_since = |entry: &Entry| {
            let since = entry.inbox.idle_since();
            since.filter(|since| limit.now.saturating_duration_since(*since) >= IDLE_TIME)
        };
        let idle = own.iter().filter(|entry| !expects(entry.info.id));
        let (_, idle) = idle
            .filter_map(|entry| idle_since(entry).map(|since| (since, entry)))
            .min_by_key(|(since, _)| *since)
            .ok_or(Refusal::TooManySessions)?;
        idle.inbox.withdraw(Refusal::TooManySessions);
        Ok(())
    }
}

impl Channels {
    /// The session ends: it takes no further message for its device. What waits was not sent, and may go out
    /// on another session.
    pub(super) fn refuse_deliveries(&self, device: &DeviceId) {
        let registry = &self.registration.registry;
        for outgoing in self.inbox.close() {
            registry.pending_replies.give_back(device, &outgoing.control_id, outgoing.exchange);
        }
    }

    /// Reports since when the session has been idle; `None` while it is busy.
    pub(super) fn set_idle_since(&self, since: Option<Instant>) {
        self.inbox.set_idle_since(since);
    }
}

impl Drop for Channels {
    fn drop(&mut self) {
        self.inbox.close();
    }
}

/// Removes the session from the list when it is dropped, however the session ended.
#[derive(Debug)]
struct Registration {
    registry: Registry,
    id: SessionId,
}

impl Registry {
    /// Every open session.
    #[must_use]
    pub fn sessions(&self) -> Vec<SessionInfo> {
        self.entries().by_id.values().map(|entry| entry.info.clone()).collect()
    }

    /// Ends the sessions of devices that `directory` no longer admits: authorization is checked after the
    /// handshake as well.
    pub fn recheck(&self, directory: &Directory) {
        for entry in self.entries().by_id.values() {
            match directory.admit(&entry.info.device, issuer_keys(&entry.path)) {
                Ok(device) if device.id == entry.info.device => {}
                // The entry was merged into another spelling: what is stored belongs to that one from now on.
                Ok(_) => entry.inbox.withdraw(Refusal::UnknownDevice),
                Err(refusal) => entry.inbox.withdraw(refusal),
            }
        }
    }

    /// Ends the sessions whose path `lost_admission` refuses. A revocation status that has become
    /// undetermined must not end a session.
    pub fn recheck_certificates(
        &self,
        lost_admission: impl Fn(&Arc<[IssuedCertificate]>) -> Option<Refusal>,
    ) {
        let paths: Vec<_> =
            self.entries().by_id.iter().map(|(id, entry)| (*id, Arc::clone(&entry.path))).collect();
        // A lookup takes microseconds; the lock on the list is not held during lookups.
        for (id, path) in paths {
            if let Some(refusal) = lost_admission(&path)
                && let Some(entry) = self.entries().by_id.get(&id)
            {
                entry.inbox.withdraw(refusal);
            }
        }
    }

    /// Whether the device has an open session on this node.
    #[must_use]
    pub fn is_connected(&self, device: &DeviceId) -> bool {
        self.entries().by_device.contains_key(device)
    }

    /// How many open sessions the device has on this node.
    #[must_use]
    pub fn sessions_of(&self, device: &DeviceId) -> usize {
        self.entries().by_device.get(device).map_or(0, Vec::len)
    }

    /// The session of the device on which an order is sent.
    ///
    /// As a rule the newest: a device may reconnect before its old connection times out. A gateway may keep a
    /// pool of which one connection reads orders, so sessions that have left orders unanswered come last, and
    /// one that has answered comes first while the device still uses it.
    ///
    /// # Errors
    /// When the device is not connected.
    pub fn recipient(&self, device: &DeviceId) -> Result<Recipient, DeliverError> {
        let habits = self.pending_replies.habits();
        let entries = self.entries();
        // A session that ends reads no answer.
        let open = entries.of_device(device).rev().filter(|entry| entry.inbox.is_open());
        let sessions: Vec<_> = open.map(|entry| (entry, habits.of(entry.info.id))).collect();
        let newest = sessions.first().ok_or(DeliverError::NotConnected)?.0.opened;
        let rank = |(entry, habit): &(&Entry, Habit)| {
            let is_known = habit.has_answered && entry.is_heard_since(newest);
            (habit.unanswered, !is_known)
        };
        let (chosen, _) =
            sessions.iter().min_by_key(|session| rank(session)).ok_or(DeliverError::NotConnected)?;
        let (device, session, inbox) = (device.clone(), chosen.info.id, Arc::clone(&chosen.inbox));
        Ok(Recipient { device, session, inbox })
    }

    /// An order that was sent on this session was not answered in time: others are tried first from now on.
    pub fn left_unanswered(&self, recipient: &Recipient) {
        let entries = self.entries();
        // What is known of a session goes with it.
        if entries.by_id.contains_key(&recipient.session) {
            self.pending_replies.habits().unanswered(recipient.session);
        }
    }

    /// An order that was sent on this session is given up, and was not answered. The session ends at once,
    /// and what the network has not delivered is discarded: the order must not arrive later. What its peer
    /// has sent and has no acknowledgement comes again. Whether the session was open.
    pub fn discard(&self, recipient: &Recipient) -> bool {
        recipient.inbox.give_up_order()
    }

    /// Sends a message on a session, unless it expires before the session takes it. Its acknowledgements may
    /// come on any session of the device.
    ///
    /// # Errors
    /// When the session has ended, its queue is full, or a message with this MSH-10 is pending.
    pub fn deliver(
        &self,
        Recipient { device, session, inbox }: &Recipient,
        Delivery { control_id, application, mode, deadline, frame }: Delivery,
    ) -> Result<Exchange, DeliverError> {
        let exchange = self.pending_replies.expect(device, &control_id, Some(*session), application, mode);
        let exchange = exchange.ok_or(DeliverError::AlreadyPending)?;
        inbox.deliver(Outgoing { control_id, exchange: exchange.id(), deadline, frame })?;
        Ok(exchange)
    }

    /// Waits for the application acknowledgement of a message that `device` has already accepted (CA).
    ///
    /// # Errors
    /// When a message with this MSH-10 is pending.
    pub fn await_application(
        &self,
        device: &DeviceId,
        control_id: &[u8],
        mode: Vec<u8>,
    ) -> Result<Exchange, DeliverError> {
        let exchange = self.pending_replies.expect(device, control_id, None, true, mode);
        exchange.ok_or(DeliverError::AlreadyPending)
    }

    /// The next acknowledgement that no message of this node waits for.
    pub async fn unawaited_answer(&self) -> UnawaitedAnswer {
        self.pending_replies.unawaited().next().await
    }

    /// The same, if one is there.
    #[must_use]
    pub fn try_unawaited_answer(&self) -> Option<UnawaitedAnswer> {
        self.pending_replies.unawaited().try_next()
    }

    /// Where the sessions of a gateway and its forwarder meet.
    #[must_use]
    pub const fn relay(&self) -> &Relay {
        &self.relay
    }

    /// The messages that wait for acknowledgements, shared by all sessions.
    pub(super) fn pending_replies(&self) -> PendingReplies {
        self.pending_replies.clone()
    }

    /// Lists a session, if `admit` still admits its peer and the device may have one more.
    ///
    /// The handshake decides when the certificate arrives; a peer may withhold its Finished until an operator
    /// has suspended it. `admit` reads the current directory and revocation status while the list is locked.
    /// [`Registry::recheck`] and [`Registry::recheck_certificates`] take the same lock after each change, so
    /// a change is either seen by `admit` or ends the session: no order of events lets it pass (A8, A9.4).
    ///
    /// # Errors
    /// Why `admit` refuses the peer, or that the device has too many sessions and none of them is idle.
    pub(super) fn register(
        &self,
        info: SessionInfo,
        path: Arc<[IssuedCertificate]>,
        limit: SessionLimit,
        admit: impl FnOnce() -> Result<(), Refusal>,
    ) -> Result<Channels, Refusal> {
        let inbox = Arc::<Inbox>::default();
        let registration = Registration { registry: self.clone(), id: info.id };
        {
            let mut entries = self.entries();
            let expects = |session| self.pending_replies.expects_on(session);
            let room = || entries.make_room(&info.device, limit, expects);
            if let Err(refusal) = admit().and_then(|()| room()) {
                // The registration takes the lock when it is dropped.
                drop(entries);
                return Err(refusal);
            }
            entries.insert(Box::new(Entry { info, path, inbox: Arc::clone(&inbox), opened: limit.now }));
        }
        let unawaited = self.pending_replies.unawaited().clone();
        let unawaited_permits = Arc::new(Semaphore::new(MAX_UNAWAITED));
        Ok(Channels { inbox, unawaited, unawaited_permits, registration })
    }

    fn entries(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a certificate of the path is known to be revoked. Does not wait.
pub(super) fn is_revoked(revocation: &Engine, path: &Arc<[IssuedCertificate]>) -> bool {
    let is_revoked = |status: &Status| matches!(status.verdict, Verdict::Revoked { .. });
    revocation.peek(path).iter().any(is_revoked)
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.registry.entries().remove(self.id);
        self.registry.pending_replies.abandon(self.id);
    }
}

/// Unawaited answers of one session that may wait for the dispatcher.
const MAX_UNAWAITED: usize = 64;

/// A session without a byte and without a message in flight for this time may make way for a new one.
const IDLE_TIME: Duration = Duration::from_mins(1);

#[cfg(test)]
mod tests;
