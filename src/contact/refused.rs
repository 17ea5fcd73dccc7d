//! Refused peers.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::model::{DeviceId, NodeName, Refusal, RefusalFacts};
use crate::store::{RefusedRoom, RefusedRow};

/// A refused connection.
#[derive(Debug, Clone)]
pub struct RefusedConnection {
    /// Whether its certificate is good as such.
    pub room: RefusedRoom,
    /// Under which name it is remembered; see [`RefusedRow::who`].
    pub who: String,
    /// The device that it is, or claims to be; see [`RefusedRow::device`].
    pub device: Option<DeviceId>,
    /// Its address and port.
    pub peer: SocketAddr,
    /// The reason.
    pub refusal: Refusal,
    /// What it showed.
    pub facts: RefusalFacts,
    /// When.
    pub at: Timestamp,
}

type Key = (RefusedRoom, String, Option<DeviceId>, Refusal);

/// Refused peers of the last seconds.
#[derive(Debug, Default)]
pub(super) struct Refused(HashMap<Key, Pending>);

#[derive(Debug)]
struct Pending {
    since: Instant,
    written: Option<Instant>,
    /// Refusals that are not written yet.
    unwritten: Option<Unwritten>,
}

#[derive(Debug, Clone)]
struct Unwritten {
    first: Timestamp,
    last: Timestamp,
    count: u64,
    peer: SocketAddr,
    facts: RefusalFacts,
}

impl Refused {
    /// Counts a refusal. Where there is no room for a further peer it is not remembered here: the audit trail
    /// counts it.
    pub(super) fn record(&mut self, refused: RefusedConnection, now: Instant) {
        let RefusedConnection { room, who, device, peer, refusal, facts, at } = refused;
        let key = (room, who, device, refusal);
        if !self.0.contains_key(&key) && self.count(room) >= MAX_PENDING {
            return;
        }
        let pending = self.0.entry(key).or_insert(Pending { since: now, written: None, unwritten: None });
        let new = Unwritten { first: at, last: at, count: 1, peer, facts };
        pending.unwritten = Some(match pending.unwritten.take() {
            Some(known) => Unwritten { first: known.first, count: known.count.saturating_add(1), ..new },
            None => new,
        });
    }

    /// The rows that are to be written, at most `max` of each room, those that wait for the longest time.
    /// Each peer and reason at most once in `interval`.
    pub(super) fn take(
        &mut self,
        node: &NodeName,
        now: Instant,
        interval: Duration,
        max: impl Fn(RefusedRoom) -> usize,
    ) -> Vec<RefusedRow> {
        let is_over =
            |written: Option<Instant>| written.is_none_or(|at| now.saturating_duration_since(at) >= interval);
        self.0.retain(|_, pending| pending.unwritten.is_some() || !is_over(pending.written));
        let waits = |pending: &Pending| pending.unwritten.is_some() && is_over(pending.written);
        let mut due: Vec<_> = self
            .0
            .iter()
            .filter(|(_, pending)| waits(pending))
            .map(|(key, pending)| (pending.written.unwrap_or(pending.since), key.clone()))
            .collect();
        due.sort_unstable();
        let mut rows: Vec<RefusedRow> = Vec::new();
        for room in RefusedRoom::ALL {
            let keys = due.iter().map(|(_, key)| key).filter(|(own, ..)| *own == room);
            for key in keys.take(max(room)) {
                rows.extend(self.0.get_mut(key).and_then(|pending| pending.write(key, node, now)));
            }
        }
        rows
    }

    /// These rows could not be written.
    pub(super) fn restore(&mut self, rows: Vec<RefusedRow>, now: Instant) {
        for row in rows {
            let Ok(peer) = row.peer.parse() else { continue };
            let key = (row.room, row.who, row.device, row.refusal);
            let pending =
                self.0.entry(key).or_insert(Pending { since: now, written: Some(now), unwritten: None });
            let later = pending.unwritten.take();
            let count = row.count.saturating_add(later.as_ref().map_or(0, |later| later.count));
            let last = later.unwrap_or(Unwritten {
                first: row.first,
                last: row.last,
                count,
                peer,
                facts: row.facts,
            });
            pending.unwritten = Some(Unwritten { first: row.first, count, ..last });
        }
    }

    fn count(&self, room: RefusedRoom) -> usize {
        // Rarely more than a few; a flood ends at the bound.
        self.0.keys().filter(|(own, ..)| *own == room).count()
    }
}

impl Pending {
    fn write(&mut self, key: &Key, node: &NodeName, now: Instant) -> Option<RefusedRow> {
        let Unwritten { first, last, count, peer, facts } = self.unwritten.take()?;
        self.written = Some(now);
        let (room, who, device, refusal) = key.clone();
        let peer = peer.to_string();
        Some(RefusedRow { room, who, device, refusal, node: node.clone(), peer, first, last, count, facts })
    }
}

/// Peers and reasons of one room that are remembered between two writes.
const MAX_PENDING: usize = 1024;
