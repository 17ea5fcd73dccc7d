//! Audit rows for refused requests: a stranger must not fill the trail.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use crate::audit::{Certificate, Event, RefusedRead};
use crate::clients::RefusedReader;
use crate::store::Store;

/// What was written in the current minute, for each reason: what strangers do hides nothing of clients.
/// Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct RefusalRows(Arc<Mutex<BTreeMap<&'static str, Minute>>>);

#[derive(Debug, Default)]
struct Minute {
    number: i64,
    rows: u32,
    /// Refusals without a row of their own.
    others: u64,
}

impl RefusalRows {
    /// Records a refused request: with a row of its own while the minute has fewer than `max` of this reason;
    /// the others are counted in the first row of a later minute.
    pub(super) async fn record(
        &self,
        store: &Store,
        max: u32,
        (refused, address): (RefusedReader, IpAddr),
        certificate: Option<Certificate>,
    ) {
        let reason = refused.reason();
        let Some(others) = self.turn(reason, store.now(), max) else { return };
        let event = RefusedRead { peer: address, reason, certificate, others };
        store.audit_or_defer(Event::ReadRefused(Box::new(event))).await;
    }

    /// How many refusals before have no row, if this one gets a row.
    fn turn(&self, reason: &'static str, now: Timestamp, max: u32) -> Option<u64> {
        let mut minutes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let minute = minutes.entry(reason).or_default();
        let number = now.as_second().div_euclid(60);
        if minute.number != number {
            *minute = Minute { number, rows: 0, others: minute.others };
        }
        if minute.rows >= max {
            minute.others = minute.others.saturating_add(1);
            return None;
        }
        minute.rows += 1;
        Some(std::mem::take(&mut minute.others))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn n000_3_refusals_beyond_the_rows_of_a_minute_are_counted() {
        let (rows, start) = (RefusalRows::default(), Timestamp::UNIX_EPOCH);
        let turn = |reason, at| rows.turn(reason, at, 2);
        assert_eq!([turn("revoked", start), turn("revoked", start)], [Some(0); 2]);
        assert!((0..5).all(|_| turn("revoked", start).is_none()));
        assert_eq!(turn("wrong-secret", start), Some(0), "another reason");
        let next = start + jiff::SignedDuration::from_mins(1);
        assert_eq!(["revoked"; 3].map(|reason| turn(reason, next)), [Some(5), Some(0), None]);
    }
}
