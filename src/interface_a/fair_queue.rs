//! Turns that go round over the addresses.
//!
//! A stranger chooses the cost of its handshake before it has proved anything: a key exchange with
//! ffdhe4096 costs as much as sixty with P-256. In a queue by arrival, a device would wait behind all costly
//! handshakes of all addresses. Here the address whose last turn was longest ago goes first, and one without
//! a turn so far before all others. A stranger may have thousands of fresh addresses, so addresses from which
//! a device was admitted go before others, three times out of four.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// Hands out turns. An address should wait for one turn at a time.
#[derive(Debug)]
pub(super) struct FairQueue {
    state: Mutex<State>,
}

/// A turn, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn(Option<Arc<FairQueue>>);

#[derive(Debug, Default)]
struct State {
    free: usize,
    /// Of addresses from which a device was admitted.
    preferred: Waiting,
    others: Waiting,
    /// Turns of preferred addresses since the last one of the others.
    preferred_in_a_row: u32,
    /// Addresses from which a device was admitted, and when.
    admitted: HashMap<IpAddr, u64>,
    /// The time of the last turn of each address. Times are counted in turns.
    last_turns: HashMap<IpAddr, u64>,
    now: u64,
}

/// By the time of the last turn of the address, then by arrival.
type Waiting = BTreeMap<(u64, u64), Subscriber>;

/// Who waits, and how it gets the turn.
type Subscriber = (Option<IpAddr>, oneshot::Sender<Turn>);

impl FairQueue {
    pub(super) fn new(turns: usize) -> Arc<Self> {
        Arc::new(Self { state: Mutex::new(State { free: turns, ..State::default() }) })
    }

    /// A device was admitted from the address.
    pub(super) fn prefer(&self, address: IpAddr) {
        let mut state = self.lock();
        let now = state.now;
        remember(&mut state.admitted, address, now);
    }

    /// Waits for a turn. Connections without an `address` (of a shared one) are preferred, in the order of
    /// their arrival.
    ///
    /// Cancel safe: a turn that is not taken goes to the next.
    pub(super) async fn turn(self: &Arc<Self>, address: Option<IpAddr>) -> Turn {
        let granted = {
            let mut state = self.lock();
            state.now = state.now.saturating_add(1);
            if state.free > 0 {
                state.free -= 1;
                state.record(address);
                return Turn(Some(Arc::clone(self)));
            }
            let (grant, granted) = oneshot::channel();
            state.enqueue(address, grant);
            granted
        };
        // The sender is in the queue until it has sent a turn.
        granted.await.unwrap_or(Turn(None))
    }

    /// A turn, if one is free.
    pub(super) fn try_turn(self: &Arc<Self>) -> Option<Turn> {
        let mut state = self.lock();
        state.free = state.free.checked_sub(1)?;
        Some(Turn(Some(Arc::clone(self))))
    }

    fn release(self: &Arc<Self>) {
        loop {
            let grant = {
                let mut state = self.lock();
                let Some((address, grant)) = state.next() else {
                    state.free += 1;
                    return;
                };
                if !grant.is_closed() {
                    state.now = state.now.saturating_add(1);
                    state.record(address);
                }
                grant
            };
            match grant.send(Turn(Some(Arc::clone(self)))) {
                Ok(()) => return,
                // Nothing waits for it any more.
                Err(mut turn) => turn.0 = None,
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn enqueue(&mut self, address: Option<IpAddr>, grant: oneshot::Sender<Turn>) {
        let last = address.map(|address| self.last_turns.get(&address).copied().unwrap_or_default());
        let is_preferred = address.is_none_or(|address| self.admitted.contains_key(&address));
        let queue = if is_preferred { &mut self.preferred } else { &mut self.others };
        queue.insert((last.unwrap_or(self.now), self.now), (address, grant));
    }

    /// Who gets the next turn.
    fn next(&mut self) -> Option<Subscriber> {
        let is_turn_of_others = self.preferred_in_a_row >= PREFERRED_IN_A_ROW && !self.others.is_empty();
        if let Some(next) = (!is_turn_of_others).then(|| self.preferred.pop_first()).flatten() {
            self.preferred_in_a_row = self.preferred_in_a_row.saturating_add(1);
            return Some(next.1);
        }
        self.preferred_in_a_row = 0;
        self.others.pop_first().map(|next| next.1)
    }

    fn record(&mut self, address: Option<IpAddr>) {
        let Some(address) = address else { return };
        let now = self.now;
        remember(&mut self.last_turns, address, now);
    }
}

/// Notes the time of an address, and forgets the oldest ones of too many.
fn remember(times: &mut HashMap<IpAddr, u64>, address: IpAddr, now: u64) {
    if times.len() >= MAX_ADDRESSES && !times.contains_key(&address) {
        let mut all: Vec<_> = times.values().copied().collect();
        let middle = all.len() / 2;
        let (_, median, _) = all.select_nth_unstable(middle);
        let median = *median;
        times.retain(|_, at| *at > median);
    }
    times.insert(address, now);
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(queue) = self.0.take() {
            queue.release();
        }
    }
}

/// Addresses whose last turn, or last admitted device, is remembered: more than a platform has devices.
const MAX_ADDRESSES: usize = 32 * 1024;
/// Turns of preferred addresses before one of the others, so that a new device is admitted beside a busy one.
const PREFERRED_IN_A_ROW: u32 = 3;

#[cfg(test)]
mod tests {
    use futures_util::future::poll_immediate;

    use super::*;

    fn address(host: u8) -> Option<IpAddr> {
        Some([192, 0, 2, host].into())
    }

    /// The order in which these get the turn.
    async fn order<F: Future<Output = Turn> + Unpin>(mut held: Turn, mut waiting: Vec<(u8, F)>) -> Vec<u8> {
        let mut order = Vec::new();
        while !waiting.is_empty() {
            drop(held);
            let mut granted = None;
            for (place, (_, turn)) in waiting.iter_mut().enumerate() {
                if let Some(turn) = poll_immediate(turn).await {
                    granted = Some((place, turn));
                    break;
                }
            }
            let (place, turn) = granted.unwrap();
            order.push(waiting.remove(place).0);
            held = turn;
        }
        order
    }

    #[tokio::test]
    async fn an_address_without_a_turn_so_far_goes_first() {
        let queue = FairQueue::new(1);
        for host in 1..=2 {
            drop(queue.turn(address(host)).await);
        }
        let held = queue.turn(address(3)).await;
        let mut waiting: Vec<_> = [3, 2, 1, 9].map(|host| (host, Box::pin(queue.turn(address(host))))).into();
        for (_, turn) in &mut waiting {
            assert!(poll_immediate(turn).await.is_none());
        }
        assert_eq!(order(held, waiting).await, [9, 1, 2, 3]);
    }

    #[tokio::test]
    async fn an_address_with_an_admitted_device_does_not_wait_behind_fresh_ones() {
        let queue = FairQueue::new(1);
        queue.prefer([192, 0, 2, 1].into());
        let held = queue.turn(address(1)).await;
        let mut waiting: Vec<_> =
            [11, 12, 1, 1, 1, 1, 1].map(|host| (host, Box::pin(queue.turn(address(host))))).into();
        for (_, turn) in &mut waiting {
            assert!(poll_immediate(turn).await.is_none());
        }
        assert_eq!(order(held, waiting).await, [1, 1, 1, 11, 1, 1, 12]);
    }

    #[test]
    fn the_oldest_of_too_many_addresses_are_forgotten() {
        let mut times = HashMap::new();
        let host = |number: usize| IpAddr::from(u32::try_from(number).unwrap().to_be_bytes());
        for number in 0..=MAX_ADDRESSES {
            remember(&mut times, host(number), number as u64);
        }
        assert!(times.len() <= MAX_ADDRESSES / 2 + 1);
        assert!(times.contains_key(&host(MAX_ADDRESSES)) && !times.contains_key(&host(0)));
    }

    #[tokio::test]
    async fn a_turn_that_is_not_taken_goes_to_the_next() {
        let queue = FairQueue::new(1);
        let held = queue.turn(address(1)).await;
        let mut abandoned = Box::pin(queue.turn(address(2)));
        let mut granted = Box::pin(queue.turn(address(3)));
        let mut next = Box::pin(queue.turn(None));
        assert!(poll_immediate(&mut abandoned).await.is_none());
        assert!(poll_immediate(&mut granted).await.is_none());
        drop(abandoned);
        drop(held);
        drop(granted);
        assert!(poll_immediate(&mut next).await.is_some());
        assert_eq!(queue.lock().free, 1);
    }
}
