//! The share of each address in the connections that have not proved an identity yet.
//!
//! A peer that reaches the port can open connections and never finish a handshake. Such connections are
//! counted by address (IPv6: by /64, the network of one subscriber), and so are the handshakes that run, so
//! that the connections of one address do not keep a device at another one waiting. Open sessions do not
//! count: behind NAT a whole hospital may have one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::truncate;

/// Counts connections by address. Its memory is bounded by the number of connections.
#[derive(Debug)]
pub(super) struct AddressShares {
    by_address: Mutex<HashMap<IpAddr, Share>>,
    handshakes_per_address: usize,
}

#[derive(Debug)]
struct Share {
    connections: usize,
    turns: Arc<Semaphore>,
}

/// A connection that counts for its address until this value is dropped.
#[derive(Debug)]
pub(super) struct Membership {
    shares: Arc<AddressShares>,
    address: IpAddr,
    turns: Arc<Semaphore>,
}

impl AddressShares {
    pub(super) fn new(handshakes_per_address: usize) -> Self {
        Self { by_address: Mutex::default(), handshakes_per_address }
    }

    /// Counts a connection, unless its address already has `limit` of them.
    pub(super) fn join(self: &Arc<Self>, address: IpAddr, limit: usize) -> Option<Membership> {
        let address = subscriber(address);
        let mut by_address = self.lock();
        let share = by_address.entry(address).or_insert_with(|| Share {
            connections: 0,
            turns: Arc::new(Semaphore::new(self.handshakes_per_address)),
        });
        if share.connections >= limit {
            return None;
        }
        share.connections += 1;
        let turns = Arc::clone(&share.turns);
        Some(Membership { shares: Arc::clone(self), address, turns })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, Share>> {
        self.by_address.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The address that stands for all addresses of one subscriber: the first one of an IPv6 /64.
pub(super) fn subscriber(address: IpAddr) -> IpAddr {
    if address.is_ipv6() { truncate(address, SUBSCRIBER_PREFIX) } else { address }
}

impl Membership {
    /// Waits until the address runs fewer handshakes than it may.
    pub(super) async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.turns).acquire_owned().await.ok()
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        let mut by_address = self.shares.lock();
        if let Some(share) = by_address.get_mut(&self.address) {
            share.connections = share.connections.saturating_sub(1);
            if share.connections == 0 {
                by_address.remove(&self.address);
            }
        }
    }
}

/// The network that one IPv6 subscriber has at least (RFC 6177).
const SUBSCRIBER_PREFIX: u8 = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_has_at_most_its_share_and_others_have_theirs() {
        let shares = Arc::new(AddressShares::new(1));
        let join = |text: &str| shares.join(address(text), 2);
        let (one, two) = (join("192.0.2.1").unwrap(), join("192.0.2.1").unwrap());
        assert!(join("192.0.2.1").is_none());
        let other = join("192.0.2.2").unwrap();
        drop(one);
        let three = join("192.0.2.1").unwrap();
        assert!(join("192.0.2.1").is_none());
        drop((two, three, other));
        assert!(shares.lock().is_empty(), "nothing is stored for an address without connections");
    }

    #[test]
    fn ipv6_addresses_of_one_subscriber_share() {
        let shares = Arc::new(AddressShares::new(1));
        let _one = shares.join(address("2001:db8:0:1::1"), 1).unwrap();
        assert!(shares.join(address("2001:db8:0:1:ffff::2"), 1).is_none());
        assert!(shares.join(address("2001:db8:0:2::1"), 1).is_some());
    }

    #[tokio::test]
    async fn handshakes_of_one_address_wait_for_each_other_and_not_for_those_of_others() {
        let shares = Arc::new(AddressShares::new(1));
        let [one, two] = [(); 2].map(|()| shares.join(address("192.0.2.1"), 2).unwrap());
        let other = shares.join(address("192.0.2.2"), 2).unwrap();
        let turn = one.turn().await.unwrap();
        let waits = tokio::time::timeout(std::time::Duration::from_millis(20), two.turn()).await;
        assert!(waits.is_err());
        assert!(other.turn().await.is_some());
        drop(turn);
        assert!(two.turn().await.is_some());
    }
}
