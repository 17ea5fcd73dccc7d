//! Turns that go round over the addresses.
//!
//! A stranger chooses the cost of its handshake before it has proved anything: a key exchange with
//! ffdhe4096 costs as much as sixty with P-256. In a queue by arrival, a device would wait behind all costly
//! handshakes of all addresses. Here the address whose last turn was longest ago goes first, and one without
//! a turn so far before all others.

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

#[derive(Debug)]
struct State {
    free: usize,
    /// By the time of the last turn of the address, then by arrival.
    waiting: BTreeMap<(u64, u64), (Option<IpAddr>, oneshot::Sender<Turn>)>,
    /// The time of the last turn of each address. Times are counted in turns.
    last_turns: HashMap<IpAddr, u64>,
    now: u64,
}

impl FairQueue {
    pub(super) fn new(turns: usize) -> Arc<Self> {
        let state = State { free: turns, waiting: BTreeMap::new(), last_turns: HashMap::new(), now: 0 };
        Arc::new(Self { state: Mutex::new(state) })
    }

    /// Waits for a turn. Connections without an `address` go before those that had a turn.
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
            let last = address.and_then(|address| state.last_turns.get(&address).copied());
            let (grant, granted) = oneshot::channel();
            let place = (last.unwrap_or_default(), state.now);
            state.waiting.insert(place, (address, grant));
            granted
        };
        // The sender is in the queue until it has sent a turn.
        granted.await.unwrap_or(Turn(None))
    }

    fn release(self: &Arc<Self>) {
        loop {
            let grant = {
                let mut state = self.lock();
                let Some((_, (address, grant))) = state.waiting.pop_first() else {
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
    fn record(&mut self, address: Option<IpAddr>) {
        let Some(address) = address else { return };
        if self.last_turns.len() >= MAX_ADDRESSES {
            let recent = self.now.saturating_sub(MAX_ADDRESSES as u64 / 2);
            self.last_turns.retain(|_, at| *at > recent);
        }
        self.last_turns.insert(address, self.now);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(queue) = self.0.take() {
            queue.release();
        }
    }
}

/// Addresses whose last turn is remembered.
const MAX_ADDRESSES: usize = 8192;

#[cfg(test)]
mod tests {
    use futures_util::future::poll_immediate;

    use super::*;

    fn address(host: u8) -> Option<IpAddr> {
        Some([192, 0, 2, host].into())
    }

    #[tokio::test]
    async fn an_address_without_a_turn_so_far_goes_first() {
        let queue = FairQueue::new(1);
        for host in 1..=2 {
            drop(queue.turn(address(host)).await);
        }
        let mut held = queue.turn(address(3)).await;
        let mut waiting: Vec<_> = [3, 2, 1, 9].map(|host| (host, Box::pin(queue.turn(address(host))))).into();
        for (_, turn) in &mut waiting {
            assert!(poll_immediate(turn).await.is_none());
        }
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
        assert_eq!(order, [9, 1, 2, 3]);
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
