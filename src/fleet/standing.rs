//! How one device stands.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use jiff::{SignedDuration, Timestamp};

use super::ended;
use super::over::{holds, next_step};
use super::state::DeviceState;
use crate::authz::{Device, DeviceStatus, eui64};
use crate::model::{DeviceId, Refusal, ShownCertificate};
use crate::pcd::DeviceIdentity;
use crate::store::{Contact, Feed, RefusedRoom, RefusedRow, Store, StoreError};

/// What the store remembers of all devices and refused peers.
#[derive(Debug, Clone, Default)]
pub struct Fleet {
    contacts: HashMap<DeviceId, Vec<Contact>>,
    feeds: HashMap<DeviceId, Feed>,
    refused: Vec<RefusedRow>,
    /// The places of the refusals of each device in `refused`, the last refused first.
    refused_devices: HashMap<DeviceId, Vec<usize>>,
    /// The names there that spell an EUI-64.
    spellings: HashMap<DeviceIdentity, DeviceId>,
}

/// What only a running platform knows of a device.
#[derive(Debug, Clone, Copy, Default)]
pub struct LiveDevice {
    /// Its open sessions on this node.
    pub sessions: usize,
    /// When it was heard last.
    pub last_heard: Option<Timestamp>,
    /// Whether its silence is reported.
    pub is_silent: bool,
    /// Whether it left monitoring.
    pub has_left: bool,
    /// Whether it is expected, and was never heard.
    pub is_missing: bool,
}

/// How one device stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// In one word.
    pub state: DeviceState,
    /// Whether it is connected to any node.
    pub is_connected: bool,
    /// When the last message of it was stored.
    pub last_message: Option<Timestamp>,
    /// Its messages of today.
    pub messages_today: u64,
    /// Its last connection.
    pub contact: Option<Contact>,
    /// The last refusal of it, if that is later than its last connection, or the lost authorization that
    /// ended its last session: it is locked out.
    pub locked_out: Option<RefusedRow>,
    /// Whether `locked_out` ended a session, and the device has not come back since.
    pub is_withdrawn: bool,
    /// When its newest message was rejected, if none was accepted since, nor in the minute before.
    pub rejected: Option<Timestamp>,
    /// When the last message of it was accepted.
    pub last_accepted: Option<Timestamp>,
    /// The last refusal of it.
    pub last_refusal: Option<RefusedRow>,
    /// What to do about `last_refusal`, as the directory is now.
    pub last_refusal_step: String,
    /// The last refusal of it since its last connection, if it would not be refused so now: it has to connect
    /// again.
    pub refused_before: Option<RefusedRow>,
}

impl Fleet {
    /// Reads it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn read(store: &Store) -> Result<Self, StoreError> {
        Ok(Self::new(store.contacts().await?, store.refused().await?, store.feeds_of_certificates().await?))
    }

    /// From the rows of the store; the last refused peers first.
    #[must_use]
    pub fn new(contacts: Vec<Contact>, refused: Vec<RefusedRow>, feeds: Vec<Feed>) -> Self {
        let mut fleet = Self { refused, ..Self::default() };
        for contact in contacts {
            fleet.contacts.entry(contact.device.clone()).or_default().push(contact);
        }
        for feed in feeds.into_iter().filter(|feed| feed.identity.is_none()) {
            let newest = fleet.feeds.get(&feed.via).is_none_or(|known| known.last < feed.last);
            if newest {
                fleet.feeds.insert(feed.via.clone(), feed);
            }
        }
        for (at, row) in fleet.refused.iter().enumerate() {
            if let Some(device) = &row.device {
                fleet.refused_devices.entry(device.clone()).or_default().push(at);
                if let Some(number) = eui64(device) {
                    fleet.spellings.entry(number).or_insert_with(|| device.clone());
                }
            }
        }
        fleet
    }

    /// Refused peers, the last refused first.
    #[must_use]
    pub fn refused(&self) -> &[RefusedRow] {
        &self.refused
    }

    /// The connections of a device: the last one of each node, the newest first.
    #[must_use]
    pub fn contacts_of(&self, device: &DeviceId) -> &[Contact] {
        self.contacts.get(device).map(Vec::as_slice).unwrap_or_default()
    }

    /// The last connection of each device, in no order.
    pub fn last_contacts(&self) -> impl Iterator<Item = &Contact> {
        self.contacts.values().filter_map(|contacts| contacts.first())
    }

    /// The refusals of a device, also under another spelling of its EUI-64; the last refused first.
    pub fn refusals_of(&self, device: &DeviceId) -> impl Iterator<Item = &RefusedRow> {
        let spelled = || self.refused_devices.get(self.spellings.get(&eui64(device)?)?);
        let places = self.refused_devices.get(device).or_else(spelled);
        places.into_iter().flatten().filter_map(|at| self.refused.get(*at))
    }

    /// Whether the device is connected to any node.
    #[must_use]
    pub fn is_connected(&self, device: &DeviceId, live: Option<&LiveDevice>) -> bool {
        let contacts = self.contacts_of(device);
        live.is_some_and(|live| live.sessions > 0) || contacts.iter().any(|contact| contact.is_connected)
    }

    /// How the device stands; `live` is `None` where the platform does not run, or is not asked.
    #[must_use]
    pub fn standing(&self, device: &Device, live: Option<&LiveDevice>, now: Timestamp) -> Standing {
        let contacts = self.contacts_of(&device.id);
        let contact = contacts.first();
        let is_connected = self.is_connected(&device.id, live);
        let feed = self.feeds.get(&device.id);
        let remembered = feed.map(|feed| LiveDevice {
            last_heard: Some(feed.last),
            is_silent: feed.is_silent,
            has_left: feed.has_left,
            ..LiveDevice::default()
        });
        let live = live.copied().or(remembered).unwrap_or_default();
        let is_past = |at: &Timestamp| !is_future(*at, now);
        let of_contacts =
            |time: fn(&Contact) -> Option<Timestamp>| contacts.iter().filter_map(time).filter(is_past).max();
        let heard = live.last_heard.max(feed.map(|feed| feed.last)).filter(is_past);
        let last_accepted = of_contacts(|contact| contact.accepted_at).max(heard);
        let last_message = of_contacts(|contact| contact.last_message_at).max(heard);
        let rejected = of_contacts(|contact| contact.rejected_at)
            .filter(|at| last_accepted.is_none_or(|accepted| at.duration_since(accepted) > ACCEPTED_BETWEEN));
        let day = contacts.iter().map(|contact| contact.day.as_str()).max().unwrap_or_default();
        let last_refusal = self.refusals_of(&device.id).next();
        // The last one decides: the directory is asked only about a good certificate.
        let newest = self.refusals_of(&device.id).find(|row| !is_connected && is_its_own(row, contact, now));
        let is_out = newest.is_some_and(|row| is_final(row.refusal) && holds(row.refusal, device));
        let refused = newest.filter(|_| is_out).cloned();
        let withdrawn = contact.filter(|_| !is_connected).and_then(ended::withdrawal);
        let withdrawn = withdrawn.filter(|row| is_final(row.refusal) && holds(row.refusal, device));
        let is_withdrawn = refused.is_none() && withdrawn.is_some();
        let locked_out = refused.or(withdrawn);
        let refused_before = newest.filter(|_| locked_out.is_none()).cloned();
        let known = Known { is_connected, last_message, last_accepted, rejected };
        let state = state(device, known, contact, locked_out.is_some(), live, now);
        Standing {
            state,
            is_connected,
            is_withdrawn,
            rejected,
            last_accepted,
            last_message,
            messages_today: contacts
                .iter()
                .filter(|contact| contact.day == day)
                .map(|contact| contact.messages_today)
                .sum(),
            contact: contact.cloned(),
            locked_out,
            last_refusal_step: last_refusal.map(|row| next_step(row, Some(device))).unwrap_or_default(),
            last_refusal: last_refusal.cloned(),
            refused_before,
        }
    }
}

impl Standing {
    /// The certificate that it showed last: of a device that is locked out the one that is refused. A
    /// certificate that no installed root verifies is none of the device, even with its name.
    #[must_use]
    pub fn certificate(&self) -> Option<&ShownCertificate> {
        let refused = self.locked_out.as_ref().filter(|row| row.room == RefusedRoom::Verified);
        let refused = refused.and_then(|row| row.facts.certificate.as_ref());
        refused.or(self.contact.as_ref().map(|contact| &contact.certificate))
    }

    /// The end of the certificate that it showed last.
    #[must_use]
    pub fn certificate_end(&self) -> Option<Timestamp> {
        self.certificate().map(|shown| shown.not_after)
    }

    /// Whether that certificate is refused as revoked.
    #[must_use]
    pub fn is_revoked(&self) -> bool {
        self.locked_out.as_ref().is_some_and(|row| row.refusal == Refusal::Revoked)
    }
}

/// Whether the refusal is of the device, and later than its last connection. A claim of a stranger counts
/// only if it comes from where the device was connected, or the device never was.
///
/// A time that has not come yet is that of a clock which was wrong: what it was before or after is not known.
/// A refusal of such a time does not count against a connection; after a connection of such a time each
/// refusal counts. The device that is still refused tries again, and then the time is right.
fn is_its_own(row: &RefusedRow, contact: Option<&Contact>, now: Timestamp) -> bool {
    let Some(contact) = contact else { return true };
    let is_later = match (is_future(row.last, now), is_future(contact.connected_at, now)) {
        (true, false) => false,
        (false, true) => true,
        _ => row.last > contact.connected_at,
    };
    let is_there = address(&row.peer).is_some_and(|there| Some(there) == address(&contact.peer));
    is_later && (row.room == RefusedRoom::Verified || is_there)
}

/// Whether the time has not come yet, by more than the clocks of nodes may differ.
fn is_future(at: Timestamp, now: Timestamp) -> bool {
    at.duration_since(now) > CLOCKS_DIFFER
}

/// Whether the device stays out: a limit admits it again by itself.
const fn is_final(refusal: Refusal) -> bool {
    !matches!(refusal, Refusal::TooManySessions | Refusal::TooManyNewSessions | Refusal::TooManyConnections)
}

/// The address without its port.
pub(super) fn address(peer: &str) -> Option<IpAddr> {
    peer.parse().ok().map(|peer: SocketAddr| peer.ip())
}

/// What the state rests on.
#[derive(Debug, Clone, Copy)]
struct Known {
    is_connected: bool,
    last_message: Option<Timestamp>,
    last_accepted: Option<Timestamp>,
    rejected: Option<Timestamp>,
}

fn state(
    device: &Device,
    known: Known,
    contact: Option<&Contact>,
    is_locked_out: bool,
    live: LiveDevice,
    now: Timestamp,
) -> DeviceState {
    let Known { is_connected, last_message, last_accepted, rejected } = known;
    let within = |at: Option<Timestamp>, time| at.is_some_and(|at| now.duration_since(at) <= time);
    let was_never_seen = contact.is_none() && last_message.is_none();
    match device.status {
        DeviceStatus::Suspended => DeviceState::Suspended,
        DeviceStatus::Damaged => DeviceState::Refused,
        DeviceStatus::Active if is_locked_out => DeviceState::Refused,
        // It is not silent: what it sends is rejected.
        DeviceStatus::Active if within(rejected, SENT_LATELY) => DeviceState::Rejected,
        DeviceStatus::Active if live.is_silent => DeviceState::Silent,
        DeviceStatus::Active if live.is_missing => DeviceState::Missing,
        DeviceStatus::Active if live.has_left => DeviceState::Left,
        DeviceStatus::Active if within(rejected, REJECTED_LATELY) => DeviceState::Rejected,
        DeviceStatus::Active if is_connected && within(last_accepted, SENT_LATELY) => DeviceState::Sends,
        DeviceStatus::Active if is_connected => DeviceState::Connected,
        DeviceStatus::Active if was_never_seen && device.expected => DeviceState::Missing,
        DeviceStatus::Active if was_never_seen => DeviceState::NeverSeen,
        DeviceStatus::Active => DeviceState::Disconnected,
    }
}

/// A connected device of which a message was accepted within this time sends.
pub(super) const SENT_LATELY: SignedDuration = SignedDuration::from_hours(1);
/// A device whose messages are rejected is shown for so long after the last of them.
const REJECTED_LATELY: SignedDuration = SignedDuration::from_hours(24);
/// A device whose rejected messages come between accepted ones sends.
const ACCEPTED_BETWEEN: SignedDuration = SignedDuration::from_mins(1);
/// How far the clocks of nodes, and of a device's last connection, may be apart.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_mins(5);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::fixtures::{at, contact, refusal};
    use crate::store::fixtures::gateway;

    fn fleet(contacts: Vec<Contact>, refused: Vec<RefusedRow>) -> Fleet {
        Fleet::new(contacts, refused, Vec::new())
    }

    #[test]
    fn a_refusal_of_a_time_that_has_not_come_says_nothing_of_a_device_that_connected_since() {
        let device = gateway("GW-1");
        let day = 86_400;
        let is_out = |contact, refusals| {
            fleet(vec![contact], refusals).standing(&device, None, at(1000)).locked_out.is_some()
        };
        let expired = |second| refusal("GW-1", Refusal::Expired, second);
        assert!(is_out(contact("GW-1", 900), vec![expired(950)]));
        // The clock was ahead for a moment.
        assert!(!is_out(contact("GW-1", 900), vec![expired(400 * day)]));
        // It is refused now for another reason, and the earlier row is the first one.
        let revoked = refusal("GW-1", Refusal::Revoked, 950);
        assert!(is_out(contact("GW-1", 900), vec![expired(400 * day), revoked]));
        // It was ahead at the last connection.
        assert!(is_out(contact("GW-1", 400 * day), vec![expired(950)]));
        let heard = Contact { last_message_at: Some(at(400 * day)), ..contact("GW-1", 900) };
        assert_eq!(fleet(vec![heard], Vec::new()).standing(&device, None, at(1000)).last_message, None);
    }

    #[test]
    fn a_device_has_the_state_that_needs_a_person_most() {
        let device = gateway("GW-1");
        let state = |fleet: &Fleet, device: &Device, live: LiveDevice| {
            fleet.standing(device, Some(&live), at(1000)).state
        };
        let nothing = LiveDevice::default();
        let none = Fleet::default();
        assert_eq!(state(&none, &device, nothing), DeviceState::NeverSeen);
        let expected = Device { expected: true, ..device.clone() };
        assert_eq!(state(&none, &expected, nothing), DeviceState::Missing);
        let connected = LiveDevice { sessions: 1, ..nothing };
        assert_eq!(state(&none, &device, connected), DeviceState::Connected);
        let sends = LiveDevice { last_heard: Some(at(990)), ..connected };
        assert_eq!(state(&none, &device, sends), DeviceState::Sends);
        assert_eq!(state(&none, &device, LiveDevice { is_silent: true, ..sends }), DeviceState::Silent);
        assert_eq!(state(&none, &device, LiveDevice { has_left: true, ..sends }), DeviceState::Left);
        let known = fleet(vec![contact("GW-1", 100)], Vec::new());
        assert_eq!(state(&known, &device, nothing), DeviceState::Disconnected);
        let refused = fleet(vec![contact("GW-1", 100)], vec![refusal("GW-1", Refusal::Expired, 200)]);
        assert_eq!(state(&refused, &device, nothing), DeviceState::Refused);
        assert_eq!(state(&refused, &device, sends), DeviceState::Sends, "it is connected all the same");
        let suspended = Device { status: DeviceStatus::Suspended, ..device };
        assert_eq!(state(&refused, &suspended, sends), DeviceState::Suspended);
    }

    #[test]
    fn a_device_is_locked_out_until_it_connects_and_not_by_a_stranger_elsewhere() {
        let device = gateway("GW-1");
        let locked = |contacts: Vec<Contact>, row: RefusedRow| {
            fleet(contacts, vec![row]).standing(&device, None, at(1000)).locked_out.is_some()
        };
        let expired = || refusal("GW-1", Refusal::Expired, 200);
        assert!(locked(vec![contact("GW-1", 100)], expired()));
        assert!(!locked(vec![contact("GW-1", 300)], expired()), "it has connected since");
        let claimed = RefusedRow { room: RefusedRoom::Unverified, ..expired() };
        assert!(locked(vec![contact("GW-1", 100)], claimed.clone()), "from its own address");
        let stranger = RefusedRow { peer: "203.0.113.9:1".to_owned(), ..claimed };
        assert!(!locked(vec![contact("GW-1", 100)], stranger.clone()));
        assert!(locked(Vec::new(), stranger), "its address is not known");
        assert!(!locked(Vec::new(), refusal("GW-1", Refusal::TooManySessions, 200)));
    }

    /// A session that the platform ended, and a device that sends what is not accepted.
    #[test]
    fn what_does_not_send_is_not_shown_as_sending() {
        let device = gateway("GW-1");
        let stands = |contact: Contact, device: &Device, live: LiveDevice, second| {
            fleet(vec![contact], Vec::new()).standing(device, Some(&live), at(second))
        };
        let nothing = LiveDevice::default();
        let sent =
            Contact { last_message_at: Some(at(100)), accepted_at: Some(at(100)), ..contact("GW-1", 100) };
        let state = |contact: &Contact, live, second| stands(contact.clone(), &device, live, second).state;
        assert_eq!(state(&sent, nothing, 102), DeviceState::Disconnected, "its session has ended");
        let connected = LiveDevice { sessions: 1, ..nothing };
        assert_eq!(state(&sent, connected, 102), DeviceState::Sends);
        assert_eq!(state(&sent, connected, 3700), DeviceState::Sends);
        assert_eq!(state(&sent, connected, 3701), DeviceState::Connected);
        for (second, expected) in [(150, DeviceState::Sends), (161, DeviceState::Rejected)] {
            let rejected = Contact { rejected_at: Some(at(second)), ..sent.clone() };
            assert_eq!(state(&rejected, connected, 170), expected, "{second}");
        }
        let never = Contact { accepted_at: None, rejected_at: Some(at(100)), ..sent.clone() };
        for (live, second, expected) in [
            (connected, 101, DeviceState::Rejected),
            (nothing, 101, DeviceState::Rejected),
            (LiveDevice { is_silent: true, ..nothing }, 101, DeviceState::Rejected),
            (LiveDevice { is_silent: true, ..nothing }, 3701, DeviceState::Silent),
            (nothing, 100 + 24 * 3600, DeviceState::Rejected),
            (nothing, 101 + 24 * 3600, DeviceState::Disconnected),
        ] {
            assert_eq!(state(&never, live, second), expected, "{live:?} {second}");
        }
    }

    /// A8, A9.4: a refusal that the directory no longer says locks no device out.
    #[test]
    fn a_session_that_lost_its_authorization_locks_out_until_the_device_connects() {
        let device = gateway("GW-1");
        let ended = |why: &str| Contact { ended_why: why.to_owned(), ..contact("GW-1", 100) };
        let stands = |contact: Contact, refused, device: &Device| {
            fleet(vec![contact], refused).standing(device, None, at(1000))
        };
        let bound = Device { issuers: vec![crate::model::KeyHash::sha256(b"CA")], ..device.clone() };
        for why in ["revoked", "expired", "untrusted-issuer", "other-issuer", "revocation-undetermined"] {
            let standing = stands(ended(why), Vec::new(), &bound);
            assert_eq!((standing.state, standing.is_withdrawn), (DeviceState::Refused, true), "{why}");
            assert_eq!(standing.locked_out.unwrap().refusal.code(), why);
        }
        let again = stands(ended("revoked"), vec![refusal("GW-1", Refusal::Expired, 200)], &device);
        assert_eq!(again.locked_out.unwrap().refusal, Refusal::Expired, "what it met since");
        assert!(!again.is_withdrawn);
        // It was suspended, and tried to connect; then it was resumed.
        let refused = || vec![refusal("GW-1", Refusal::SuspendedDevice, 200)];
        for why in ["suspended-device", "unknown-device", "too-many-sessions", "shutdown"] {
            let standing = stands(ended(why), refused(), &device);
            assert_eq!((standing.state, standing.locked_out), (DeviceState::Disconnected, None), "{why}");
        }
        let suspended = Device { status: DeviceStatus::Suspended, ..device };
        let standing = stands(ended("suspended-device"), refused(), &suspended);
        assert_eq!(standing.state, DeviceState::Suspended);
    }

    /// The refusal is not forgotten: it says how far the device came.
    #[test]
    fn what_refused_a_device_before_the_directory_allowed_it_is_known_until_it_connects() {
        let device = gateway("GW-1");
        let before = |contacts: Vec<Contact>, refused: Vec<RefusedRow>| {
            let standing = fleet(contacts, refused).standing(&device, None, at(1000));
            (standing.locked_out.is_some(), standing.refused_before.map(|row| row.refusal))
        };
        for why in [Refusal::UnknownDevice, Refusal::SuspendedDevice, Refusal::OtherIssuer] {
            let rows = || vec![refusal("GW-1", why, 200)];
            assert_eq!(before(Vec::new(), rows()), (false, Some(why)), "never connected");
            assert_eq!(before(vec![contact("GW-1", 100)], rows()), (false, Some(why)));
            assert_eq!(before(vec![contact("GW-1", 300)], rows()), (false, None), "it has connected since");
            let row = refusal("GW-1", why, 200);
            assert!(next_step(&row, Some(&device)).contains("allows it now"));
            assert_eq!(next_step(&row, None), row.refusal.next_step(&row.facts));
        }
        // Its certificate was good the last time.
        let rows =
            || vec![refusal("GW-1", Refusal::UnknownDevice, 200), refusal("GW-1", Refusal::Expired, 100)];
        assert_eq!(before(Vec::new(), rows()), (false, Some(Refusal::UnknownDevice)));
        let worse = rows().into_iter().rev().collect();
        assert_eq!(before(Vec::new(), worse), (true, None), "the rows are sorted, the last one first");
    }

    #[test]
    fn two_spellings_of_one_eui64_are_one_device() {
        let fleet = fleet(Vec::new(), vec![refusal("00A037FFFE000001", Refusal::Expired, 200)]);
        let spelled: DeviceId = "00:a0:37:ff:fe:00:00:01".parse().unwrap();
        assert_eq!(fleet.refusals_of(&spelled).count(), 1);
        assert_eq!(fleet.refusals_of(&"00A037FFFE000002".parse().unwrap()).count(), 0);
    }

    // `device list --expiring` and the calendar ask for the end: a stranger may not move it.
    #[test]
    fn only_a_verified_certificate_says_when_that_of_the_device_ends() {
        let device = gateway("GW-1");
        let strange = |room| {
            let mut row = refusal("GW-1", Refusal::UntrustedIssuer, 10);
            row.facts.certificate.iter_mut().for_each(|shown| shown.not_after = at(9_000_000));
            RefusedRow { room, ..row }
        };
        let end = |contacts: Vec<Contact>, room| {
            let fleet = fleet(contacts, vec![strange(room)]);
            let standing = fleet.standing(&device, None, at(20));
            assert!(standing.locked_out.is_some());
            standing.certificate_end()
        };
        assert_eq!(end(vec![contact("GW-1", 0)], RefusedRoom::Unverified), Some(at(1_000_000)));
        assert_eq!(end(Vec::new(), RefusedRoom::Unverified), None);
        assert_eq!(end(vec![contact("GW-1", 0)], RefusedRoom::Verified), Some(at(9_000_000)));
    }
}
