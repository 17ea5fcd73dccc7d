//! The refused peers of one kind, and which of their refusals get a row of their own.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::budget::Budget;
use super::limits::Limits;
use super::others::Others;
use crate::audit::{Certificate, Event, RefusalCount, RefusedPeers};
use crate::interface_a::refused_peer::RefusedPeer;
use crate::interface_a::session::Now;
use crate::model::Refusal;

/// Refused peers, each with the reason. Its memory is bounded by [`Bounds::entries`].
#[derive(Debug)]
pub(super) struct Table {
    bounds: Bounds,
    budget: Budget,
    entries: HashMap<(RefusedPeer, Refusal), Entry>,
}

/// The bounds of a table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Peers and reasons.
    pub(super) entries: usize,
    /// Rows of its own that each of them gets in one interval.
    pub(super) own_rows: u32,
    /// How many times as many rows a minute as configured.
    pub(super) rate_factor: usize,
}

/// A refused connection.
#[derive(Debug)]
pub(super) struct Refused<'a> {
    pub(super) peer: RefusedPeer,
    pub(super) refusal: Refusal,
    pub(super) certificate: Option<&'a Certificate>,
    pub(super) address: SocketAddr,
}

/// What happens to a refusal.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Recorded {
    /// It gets this row.
    Own(Box<Event>),
    /// It is counted for a row of its peer.
    Counted,
    /// The table is full.
    Full,
}

#[derive(Debug)]
struct Entry {
    /// When its interval began.
    since: Instant,
    own_rows: u32,
    counted: Option<RefusalCount>,
    /// The certificate that chains to an installed root, and the last peer that showed it.
    shown: Option<(Certificate, SocketAddr)>,
}

impl Table {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self { bounds, budget: Budget::default(), entries: HashMap::new() }
    }

    pub(super) fn record(
        &mut self,
        refused: Refused<'_>,
        now: Now,
        limits: &Limits,
        own: impl FnOnce() -> Event,
    ) -> Recorded {
        let Refused { peer, refusal, certificate, address } = refused;
        let is_certificate = matches!(peer, RefusedPeer::Certificate { .. });
        let key = (peer, refusal);
        if !self.entries.contains_key(&key) && self.entries.len() >= self.bounds.entries {
            return Recorded::Full;
        }
        let entry = self.entries.entry(key).or_insert(Entry {
            since: now.instant,
            own_rows: 0,
            counted: None,
            shown: None,
        });
        let may_have_own = !limits.is_aggregated() || entry.own_rows < self.bounds.own_rows;
        // Repetitions leave half of the room: a peer that comes back takes no row from one that is new.
        let share = if limits.is_aggregated() && entry.own_rows > 0 { 2 } else { 1 };
        let rows = limits.rows * self.bounds.rate_factor / share;
        if may_have_own && self.budget.has_room(now.instant, rows, limits.bytes / share) {
            entry.own_rows = entry.own_rows.saturating_add(1);
            let event = own();
            self.budget.take(now.instant, event.details().len());
            return Recorded::Own(Box::new(event));
        }
        let one = RefusalCount::one(now.wall);
        entry.counted = Some(entry.counted.map_or(one, |counted| counted.plus(one)));
        if is_certificate {
            entry.shown = certificate.map(|certificate| (certificate.clone(), address));
        }
        Recorded::Counted
    }

    /// The rows of the peers whose interval is over. A peer for which there was no room in a second interval
    /// goes to `others`.
    pub(super) fn due(&mut self, now: Instant, limits: &Limits, others: &mut Others) -> Vec<Event> {
        let interval = limits.interval();
        self.write(now, interval, interval * 2, limits, others)
    }

    /// The rows of all peers, as far as there is room. The rest goes to `others`.
    pub(super) fn close(&mut self, now: Instant, limits: &Limits, others: &mut Others) -> Vec<Event> {
        let events = self.write(now, Duration::ZERO, Duration::ZERO, limits, others);
        self.entries.clear();
        events
    }

    fn write(
        &mut self,
        now: Instant,
        min_age: Duration,
        max_age: Duration,
        limits: &Limits,
        others: &mut Others,
    ) -> Vec<Event> {
        let age = |entry: &Entry| now.saturating_duration_since(entry.since);
        let mut events = Vec::new();
        let mut due: Vec<_> = self
            .entries
            .iter()
            .filter(|(_, entry)| age(entry) >= min_age)
            .map(|(key, entry)| (entry.since, key.clone()))
            .collect();
        due.sort_unstable();
        for (_, key) in due {
            let Some(entry) = self.entries.get_mut(&key) else { continue };
            let Some(count) = entry.counted else {
                self.entries.remove(&key);
                continue;
            };
            if self.budget.has_room(now, limits.rows * self.bounds.rate_factor, limits.bytes) {
                let event =
                    Event::RefusalsCounted { peers: peers(&key, entry.shown.take(), count.count), count };
                self.budget.take(now, event.details().len());
                events.push(event);
                // Its refusals of the next interval get no row of their own.
                *entry = Entry { since: now, own_rows: self.bounds.own_rows, counted: None, shown: None };
            } else if age(entry) >= max_age {
                others.add(key.1, count, now);
                self.entries.remove(&key);
            }
        }
        events
    }
}

fn peers(
    (peer, refusal): &(RefusedPeer, Refusal),
    shown: Option<(Certificate, SocketAddr)>,
    count: u64,
) -> RefusedPeers {
    let refusal = *refusal;
    match (peer, shown) {
        (RefusedPeer::Address { address, device }, _) => {
            RefusedPeers::Address { address: *address, device: device.clone(), refusal }
        }
        (RefusedPeer::Certificate { .. }, Some((certificate, peer))) => {
            RefusedPeers::Certificate { certificate, peer, refusal }
        }
        // A counted refusal of a certificate has stored it.
        (RefusedPeer::Certificate { .. }, None) => {
            RefusedPeers::Others { refusals: [(refusal, count)].into() }
        }
    }
}
