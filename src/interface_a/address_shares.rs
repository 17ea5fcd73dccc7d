//! The connections that have not proved an identity yet, by address.
//!
//! A peer that reaches the port can open connections and never finish a handshake. Such connections are
//! counted by address (IPv6: by /64, the network of one subscriber), so that those of one address do not keep
//! a device at another one waiting. Open sessions do not count: behind NAT a whole hospital may have one
//! address.
//!
//! When there are too many of all addresses, one gives way: of the address that has the most, the one that
//! has kept the platform waiting longest. A connection that waits for the platform never gives way, so
//! devices that all connect at once do not displace each other.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::config::truncate;

/// Counts connections by address. Its memory is bounded by the number of connections.
#[derive(Debug)]
pub(super) struct AddressShares {
    members: Mutex<Members>,
    handshakes_per_address: usize,
}

#[derive(Debug, Default)]
struct Members {
    by_address: HashMap<IpAddr, Share>,
    count: usize,
    last: u64,
}

#[derive(Debug)]
struct Share {
    members: BTreeMap<u64, Arc<Member>>,
    turns: AddressTurns,
}

/// The turns of one address.
#[derive(Debug, Clone)]
struct AddressTurns {
    new: Arc<Semaphore>,
    begun: Arc<Semaphore>,
}

#[derive(Debug, Default)]
struct Member {
    displaced: CancellationToken,
    /// Since when the connection waits for its peer, unless it waits for the platform.
    waits_for_peer_since: Mutex<Option<Instant>>,
}

/// How far a handshake is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Nothing has been computed for it.
    New,
    /// The platform has answered its ClientHello.
    Begun,
}

/// The limits for a new connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct ShareLimits {
    /// Connections of one address.
    pub(super) per_address: usize,
    /// Connections of all addresses.
    pub(super) total: usize,
}

/// A connection that counts for its address until this value is dropped.
#[derive(Debug)]
pub(super) struct Membership {
    shares: Arc<AddressShares>,
    address: IpAddr,
    number: u64,
    member: Arc<Member>,
    turns: AddressTurns,
}

impl AddressShares {
    pub(super) fn new(handshakes_per_address: usize) -> Self {
        Self { members: Mutex::default(), handshakes_per_address }
    }

    /// Counts a connection, which waits for its peer. When there are too many of its address, or in all,
    /// another one gives way. `None` when its address has too many and none of them has stalled.
    pub(super) fn join(
        self: &Arc<Self>,
        address: IpAddr,
        limits: ShareLimits,
        now: Instant,
    ) -> Option<Membership> {
        let address = subscriber(address);
        let mut members = self.lock();
        if members.by_address.get(&address).is_some_and(|share| share.members.len() >= limits.per_address)
            && !members.displace_stalled(address, now)
        {
            return None;
        }
        if members.count >= limits.total {
            members.displace(now);
        }
        members.last += 1;
        members.count += 1;
        let number = members.last;
        let share = members.by_address.entry(address).or_insert_with(|| Share {
            members: BTreeMap::new(),
            turns: AddressTurns {
                new: Arc::new(Semaphore::new(NEW_TURNS_PER_ADDRESS)),
                begun: Arc::new(Semaphore::new(self.handshakes_per_address)),
            },
        });
        let member = Arc::new(Member { waits_for_peer_since: Mutex::new(Some(now)), ..Member::default() });
        share.members.insert(number, Arc::clone(&member));
        let turns = share.turns.clone();
        drop(members);
        Some(Membership { shares: Arc::clone(self), address, number, member, turns })
    }

    /// Lets one connection give way to a new one, if one can.
    pub(super) fn displace(&self, now: Instant) {
        self.lock().displace(now);
    }

    fn lock(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Members {
    fn displace(&mut self, now: Instant) {
        // Under a flood an address with many connections is found without a look at all others.
        let most = self.by_address.values().map(|share| share.members.len()).max().unwrap_or_default();
        let victim = self
            .by_address
            .iter()
            .filter(|(_, share)| most > 1 && share.members.len() == most)
            .find_map(|(address, share)| share.longest_waiting().map(|(_, number)| (*address, number)))
            .or_else(|| self.any_victim(now));
        if let Some((address, number)) = victim {
            self.close(address, number);
        }
    }

    /// Lets the connection of this address that has stalled longest give way. Whether there is one.
    fn displace_stalled(&mut self, address: IpAddr, now: Instant) -> bool {
        let longest = self.by_address.get(&address).and_then(Share::longest_waiting);
        let stalled = longest.filter(|(since, _)| now.saturating_duration_since(*since) >= STALLED);
        stalled.is_some_and(|(_, number)| self.close(address, number))
    }

    fn close(&mut self, address: IpAddr, number: u64) -> bool {
        let member = self.remove(address, number);
        member.as_ref().inspect(|member| member.displaced.cancel()).is_some()
    }

    fn any_victim(&self, now: Instant) -> Option<(IpAddr, u64)> {
        let candidates = self.by_address.iter().filter_map(|(address, share)| {
            let (since, number) = share.longest_waiting()?;
            // The only connection of a device may wait for a slow peer.
            let may_be_slow = share.members.len() == 1 && now.saturating_duration_since(since) < SLOW;
            (!may_be_slow).then_some((share.members.len(), Reverse(since), *address, number))
        });
        candidates.max().map(|(_, _, address, number)| (address, number))
    }

    fn remove(&mut self, address: IpAddr, number: u64) -> Option<Arc<Member>> {
        let share = self.by_address.get_mut(&address)?;
        let member = share.members.remove(&number)?;
        self.count = self.count.saturating_sub(1);
        if share.members.is_empty() {
            self.by_address.remove(&address);
        }
        Some(member)
    }
}

impl Share {
    /// The connection that has waited for its peer longest, and since when.
    fn longest_waiting(&self) -> Option<(Instant, u64)> {
        let waiting = self.members.iter().filter_map(|(number, member)| {
            let since = (*member.waits_for_peer_since.lock().unwrap_or_else(PoisonError::into_inner))?;
            Some((since, *number))
        });
        waiting.min()
    }
}

/// The address that stands for all addresses of one subscriber: the first one of an IPv6 /64.
pub(super) fn subscriber(address: IpAddr) -> IpAddr {
    if address.is_ipv6() { truncate(address, SUBSCRIBER_PREFIX) } else { address }
}

impl Membership {
    /// Waits until the address runs fewer handshakes than it may.
    pub(super) async fn turn(&self, stage: Stage) -> Option<OwnedSemaphorePermit> {
        let turns = match stage {
            Stage::New => &self.turns.new,
            Stage::Begun => &self.turns.begun,
        };
        Arc::clone(turns).acquire_owned().await.ok()
    }

    /// The turns of its address for handshakes that have begun.
    pub(super) fn begun_turns(&self) -> Arc<Semaphore> {
        Arc::clone(&self.turns.begun)
    }

    /// The address, or the first one of its IPv6 /64.
    pub(super) const fn address(&self) -> IpAddr {
        self.address
    }

    /// The connection waits for the platform now, and does not give way.
    pub(super) fn wait_for_platform(&self) {
        self.set(None);
    }

    pub(super) fn wait_for_peer(&self, now: Instant) {
        self.set(Some(now));
    }

    /// Resolves when the connection has to give way.
    pub(super) async fn displaced(&self) {
        self.member.displaced.cancelled().await;
    }

    fn set(&self, since: Option<Instant>) {
        *self.member.waits_for_peer_since.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.shares.lock().remove(self.address, self.number);
    }
}

/// The network that one IPv6 subscriber has at least (RFC 6177).
const SUBSCRIBER_PREFIX: u8 = 64;
/// New handshakes of one address that compute at once, or wait for a turn of the platform: the turns go round
/// over the addresses.
const NEW_TURNS_PER_ADDRESS: usize = 1;
/// How long the only connection of an address may wait for its peer before it can give way: longer than the
/// signature of a slow device.
const SLOW: Duration = Duration::from_secs(2);
/// How long a connection of an address with its full share waits for its peer before it can give way to a new
/// one of the same address: longer than a round trip.
const STALLED: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interface_a::fixtures::clock;

    const LIMITS: ShareLimits = ShareLimits { per_address: 2, total: 100 };

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn is_displaced(membership: &Membership) -> bool {
        membership.member.displaced.is_cancelled()
    }

    #[test]
    fn an_address_has_at_most_its_share_and_others_have_theirs() {
        let (shares, now) = (Arc::new(AddressShares::new(1)), clock().instant());
        let join = |text: &str| shares.join(address(text), LIMITS, now);
        let (one, two) = (join("192.0.2.1").unwrap(), join("192.0.2.1").unwrap());
        assert!(join("192.0.2.1").is_none());
        let other = join("192.0.2.2").unwrap();
        drop(one);
        let three = join("192.0.2.1").unwrap();
        assert!(join("192.0.2.1").is_none());
        drop((two, three, other));
        assert!(shares.lock().by_address.is_empty(), "nothing is stored for an address without connections");
        assert_eq!(shares.lock().count, 0);
    }

    #[test]
    fn the_connection_that_has_stalled_longest_gives_way_to_a_new_one_of_its_address() {
        let (shares, clock) = (Arc::new(AddressShares::new(1)), clock());
        let join = || shares.join(address("192.0.2.1"), LIMITS, clock.instant());
        let (one, two) = (join().unwrap(), join().unwrap());
        clock.advance(STALLED - Duration::from_millis(1));
        assert!(join().is_none(), "both may be honest and fast");
        clock.advance(Duration::from_millis(1));
        one.wait_for_platform();
        let three = join().unwrap();
        assert!(is_displaced(&two) && !is_displaced(&one) && !is_displaced(&three));
        assert!(join().is_none(), "one waits for the platform, the other one is new");
        assert_eq!(shares.lock().count, 2);
    }

    #[test]
    fn ipv6_addresses_of_one_subscriber_share() {
        let (shares, now) = (Arc::new(AddressShares::new(1)), clock().instant());
        let limits = ShareLimits { per_address: 1, ..LIMITS };
        let _one = shares.join(address("2001:db8:0:1::1"), limits, now).unwrap();
        assert!(shares.join(address("2001:db8:0:1:ffff::2"), limits, now).is_none());
        assert!(shares.join(address("2001:db8:0:2::1"), limits, now).is_some());
    }

    #[tokio::test]
    async fn handshakes_of_one_address_wait_for_each_other_and_not_for_those_of_others() {
        let (shares, now) = (Arc::new(AddressShares::new(1)), clock().instant());
        let [one, two] = [(); 2].map(|()| shares.join(address("192.0.2.1"), LIMITS, now).unwrap());
        let other = shares.join(address("192.0.2.2"), LIMITS, now).unwrap();
        let turn = one.turn(Stage::Begun).await.unwrap();
        let waits = tokio::time::timeout(Duration::from_millis(20), two.turn(Stage::Begun)).await;
        assert!(waits.is_err());
        assert!(other.turn(Stage::Begun).await.is_some());
        drop(turn);
        assert!(two.turn(Stage::Begun).await.is_some());
    }

    #[test]
    fn the_address_with_the_most_connections_gives_way_to_a_new_one() {
        let (shares, clock) = (Arc::new(AddressShares::new(1)), clock());
        let limits = ShareLimits { per_address: 10, total: 4 };
        let join = |text: &str| {
            clock.advance(Duration::from_millis(1));
            shares.join(address(text), limits, clock.instant()).unwrap()
        };
        let device = join("192.0.2.1");
        let flood = [(); 3].map(|()| join("192.0.2.66"));
        flood[0].wait_for_platform();
        let new = join("192.0.2.2");
        assert!(is_displaced(&flood[1]), "the one that has waited longest for its peer");
        let next = join("192.0.2.66");
        assert!(is_displaced(&flood[2]));
        let all = [&device, &flood[0], &new, &next];
        assert!(all.iter().all(|one| !is_displaced(one)));
        assert_eq!(shares.lock().count, 4);
        drop(flood);
        assert_eq!(shares.lock().count, 3, "a displaced connection does not count");
    }

    #[test]
    fn devices_that_connect_at_once_do_not_displace_each_other() {
        let (shares, clock) = (Arc::new(AddressShares::new(1)), clock());
        let limits = ShareLimits { per_address: 10, total: 4 };
        let join = |host: u8| shares.join([192, 0, 2, host].into(), limits, clock.instant()).unwrap();
        let devices: Vec<_> = (0..20).map(join).collect();
        assert!(devices.iter().all(|device| !is_displaced(device)));
        devices[1].wait_for_platform();
        clock.advance(SLOW);
        devices[0].wait_for_peer(clock.instant());
        let _new = join(200);
        let displaced: Vec<_> = (0..20).filter(|host| is_displaced(&devices[*host])).collect();
        assert_eq!(displaced.len(), 1);
        assert!(displaced[0] > 1, "neither the one that waits for us nor the one that was heard from");
    }
}
