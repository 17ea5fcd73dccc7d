//! How many connections there are, in all and of one address.
//!
//! A connection begins as one of a stranger. It is that of a member when its certificate leads to a
//! community, and that of a client when a request of it was admitted. When there are too many, the oldest
//! stranger makes way, else the oldest member whose requests are refused or open to all: neither keeps a
//! client from connecting, and no client has more than half of the connections.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

use crate::config::truncate;
use crate::model::Fingerprint;

/// The open connections. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct Places(Arc<Mutex<Open>>);

#[derive(Debug, Default)]
struct Open {
    next: u64,
    /// The oldest is the first.
    places: BTreeMap<u64, Occupant>,
    by_address: HashMap<IpAddr, usize>,
    by_certificate: HashMap<Fingerprint, usize>,
}

#[derive(Debug)]
struct Occupant {
    standing: Standing,
    close: CancellationToken,
}

/// Who makes way first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    Stranger,
    /// Its certificate leads to a community; whether it counts is not known yet.
    Member,
    /// Its last request was admitted.
    Client,
}

/// Whether there was a place.
#[derive(Debug)]
pub(super) enum Entered {
    /// One was free.
    Free(Place),
    /// A stranger makes way.
    InPlaceOfAnother(Place),
    /// All connections are those of clients.
    Full,
}

/// Whose connection it is, as its requests show.
#[derive(Debug, Clone)]
pub(super) struct Tenancy {
    places: Places,
    number: u64,
}

/// The place of an open connection, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Places,
    number: u64,
    close: CancellationToken,
    address: Option<IpAddr>,
    certificate: Option<Fingerprint>,
}

impl Places {
    /// A place for a new connection, of which there are at most `max`.
    pub(super) fn enter(&self, max: usize) -> Entered {
        let mut open = self.open();
        let is_full = open.places.len() >= max;
        if is_full {
            let others = open.places.iter().filter(|(_, occupant)| occupant.standing < Standing::Client);
            let first = others.min_by_key(|(number, occupant)| (occupant.standing, **number));
            let Some(number) = first.map(|(number, _)| *number) else { return Entered::Full };
            if let Some(occupant) = open.places.remove(&number) {
                occupant.close.cancel();
            }
        }
        let (number, close) = (open.next, CancellationToken::new());
        open.next = open.next.wrapping_add(1);
        open.places.insert(number, Occupant { standing: Standing::Stranger, close: close.clone() });
        let place = Place { places: self.clone(), number, close, address: None, certificate: None };
        if is_full { Entered::InPlaceOfAnother(place) } else { Entered::Free(place) }
    }

    /// How many connections there are.
    pub(super) fn count(&self) -> usize {
        self.open().places.len()
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Cancelled when the connection has to make way.
    pub(super) fn closing(&self) -> CancellationToken {
        self.close.clone()
    }

    /// Says that its certificate leads to a community. Returns whether it may stay: the certificate has fewer
    /// than `max`.
    pub(super) fn shows(&mut self, certificate: Fingerprint, max: usize) -> bool {
        let mut open = self.places.open();
        let count = open.by_certificate.entry(certificate).or_default();
        if *count >= max {
            return false;
        }
        *count += 1;
        self.certificate = Some(certificate);
        if let Some(occupant) = open.places.get_mut(&self.number) {
            occupant.standing = Standing::Member;
        }
        true
    }

    /// What its requests report to.
    pub(super) fn tenancy(&self) -> Tenancy {
        Tenancy { places: self.places.clone(), number: self.number }
    }

    /// Says whose connection it is. Returns whether it may stay: the address (IPv6: its /64) has fewer than
    /// `max`.
    pub(super) fn belongs_to(&mut self, address: IpAddr, max: usize) -> bool {
        let address = if address.is_ipv4() { address } else { truncate(address, IPV6_PREFIX) };
        let mut open = self.places.open();
        let count = open.by_address.entry(address).or_default();
        if *count >= max {
            return false;
        }
        *count += 1;
        self.address = Some(address);
        true
    }
}

impl Tenancy {
    /// Says whether a request of the connection was admitted: only a client keeps its place when there are
    /// too many.
    pub(super) fn is_admitted(&self, is_admitted: bool) {
        let mut open = self.places.open();
        let Some(occupant) = open.places.get_mut(&self.number) else { return };
        match (is_admitted, occupant.standing) {
            (true, _) => occupant.standing = Standing::Client,
            (false, Standing::Client) => occupant.standing = Standing::Member,
            (false, _) => {}
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.places.open();
        open.places.remove(&self.number);
        if let Some(address) = self.address {
            leave(&mut open.by_address, address);
        }
        if let Some(certificate) = self.certificate {
            leave(&mut open.by_certificate, certificate);
        }
    }
}

fn leave<K: Eq + Hash>(counts: &mut HashMap<K, usize>, key: K) {
    if let Entry::Occupied(mut count) = counts.entry(key) {
        *count.get_mut() -= 1;
        if *count.get() == 0 {
            count.remove();
        }
    }
}

/// One machine may have all addresses of such a network.
const IPV6_PREFIX: u8 = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn free(entered: Entered) -> Place {
        match entered {
            Entered::Free(place) => place,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn connections_of_an_address_are_limited() {
        let places = Places::default();
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let (mut first, mut second) = (free(places.enter(3)), free(places.enter(3)));
        assert!(first.belongs_to(address("2001:db8::1"), 1));
        assert!(!second.belongs_to(address("2001:db8::2"), 1), "one network");
        assert!(second.belongs_to(address("192.0.2.1"), 1));
        drop((first, second));
        assert!(places.count() == 0 && places.open().by_address.is_empty());
    }

    #[test]
    fn strangers_make_way_then_members_and_clients_stay() {
        let places = Places::default();
        let own = |name: &str| Fingerprint::sha256(name.as_bytes());
        let (mut member, mut client) = (free(places.enter(3)), free(places.enter(3)));
        let stranger = free(places.enter(3));
        assert!(member.shows(own("member"), 9) && client.shows(own("client"), 9));
        client.tenancy().is_admitted(true);
        let Entered::InPlaceOfAnother(mut other) = places.enter(3) else { panic!("the stranger makes way") };
        assert!(stranger.closing().is_cancelled() && !member.closing().is_cancelled());
        drop(stranger);
        assert!(other.shows(own("other"), 9));
        other.tenancy().is_admitted(true);
        let Entered::InPlaceOfAnother(third) = places.enter(3) else { panic!("the member makes way") };
        assert!(member.closing().is_cancelled());
        drop(member);
        third.tenancy().is_admitted(true);
        assert!(matches!(places.enter(3), Entered::Full));
        client.tenancy().is_admitted(false);
        assert!(matches!(places.enter(3), Entered::InPlaceOfAnother(_)), "it is suspended");
        assert!(client.closing().is_cancelled());
    }

    #[test]
    fn connections_of_a_certificate_are_limited() {
        let places = Places::default();
        let own = Fingerprint::sha256(b"member");
        let [mut first, mut second, mut third] = [(); 3].map(|()| free(places.enter(9)));
        assert!(first.shows(own, 2) && second.shows(own, 2) && !third.shows(own, 2));
        drop(first);
        assert!(third.shows(own, 2));
        drop((second, third));
        assert!(places.open().by_certificate.is_empty());
    }
}
