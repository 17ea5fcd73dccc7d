//! The calendar of the simulation, random numbers, and processors.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Events in the order of their time; those of one time in the order in which they were entered.
pub(crate) struct Calendar<E> {
    entries: BinaryHeap<Reverse<(u64, u64, E)>>,
    entered: u64,
}

impl<E: Ord> Calendar<E> {
    pub(crate) fn new() -> Self {
        Self { entries: BinaryHeap::new(), entered: 0 }
    }

    pub(crate) fn enter(&mut self, at: u64, event: E) {
        self.entered += 1;
        self.entries.push(Reverse((at, self.entered, event)));
    }

    pub(crate) fn next(&mut self) -> Option<(u64, E)> {
        self.entries.pop().map(|Reverse((at, _, event))| (at, event))
    }
}

/// xorshift64*: the same seed gives the same simulation.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        (self.next() >> 11) % bound.max(1)
    }
}

/// Cores that take work in the order of its arrival.
#[derive(Debug, Clone)]
pub(crate) struct Cores {
    free: BinaryHeap<Reverse<u64>>,
    /// Processor time of all work.
    pub(crate) used: u64,
}

impl Cores {
    pub(crate) fn new(cores: u64) -> Self {
        Self { free: (0..cores).map(|_| Reverse(0)).collect(), used: 0 }
    }

    /// When work of this length that arrives `now` is done.
    pub(crate) fn work(&mut self, now: u64, length: u64) -> u64 {
        let Reverse(free) = self.free.pop().expect("at least one core");
        let done = free.max(now) + length;
        self.free.push(Reverse(done));
        self.used += length;
        done
    }
}
