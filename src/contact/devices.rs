//! The connections of devices.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::model::{DeviceId, NodeName, SessionId, ShownCertificate};
use crate::store::Contact;

/// A device that has connected.
#[derive(Debug, Clone)]
pub struct Connected {
    /// The entry of the directory.
    pub device: DeviceId,
    /// The session.
    pub session: SessionId,
    /// Its address and port.
    pub peer: SocketAddr,
    /// The TLS version.
    pub version: &'static str,
    /// The cipher suite.
    pub suite: &'static str,
    /// Its certificate.
    pub certificate: ShownCertificate,
    /// When.
    pub at: Timestamp,
}

/// What a session stores. Sessions count without a lock.
#[derive(Debug, Default)]
pub struct Activity {
    /// Microseconds since 1970; 0: no message.
    accepted: AtomicI64,
    rejected: AtomicI64,
    messages: AtomicU64,
}

/// When messages were stored.
#[derive(Debug, Clone, Copy, Default)]
struct Stored {
    accepted: Option<Timestamp>,
    rejected: Option<Timestamp>,
}

impl Activity {
    /// A message was stored, as accepted or as rejected.
    pub fn message(&self, at: Timestamp, is_accepted: bool) {
        let last = if is_accepted { &self.accepted } else { &self.rejected };
        last.fetch_max(at.as_microsecond(), Ordering::Relaxed);
        self.messages.fetch_add(1, Ordering::Relaxed);
    }

    fn take(&self) -> (Stored, u64) {
        let time = |last: &AtomicI64| {
            let last = last.load(Ordering::Relaxed);
            Timestamp::from_microsecond(last).ok().filter(|_| last > 0)
        };
        let stored = Stored { accepted: time(&self.accepted), rejected: time(&self.rejected) };
        (stored, self.messages.swap(0, Ordering::Relaxed))
    }
}

/// The devices that were connected since the start. In boxes: a table has up to twice as many places as
/// entries.
#[derive(Debug, Default)]
pub(super) struct Devices(HashMap<DeviceId, Box<Entry>>);

#[derive(Debug)]
struct Entry {
    shown: Connected,
    /// As a rule one.
    sessions: Vec<(SessionId, Arc<Activity>)>,
    disconnected_at: Option<Timestamp>,
    /// Why the last session ended; empty while one is open.
    ended_why: &'static str,
    stored: Stored,
    /// Messages that are not written yet.
    messages: u64,
    is_changed: bool,
    written: Option<Instant>,
}

impl Devices {
    pub(super) fn connect(&mut self, shown: Connected) -> Arc<Activity> {
        let (activity, session) = (Arc::<Activity>::default(), shown.session);
        let entry = self.0.entry(shown.device.clone()).or_insert_with(|| {
            Box::new(Entry {
                shown: shown.clone(),
                sessions: Vec::with_capacity(1),
                disconnected_at: None,
                ended_why: "",
                stored: Stored::default(),
                messages: 0,
                is_changed: true,
                written: None,
            })
        });
        entry.shown = shown;
        entry.ended_why = "";
        entry.is_changed = true;
        entry.sessions.push((session, Arc::clone(&activity)));
        activity
    }

    pub(super) fn disconnect(
        &mut self,
        device: &DeviceId,
        session: SessionId,
        at: Timestamp,
        why: &'static str,
    ) {
        let Some(entry) = self.0.get_mut(device) else { return };
        if let Some(place) = entry.sessions.iter().position(|(id, _)| *id == session) {
            let (_, activity) = entry.sessions.swap_remove(place);
            entry.add(&activity);
        }
        entry.disconnected_at = Some(at);
        if entry.sessions.is_empty() {
            entry.ended_why = why;
        }
        entry.is_changed = true;
    }

    /// The rows that are to be written, at most `max`: those that wait for the longest time. Each device at
    /// most once in `interval`.
    pub(super) fn take(
        &mut self,
        node: &NodeName,
        day: &str,
        now: Instant,
        interval: Duration,
        max: usize,
    ) -> Vec<Contact> {
        let mut due = Vec::new();
        for (device, entry) in &mut self.0 {
            entry.harvest();
            let is_due =
                entry.written.is_none_or(|written| now.saturating_duration_since(written) >= interval);
            if entry.is_changed && is_due {
                due.push((entry.written, device.clone()));
            }
        }
        due.sort_unstable();
        due.truncate(max);
        let mut rows = Vec::with_capacity(due.len());
        for (_, device) in due {
            if let Some(entry) = self.0.get_mut(&device) {
                rows.push(entry.write(device, node, day, now));
            }
        }
        rows
    }

    /// These rows could not be written.
    pub(super) fn restore(&mut self, rows: Vec<Contact>) {
        for row in rows {
            if let Some(entry) = self.0.get_mut(&row.device) {
                entry.messages = entry.messages.saturating_add(row.messages_today);
                entry.is_changed = true;
            }
        }
    }

    /// Forgets devices without a session that `is_known` does not know.
    pub(super) fn forget(&mut self, is_known: impl Fn(&DeviceId) -> bool) {
        self.0.retain(|device, entry| !entry.sessions.is_empty() || is_known(device));
    }
}

impl Entry {
    fn harvest(&mut self) {
        let all: Vec<_> = self.sessions.iter().map(|(_, activity)| Arc::clone(activity)).collect();
        all.iter().for_each(|activity| self.add(activity));
    }

    fn add(&mut self, activity: &Activity) {
        let (stored, messages) = activity.take();
        self.stored.accepted = self.stored.accepted.max(stored.accepted);
        self.stored.rejected = self.stored.rejected.max(stored.rejected);
        self.messages = self.messages.saturating_add(messages);
        self.is_changed |= messages > 0;
    }

    fn write(&mut self, device: DeviceId, node: &NodeName, day: &str, now: Instant) -> Contact {
        self.is_changed = false;
        self.written = Some(now);
        let Connected { peer, version, suite, certificate, at, .. } = &self.shown;
        Contact {
            device,
            node: node.clone(),
            is_connected: !self.sessions.is_empty(),
            peer: peer.to_string(),
            tls_version: (*version).to_owned(),
            tls_suite: (*suite).to_owned(),
            connected_at: *at,
            disconnected_at: self.disconnected_at,
            ended_why: self.ended_why.to_owned(),
            last_message_at: self.stored.accepted.max(self.stored.rejected),
            accepted_at: self.stored.accepted,
            rejected_at: self.stored.rejected,
            day: day.to_owned(),
            messages_today: std::mem::take(&mut self.messages),
            certificate: certificate.clone(),
        }
    }
}
