//! What is remembered in memory until it is written.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::devices::{Activity, Connected, Devices};
use super::refused::{Refused, RefusedConnection};
use crate::model::{DeviceId, NodeName, SessionId};
use crate::store::{Observations, RefusedRoom};

/// What was seen of devices and refused peers. Cheap to clone; clones share the state.
#[derive(Debug, Clone, Default)]
pub struct Contacts(Arc<Mutex<Table>>);

#[derive(Debug, Default)]
struct Table {
    devices: Devices,
    refused: Refused,
}

impl Contacts {
    /// A device has connected. Its session counts messages with what is returned.
    #[must_use]
    pub fn connected(&self, connected: Connected) -> Arc<Activity> {
        self.lock().devices.connect(connected)
    }

    /// A session of the device has ended; `why` is the code of the audit row.
    pub fn disconnected(&self, device: &DeviceId, session: SessionId, at: Timestamp, why: &'static str) {
        self.lock().devices.disconnect(device, session, at, why);
    }

    /// A peer was refused at `now`.
    pub fn refused(&self, refused: RefusedConnection, now: Instant) {
        self.lock().refused.record(refused, now);
    }

    /// What is to be written now, as far as a batch may hold it; with `everything` all of it.
    #[must_use]
    pub fn take(&self, node: &NodeName, day: &str, now: Instant, everything: bool) -> Observations {
        let interval = if everything { Duration::ZERO } else { INTERVAL };
        let max = |usual: usize| if everything { usize::MAX } else { usual };
        let mut table = self.lock();
        let contacts = table.devices.take(node, day, now, interval, max(MAX_CONTACTS));
        let refused = table.refused.take(node, now, interval, |room| match room {
            RefusedRoom::Verified => max(MAX_VERIFIED),
            RefusedRoom::Unverified => max(MAX_UNVERIFIED),
        });
        Observations { contacts, refused, ..Observations::default() }
    }

    /// These observations could not be written: they are written later.
    pub fn restore(&self, Observations { contacts, refused, .. }: Observations, now: Instant) {
        let mut table = self.lock();
        table.devices.restore(contacts);
        table.refused.restore(refused, now);
    }

    /// Forgets devices that `is_known` does not know.
    pub fn forget(&self, is_known: impl Fn(&DeviceId) -> bool) {
        self.lock().devices.forget(is_known);
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How often one device, or one refused peer, is written at most.
const INTERVAL: Duration = Duration::from_secs(5);
/// Rows about devices in one write.
const MAX_CONTACTS: usize = 128;
/// Rows about refused peers with a good certificate in one write.
const MAX_VERIFIED: usize = 128;
/// Rows about strangers in one write.
const MAX_UNVERIFIED: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Clock, Refusal, RefusalFacts, ShownCertificate};
    use crate::store::RefusedRow;

    fn clock() -> Clock {
        Clock::manual(Timestamp::from_second(1_750_000_000).unwrap())
    }

    fn node() -> NodeName {
        "ward-7".parse().unwrap()
    }

    fn connected(device: &str, clock: &Clock) -> Connected {
        Connected {
            device: device.parse().unwrap(),
            session: SessionId::at(clock.now()),
            peer: "192.0.2.7:1".parse().unwrap(),
            version: "TLSv1_2",
            suite: "SUITE",
            certificate: ShownCertificate {
                fingerprint: "ab".to_owned(),
                serial: "0a".to_owned(),
                issuer: "CN=CA".to_owned(),
                not_before: clock.now(),
                not_after: clock.now(),
                key: "ECC P-256".to_owned(),
            },
            at: clock.now(),
        }
    }

    fn refused(room: RefusedRoom, who: &str, clock: &Clock) -> RefusedConnection {
        RefusedConnection {
            room,
            who: who.to_owned(),
            device: None,
            peer: "192.0.2.8:2".parse().unwrap(),
            refusal: Refusal::Expired,
            facts: RefusalFacts::default(),
            at: clock.now(),
        }
    }

    fn take(contacts: &Contacts, clock: &Clock) -> Observations {
        contacts.take(&node(), "2026-01-31", clock.instant(), false)
    }

    #[test]
    fn a_device_is_written_when_something_changed_and_once_in_five_seconds() {
        let (clock, contacts) = (clock(), Contacts::default());
        let shown = connected("PUMP", &clock);
        let activity = contacts.connected(shown.clone());
        let [first] = take(&contacts, &clock).contacts.try_into().unwrap();
        assert!(first.is_connected && first.messages_today == 0 && first.last_message_at.is_none());
        for _ in 0..1000 {
            activity.message(clock.now(), true);
        }
        assert!(take(&contacts, &clock).is_empty(), "not so soon again");
        clock.advance(INTERVAL);
        let [second] = take(&contacts, &clock).contacts.try_into().unwrap();
        assert_eq!((second.messages_today, second.last_message_at), (1000, Some(shown.at)));
        clock.advance(INTERVAL);
        assert!(take(&contacts, &clock).is_empty(), "nothing changed");
        activity.message(clock.now(), true);
        contacts.disconnected(&shown.device, shown.session, clock.now(), "revoked");
        let observations = take(&contacts, &clock);
        let row = &observations.contacts[0];
        assert_eq!(
            (row.is_connected, row.messages_today, row.disconnected_at),
            (false, 1, Some(clock.now()))
        );
        contacts.restore(observations, clock.instant());
        clock.advance(INTERVAL);
        assert_eq!(take(&contacts, &clock).contacts[0].messages_today, 1, "it was not written");
        contacts.forget(|_| false);
        assert!(take(&contacts, &clock).is_empty());
    }

    #[test]
    fn refusals_of_one_peer_share_a_row_and_strangers_do_not_displace_others() {
        let (clock, contacts) = (clock(), Contacts::default());
        let counts = |rows: &[RefusedRow]| rows.iter().map(|row| row.count).collect::<Vec<_>>();
        for _ in 0..500 {
            contacts.refused(refused(RefusedRoom::Verified, "PUMP", &clock), clock.instant());
        }
        for n in 0..5000 {
            contacts.refused(refused(RefusedRoom::Unverified, &n.to_string(), &clock), clock.instant());
        }
        contacts.refused(refused(RefusedRoom::Verified, "PUMP-2", &clock), clock.instant());
        let mut rows = take(&contacts, &clock).refused;
        assert_eq!(counts(&rows[..2]).iter().sum::<u64>(), 501);
        assert_eq!(rows.len(), 2 + MAX_UNVERIFIED, "the strangers take turns");
        assert!(take(&contacts, &clock).refused.iter().all(|row| row.room == RefusedRoom::Unverified));
        contacts.refused(refused(RefusedRoom::Verified, "PUMP", &clock), clock.instant());
        rows.retain(|row| row.who == "PUMP");
        contacts.restore(Observations { refused: rows, ..Observations::default() }, clock.instant());
        clock.advance(INTERVAL);
        let again = take(&contacts, &clock).refused;
        assert_eq!((again[0].who.as_str(), again[0].count), ("PUMP", 501));
        let rest = contacts.take(&node(), "", clock.instant(), true).refused;
        assert!(rest.len() < 1024, "bounded: {}", rest.len());
    }
}
