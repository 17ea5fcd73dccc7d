//! Records that a person without the role asked for the content of messages.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

use super::person::Person;
use crate::audit::{Event, RefusedLook};
use crate::store::Store;

/// Writes a row for each person and path, at most once in [`INTERVAL`]: a person must not fill the trail.
/// Clones share what was written.
#[derive(Debug, Clone, Default)]
pub(super) struct RefusedLooks(Arc<Mutex<HashMap<(String, &'static str), Timestamp>>>);

impl RefusedLooks {
    /// Records that `person` was refused at `what`. The refusal stands, whether or not the row is written.
    pub(super) async fn record(&self, store: &Store, person: &Person, what: &'static str) {
        let actor = person.actor().to_owned();
        if !self.is_due(&actor, what, store.now()) {
            return;
        }
        let event = Event::ContentRefused(RefusedLook { what: what.to_owned(), actor });
        store.audit_or_defer(event).await;
    }

    fn is_due(&self, actor: &str, what: &'static str, now: Timestamp) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.retain(|_, at| now.duration_since(*at).abs() < INTERVAL);
        let key = (actor.to_owned(), what);
        if last.contains_key(&key) || last.len() >= MAX_REMEMBERED {
            return false;
        }
        last.insert(key, now);
        true
    }
}

/// How long the same person and path have no further row.
const INTERVAL: SignedDuration = SignedDuration::from_mins(1);
/// Rows in that time.
const MAX_REMEMBERED: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_who_is_refused_again_and_again_has_one_row_in_a_minute() {
        let (looks, now) = (RefusedLooks::default(), Timestamp::UNIX_EPOCH);
        assert!(
            looks.is_due("one", "/a", now)
                && looks.is_due("one", "/b", now)
                && looks.is_due("two", "/a", now)
        );
        assert!(!looks.is_due("one", "/a", now + INTERVAL / 2));
        assert!(looks.is_due("one", "/a", now + INTERVAL));
        let many = (0..2 * MAX_REMEMBERED).filter(|n| looks.is_due(&n.to_string(), "/a", now + 2 * INTERVAL));
        assert_eq!(many.count(), MAX_REMEMBERED);
    }
}
