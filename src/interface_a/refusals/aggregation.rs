//! Which refusals get a row of their own, and the rows that count the others.

use super::limits::Limits;
use super::others::Others;
use super::table::{Bounds, Recorded, Refused, Table};
use crate::audit::{Event, RefusalCount};
use crate::interface_a::refused_peer::RefusedPeer;
use crate::interface_a::session::Now;

/// Every refusal is in exactly one row: in one of its own, in one of its peer and reason, or in one of all
/// others.
#[derive(Debug)]
pub(super) struct Aggregation {
    strangers: Table,
    certificates: Table,
    others: Others,
}

impl Aggregation {
    /// Counts a refusal. `own` makes a row of its own; the result is that row, if it is to be written.
    pub(super) fn record(
        &mut self,
        refused: Refused<'_>,
        now: Now,
        limits: &Limits,
        own: impl FnOnce() -> Event,
    ) -> Option<Event> {
        let refusal = refused.refusal;
        let table = match refused.peer {
            RefusedPeer::Certificate { .. } => &mut self.certificates,
            RefusedPeer::Address { .. } => &mut self.strangers,
        };
        match table.record(refused, now, limits, own) {
            Recorded::Own(event) => Some(*event),
            Recorded::Counted => None,
            Recorded::Full => {
                self.others.add(refusal, RefusalCount::one(now.wall), now.instant);
                None
            }
        }
    }

    /// The counting rows that are due.
    pub(super) fn due(&mut self, now: Now, limits: &Limits) -> Vec<Event> {
        let mut events = self.certificates.due(now.instant, limits, &mut self.others);
        events.extend(self.strangers.due(now.instant, limits, &mut self.others));
        events.extend(self.others.due(now.instant, limits));
        events
    }

    /// The rows of everything that was counted.
    pub(super) fn close(&mut self, now: Now, limits: &Limits) -> Vec<Event> {
        let mut events = self.certificates.close(now.instant, limits, &mut self.others);
        events.extend(self.strangers.close(now.instant, limits, &mut self.others));
        events.extend(self.others.close());
        events
    }

    /// Counts the refusals of a row that could not be written.
    pub(super) fn restore(&mut self, event: &Event, now: Now) {
        match event {
            Event::ConnectionRefused { refusal, .. } => {
                self.others.add(*refusal, RefusalCount::one(now.wall), now.instant);
            }
            Event::RefusalsCounted { peers, count } => self.others.restore(peers, *count, now.instant),
            _ => {}
        }
    }
}

impl Default for Aggregation {
    fn default() -> Self {
        Self {
            strangers: Table::new(STRANGERS),
            certificates: Table::new(CERTIFICATES),
            others: Others::default(),
        }
    }
}

const STRANGERS: Bounds = Bounds { entries: 1024, own_rows: 1, rate_factor: 1 };
/// The operator has to see each refused device, also when a CRL has expired and all of them are refused.
const CERTIFICATES: Bounds = Bounds { entries: 8192, own_rows: 10, rate_factor: 5 };
