//! How often an address, or a client, may ask for something.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::config::truncate;

/// The requests of the present window of each address and each client. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct Rates {
    window: Duration,
    /// Those of addresses apart from those of clients: strangers take no place of who is known.
    counted: Arc<[Mutex<HashMap<Whose, Counted>>; 2]>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Whose {
    /// An address; of IPv6 its network.
    Address(IpAddr),
    Client(String),
}

#[derive(Debug, Clone, Copy)]
struct Counted {
    began: Instant,
    requests: u32,
}

impl Rates {
    /// Limits for each such time.
    pub(super) fn each(window: Duration) -> Self {
        Self { window, counted: Arc::default() }
    }

    /// Whether an address (IPv6: its /64) may ask once more; it may `max` times.
    pub(super) fn allows_address(&self, address: IpAddr, max: u32, now: Instant) -> bool {
        self.allows(Whose::Address(network_of(address)), max, now)
    }

    /// Whether a client may ask once more. That it is this client has to be proved.
    pub(super) fn allows_client(&self, client: &str, max: u32, now: Instant) -> bool {
        self.allows(Whose::Client(client.to_owned()), max, now)
    }

    fn allows(&self, whose: Whose, max: u32, now: Instant) -> bool {
        let [addresses, clients] = self.counted.as_ref();
        let counted = if matches!(whose, Whose::Address(_)) { addresses } else { clients };
        let mut counted = counted.lock().unwrap_or_else(PoisonError::into_inner);
        let is_over = |own: &Counted| now.saturating_duration_since(own.began) >= self.window;
        if counted.len() >= MAX_ENTRIES && !counted.contains_key(&whose) {
            make_room(&mut counted, is_over);
        }
        let own = counted.entry(whose).or_insert(Counted { began: now, requests: 0 });
        if is_over(own) {
            *own = Counted { began: now, requests: 0 };
        }
        own.requests = own.requests.saturating_add(1);
        own.requests <= max
    }
}

/// Forgets what is over; or else the half with the fewest requests. Refusing those that are not counted yet
/// would let a sender with many addresses lock out all others.
fn make_room(counted: &mut HashMap<Whose, Counted>, is_over: impl Fn(&Counted) -> bool) {
    counted.retain(|_, own| !is_over(own));
    if counted.len() < MAX_ENTRIES {
        return;
    }
    let mut requests: Vec<u32> = counted.values().map(|own| own.requests).collect();
    let (_, median, _) = requests.select_nth_unstable(MAX_ENTRIES / 2);
    let median = *median;
    counted.retain(|_, own| own.requests > median);
}

/// What counts as one address: of IPv6 a network, because one machine may have all addresses in it.
pub(super) fn network_of(address: IpAddr) -> IpAddr {
    if address.is_ipv4() { address } else { truncate(address, IPV6_PREFIX) }
}

/// Addresses, and clients, that are counted at once.
const MAX_ENTRIES: usize = 4096;
/// One machine may have all addresses of such a network.
const IPV6_PREFIX: u8 = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Clock;

    const WINDOW: Duration = Duration::from_secs(60);

    #[test]
    fn n000_4_requests_of_an_address_are_limited_in_each_window() {
        let (rates, start) = (Rates::each(WINDOW), Clock::system().instant());
        let allows = |address: &str, now| rates.allows_address(address.parse().unwrap(), 2, now);
        assert!(allows("2001:db8::1", start) && allows("2001:db8::2", start));
        assert!(!allows("2001:db8::3", start), "one network");
        assert!(allows("192.0.2.1", start) && rates.allows_client("192.0.2.1", 1, start));
        assert!(!allows("2001:db8::1", start + WINDOW / 2) && allows("2001:db8::1", start + WINDOW));
    }

    #[test]
    fn who_has_many_addresses_locks_out_no_other_one() {
        let (rates, start) = (Rates::each(WINDOW), Clock::system().instant());
        let busy: IpAddr = [192, 0, 2, 1].into();
        assert!((0..5).all(|_| rates.allows_address(busy, 5, start)));
        for number in 0..3 * u32::try_from(MAX_ENTRIES).unwrap() {
            assert!(rates.allows_address(number.to_be_bytes().into(), 5, start));
        }
        assert!(!rates.allows_address(busy, 5, start), "who asks most is counted on");
        assert!(rates.allows_address([198, 51, 100, 1].into(), 5, start));
        let [addresses, clients] = rates.counted.as_ref();
        assert!(addresses.lock().unwrap().len() <= MAX_ENTRIES && clients.lock().unwrap().is_empty());
    }
}
