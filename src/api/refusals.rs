//! Audit rows for refused requests: a stranger must not fill the trail.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use crate::audit::{Certificate, Event, RefusedRead};
use crate::store::Store;

/// What was written in the current minute. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct RefusalRows(Arc<Mutex<Minute>>);

#[derive(Debug, Default)]
struct Minute {
    number: i64,
    /// By reason: strangers without a certificate leave the rows of revoked ones alone.
    reasons: BTreeMap<&'static str, Rows>,
}

#[derive(Debug, Default)]
struct Rows {
    written: u32,
    /// Refusals without a row of their own.
    others: u64,
}

impl RefusalRows {
    /// Records a refused request, as this event: with a row of its own while the minute has fewer than `max`
    /// for this reason; the others are counted in the first row of a later minute.
    pub(super) async fn record(
        &self,
        store: &Store,
        max: u32,
        (reason, address): (&'static str, IpAddr),
        certificate: Option<Certificate>,
        event: fn(Box<RefusedRead>) -> Event,
    ) {
        let Some(others) = self.turn(store.now(), max, reason) else { return };
        let refused = RefusedRead { peer: address, reason, certificate, others };
        store.audit_or_defer(event(Box::new(refused))).await;
    }

    /// How many refusals for this reason before have no row, if this one gets a row.
    fn turn(&self, now: Timestamp, max: u32, reason: &'static str) -> Option<u64> {
        let mut minute = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let number = now.as_second().div_euclid(60);
        if minute.number != number {
            minute.number = number;
            minute.reasons.values_mut().for_each(|rows| rows.written = 0);
        }
        let rows = minute.reasons.entry(reason).or_default();
        if rows.written >= max {
            rows.others = rows.others.saturating_add(1);
            return None;
        }
        rows.written += 1;
        Some(std::mem::take(&mut rows.others))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn n000_3_refusals_beyond_the_rows_of_a_minute_are_counted() {
        let (rows, start) = (RefusalRows::default(), Timestamp::UNIX_EPOCH);
        let turn = |now, reason| rows.turn(now, 2, reason);
        assert_eq!((turn(start, "no-certificate"), turn(start, "no-certificate")), (Some(0), Some(0)));
        assert!((0..5).all(|_| turn(start, "no-certificate").is_none()));
        assert_eq!(turn(start, "revoked"), Some(0), "strangers do not hide it");
        let next = start + jiff::SignedDuration::from_mins(1);
        let later = [1, 2, 3].map(|_| turn(next, "no-certificate"));
        assert_eq!((later, turn(next, "revoked")), ([Some(5), Some(0), None], Some(0)));
    }
}
