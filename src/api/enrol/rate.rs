//! How many requests an address sends in a minute.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use crate::api::rates::network_of;

/// The requests of the current minute, by address. Clones share them.
#[derive(Debug, Clone, Default)]
pub(in crate::api) struct Rate(Arc<Mutex<Minute>>);

#[derive(Debug, Default)]
struct Minute {
    number: i64,
    by_address: HashMap<IpAddr, u32>,
}

impl Rate {
    /// Whether this request of the address (IPv6: of its /64) is one of the first `max` of this minute. When
    /// more addresses ask than are remembered, the further ones wait for the next minute.
    pub(super) fn allows(&self, address: IpAddr, max: u32, now: Timestamp) -> bool {
        let address = network_of(address);
        let mut minute = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let number = now.as_second().div_euclid(60);
        if minute.number != number {
            *minute = Minute { number, by_address: HashMap::new() };
        }
        if minute.by_address.len() >= MAX_ADDRESSES && !minute.by_address.contains_key(&address) {
            return false;
        }
        let count = minute.by_address.entry(address).or_default();
        *count = count.saturating_add(1);
        *count <= max
    }
}

/// Addresses that are remembered for a minute.
const MAX_ADDRESSES: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn n000_4_an_address_sends_so_many_requests_a_minute() {
        let (rate, start) = (Rate::default(), Timestamp::UNIX_EPOCH);
        let [one, two, three] =
            ["192.0.2.1", "2001:db8::1", "2001:db8::2"].map(|text| text.parse::<IpAddr>().unwrap());
        assert_eq!([1, 2, 3].map(|_| rate.allows(one, 2, start)), [true, true, false]);
        assert!(rate.allows(two, 1, start) && !rate.allows(three, 1, start), "one network");
        assert!(rate.allows(one, 2, start + jiff::SignedDuration::from_mins(1)));
        let other = |number: u32| IpAddr::from(number.to_be_bytes());
        let allowed = (0..10_000).filter(|number| rate.allows(other(*number), 1, start)).count();
        assert_eq!(allowed, MAX_ADDRESSES, "the memory for addresses is bounded");
    }
}
