//! The refusals for which there was no room.

use std::collections::BTreeMap;
use std::time::Instant;

use super::limits::Limits;
use crate::audit::{Event, RefusalCount, RefusedPeers};
use crate::model::Refusal;

/// Refusals of any peers that share one row.
#[derive(Debug, Default)]
pub(super) struct Others {
    refusals: BTreeMap<Refusal, u64>,
    /// All of them, and since when they wait for their row.
    counted: Option<(RefusalCount, Instant)>,
}

impl Others {
    pub(super) fn add(&mut self, refusal: Refusal, count: RefusalCount, now: Instant) {
        let total = self.refusals.entry(refusal).or_default();
        *total = total.saturating_add(count.count);
        self.count(count, now);
    }

    /// Counts the refusals of a row that could not be written.
    pub(super) fn restore(&mut self, peers: &RefusedPeers, count: RefusalCount, now: Instant) {
        match peers {
            RefusedPeers::Address { refusal, .. } | RefusedPeers::Certificate { refusal, .. } => {
                self.add(*refusal, count, now);
            }
            RefusedPeers::Others { refusals } => {
                for (refusal, number) in refusals {
                    let total = self.refusals.entry(*refusal).or_default();
                    *total = total.saturating_add(*number);
                }
                self.count(count, now);
            }
        }
    }

    /// Their row, once in each interval. It is written whatever the rate: it stands for all that is above.
    pub(super) fn due(&mut self, now: Instant, limits: &Limits) -> Option<Event> {
        let (_, since) = self.counted?;
        let is_due = now.saturating_duration_since(since) >= limits.interval();
        is_due.then(|| self.close()).flatten()
    }

    pub(super) fn close(&mut self) -> Option<Event> {
        let (count, _) = self.counted.take()?;
        let refusals = std::mem::take(&mut self.refusals);
        Some(Event::RefusalsCounted { peers: RefusedPeers::Others { refusals }, count })
    }

    fn count(&mut self, count: RefusalCount, now: Instant) {
        let counted = self.counted.map_or((count, now), |(known, since)| (known.plus(count), since));
        self.counted = Some(counted);
    }
}
