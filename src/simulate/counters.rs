//! What has happened so far.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Fault, Latencies};

/// Counts of one simulation, which all devices share.
#[derive(Debug, Default)]
pub struct Counters {
    /// Handshakes that ended well for the client.
    pub(super) handshakes: AtomicU64,
    /// Devices without a fault whose session works.
    pub(super) up: AtomicU64,
    /// Devices without a fault whose session worked when the simulation ended.
    pub(super) connected_at_end: AtomicU64,
    /// Sessions that the platform or the network ended.
    pub(super) lost: AtomicU64,
    /// Messages sent for the first time.
    pub(super) sent: AtomicU64,
    pub(super) acknowledged: AtomicU64,
    /// The same bytes again, after a lost session.
    pub(super) repeated: AtomicU64,
    /// Messages of devices with a fault that were rejected.
    pub(super) rejected_with_fault: AtomicU64,
    /// Messages that were sent and never answered.
    pub(super) in_doubt: AtomicU64,
    /// From the message to its acknowledgement.
    pub(super) latencies: Latencies,
    named: Mutex<Named>,
}

/// Counts with names: of a bounded set that the program decides, and codes of the platform.
#[derive(Debug, Default, Clone)]
pub(super) struct Named {
    /// Sent and acknowledged, by transaction.
    pub(super) transactions: BTreeMap<&'static str, (u64, u64)>,
    /// Rejected messages, by code.
    pub(super) rejected: BTreeMap<String, u64>,
    /// Failed attempts to connect, and sessions that ended, by reason.
    pub(super) failures: BTreeMap<String, u64>,
    /// Orders, by answer.
    pub(super) orders: BTreeMap<&'static str, u64>,
    /// What the platform did about each fault.
    pub(super) faults: BTreeMap<Fault, BTreeMap<String, u64>>,
}

/// The counts that a live line shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Live {
    /// Devices without a fault whose session works.
    pub up: u64,
    /// Handshakes so far.
    pub handshakes: u64,
    /// Messages so far.
    pub sent: u64,
    /// Acknowledged ones.
    pub acknowledged: u64,
    /// Lost sessions so far.
    pub lost: u64,
}

impl Counters {
    /// The counts of this moment.
    #[must_use]
    pub fn live(&self) -> Live {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Live {
            up: read(&self.up),
            handshakes: read(&self.handshakes),
            sent: read(&self.sent),
            acknowledged: read(&self.acknowledged),
            lost: read(&self.lost),
        }
    }

    /// The latencies of acknowledgements.
    #[must_use]
    pub const fn latencies(&self) -> &Latencies {
        &self.latencies
    }

    pub(super) fn named(&self) -> MutexGuard<'_, Named> {
        self.named.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn sent(&self, transaction: &'static str) {
        add(&self.sent);
        self.named().transactions.entry(transaction).or_default().0 += 1;
    }

    pub(super) fn acknowledged(&self, transaction: &'static str) {
        add(&self.acknowledged);
        self.named().transactions.entry(transaction).or_default().1 += 1;
    }

    /// A message went to a connection that the platform refused: it was not sent.
    pub(super) fn not_sent(&self, transaction: &'static str) {
        subtract(&self.sent);
        if let Some((sent, _)) = self.named().transactions.get_mut(transaction) {
            *sent = sent.saturating_sub(1);
        }
    }

    pub(super) fn rejected(&self, code: String) {
        count(&mut self.named().rejected, code);
    }

    pub(super) fn failed(&self, reason: String) {
        count(&mut self.named().failures, reason);
    }

    pub(super) fn answered_order(&self, answer: &'static str) {
        *self.named().orders.entry(answer).or_default() += 1;
    }

    pub(super) fn fault(&self, fault: Fault, outcome: String) {
        count(self.named().faults.entry(fault).or_default(), outcome);
    }
}

pub(super) fn add(count: &AtomicU64) {
    count.fetch_add(1, Ordering::Relaxed);
}

/// Takes back what [`add`] counted.
pub(super) fn subtract(count: &AtomicU64) {
    count.fetch_sub(1, Ordering::Relaxed);
}

/// Codes come from the other side: beyond a bound the rest has one name.
fn count(counts: &mut BTreeMap<String, u64>, name: String) {
    let name = if counts.len() < MAX_NAMES || counts.contains_key(&name) { name } else { "other".to_owned() };
    *counts.entry(name).or_default() += 1;
}

/// Distinct names in one list.
const MAX_NAMES: usize = 64;
