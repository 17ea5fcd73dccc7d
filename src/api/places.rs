//! How many connections there are, in all and of one address.
//!
//! A connection begins as one of a stranger. When there are too many, the oldest stranger makes way: clients
//! without a certificate of a community keep no member from connecting.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

use crate::config::truncate;

/// The open connections. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct Places(Arc<Mutex<Open>>);

#[derive(Debug, Default)]
struct Open {
    next: u64,
    /// The oldest is the first.
    places: BTreeMap<u64, Occupant>,
    by_address: HashMap<IpAddr, usize>,
}

#[derive(Debug)]
struct Occupant {
    /// Whether its certificate leads to a community.
    is_member: bool,
    close: CancellationToken,
}

/// Whether there was a place.
#[derive(Debug)]
pub(super) enum Entered {
    /// One was free.
    Free(Place),
    /// A stranger makes way.
    InPlaceOfAnother(Place),
    /// All connections are those of members.
    Full,
}

/// The place of an open connection, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Places,
    number: u64,
    close: CancellationToken,
    address: Option<IpAddr>,
}

impl Places {
    /// A place for a new connection, of which there are at most `max`.
    pub(super) fn enter(&self, max: usize) -> Entered {
        let mut open = self.open();
        let is_full = open.places.len() >= max;
        if is_full {
            let stranger = open.places.iter().find(|(_, occupant)| !occupant.is_member);
            let Some(number) = stranger.map(|(number, _)| *number) else { return Entered::Full };
            if let Some(occupant) = open.places.remove(&number) {
                occupant.close.cancel();
            }
        }
        let (number, close) = (open.next, CancellationToken::new());
        open.next = open.next.wrapping_add(1);
        open.places.insert(number, Occupant { is_member: false, close: close.clone() });
        let place = Place { places: self.clone(), number, close, address: None };
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

    /// Says that the certificate of the client leads to a community.
    pub(super) fn set_member(&self) {
        if let Some(occupant) = self.places.open().places.get_mut(&self.number) {
            occupant.is_member = true;
        }
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

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.places.open();
        open.places.remove(&self.number);
        let Some(address) = self.address else { return };
        if let Some(count) = open.by_address.get_mut(&address) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                open.by_address.remove(&address);
            }
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
    fn strangers_make_way_and_members_stay() {
        let places = Places::default();
        let (member, stranger) = (free(places.enter(2)), free(places.enter(2)));
        member.set_member();
        let Entered::InPlaceOfAnother(third) = places.enter(2) else { panic!("the stranger makes way") };
        assert!(stranger.closing().is_cancelled() && !member.closing().is_cancelled());
        drop(stranger);
        assert_eq!(places.count(), 2);
        third.set_member();
        assert!(matches!(places.enter(2), Entered::Full));
        drop(member);
        drop(free(places.enter(2)));
    }
}
