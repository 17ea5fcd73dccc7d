//! How often an address or a client may ask for tokens.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::config::truncate;

/// The requests of the last second. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct Rates(Arc<Mutex<HashMap<String, Second>>>);

#[derive(Debug)]
struct Second {
    began: Instant,
    requests: u32,
}

impl Rates {
    /// Whether an address (IPv6: its /64) may ask once more; it may `max` times a second.
    pub(super) fn allows_address(&self, address: IpAddr, max: u32, now: Instant) -> bool {
        self.allows(format!("address {}", network_of(address)), max, now)
    }

    /// Whether a client may ask once more.
    pub(super) fn allows_client(&self, client: &str, max: u32, now: Instant) -> bool {
        self.allows(format!("client {client}"), max, now)
    }

    fn allows(&self, whose: String, max: u32, now: Instant) -> bool {
        let mut rates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_over = |second: &Second| now.saturating_duration_since(second.began) >= SECOND;
        if rates.len() >= MAX_ENTRIES && !rates.contains_key(&whose) {
            rates.retain(|_, second| !is_over(second));
            // As many addresses in one second are an attack on the endpoint: it answers those that it knows.
            if rates.len() >= MAX_ENTRIES {
                return false;
            }
        }
        let second = rates.entry(whose).or_insert(Second { began: now, requests: 0 });
        if is_over(second) {
            *second = Second { began: now, requests: 0 };
        }
        second.requests = second.requests.saturating_add(1);
        second.requests <= max
    }
}

/// What counts as one address: of IPv6 a network, because one machine may have all addresses in it.
pub(super) fn network_of(address: IpAddr) -> IpAddr {
    if address.is_ipv4() { address } else { truncate(address, IPV6_PREFIX) }
}

const SECOND: Duration = Duration::from_secs(1);
/// Addresses and clients that are counted at once.
const MAX_ENTRIES: usize = 4096;
/// One machine may have all addresses of such a network.
const IPV6_PREFIX: u8 = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Clock;

    #[test]
    fn requests_of_an_address_are_limited_in_each_second() {
        let (rates, start) = (Rates::default(), Clock::system().instant());
        let allows = |address: &str, now| rates.allows_address(address.parse().unwrap(), 2, now);
        assert!(allows("2001:db8::1", start) && allows("2001:db8::2", start));
        assert!(!allows("2001:db8::3", start), "one network");
        assert!(allows("192.0.2.1", start) && rates.allows_client("192.0.2.1", 1, start));
        assert!(allows("2001:db8::1", start + SECOND));
    }

    #[test]
    fn what_is_counted_is_bounded() {
        let (rates, start) = (Rates::default(), Clock::system().instant());
        for number in 0..MAX_ENTRIES {
            assert!(rates.allows_client(&number.to_string(), 2, start));
        }
        assert!(!rates.allows_client("another", 2, start) && rates.allows_client("7", 2, start));
        assert!(rates.allows_client("another", 2, start + SECOND));
        assert_eq!(rates.0.lock().unwrap().len(), 1);
    }
}
