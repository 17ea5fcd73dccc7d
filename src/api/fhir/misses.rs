//! How often each client asks for what is not there. Readers decide how often they ask: beyond a number a
//! minute such reads share a row of the audit trail, as all do with `fhir.audit-reads = "minute"`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

/// Reads of this minute that found nothing. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct Misses(Arc<Mutex<Minute>>);

#[derive(Debug, Default)]
struct Minute {
    began: Option<Timestamp>,
    by_client: HashMap<String, u32>,
}

impl Misses {
    /// Counts one; true when the client had more than `max` of them in this minute.
    pub(super) fn are_too_many(&self, client: &str, now: Timestamp, max: u32) -> bool {
        let mut minute = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if minute.began.is_none_or(|began| now.duration_since(began).abs() >= MINUTE) {
            *minute = Minute { began: Some(now), by_client: HashMap::new() };
        }
        let count = minute.by_client.entry(client.to_owned()).or_default();
        *count = count.saturating_add(1);
        *count > max
    }
}

const MINUTE: SignedDuration = SignedDuration::from_mins(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_client_has_its_number_and_each_minute_its_own() {
        let (misses, now) = (Misses::default(), Timestamp::UNIX_EPOCH);
        let found: Vec<_> = (0..3).map(|_| misses.are_too_many("curious", now, 2)).collect();
        assert_eq!(found, [false, false, true]);
        assert!(!misses.are_too_many("other", now, 2));
        assert!(!misses.are_too_many("curious", now + MINUTE, 2));
    }
}
