//! Which receivers fail.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

/// Which receivers fail. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Status(Arc<Mutex<BTreeMap<String, Failing>>>);

/// A receiver that does not take notifications.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failing {
    /// Since when.
    pub since: Timestamp,
    /// Failed attempts since then.
    pub attempts: u64,
    /// Why the last one failed.
    pub error: String,
}

impl Status {
    /// Receivers that have failed several times in a row, by their names.
    #[must_use]
    pub fn failing(&self) -> Vec<(String, Failing)> {
        let known = self.lock();
        let failing = known.iter().filter(|(_, failing)| failing.attempts >= MIN_ATTEMPTS);
        failing.map(|(name, failing)| (name.clone(), failing.clone())).collect()
    }

    /// Whether this receiver fails.
    pub(super) fn fails(&self, receiver: &str) -> bool {
        self.lock().contains_key(receiver)
    }

    /// An attempt has failed; true for the first one in a row.
    pub(super) fn fail(&self, receiver: &str, now: Timestamp, attempts: u64, error: String) -> bool {
        let mut known = self.lock();
        let is_first = !known.contains_key(receiver);
        let failing = known.entry(receiver.to_owned()).or_insert(Failing {
            since: now,
            attempts: 0,
            error: String::new(),
        });
        failing.attempts += attempts;
        failing.error = error;
        is_first
    }

    /// An attempt has succeeded; true when one had failed before.
    pub(super) fn succeed(&self, receiver: &str) -> bool {
        self.lock().remove(receiver).is_some()
    }

    /// Forgets receivers that are not configured any more.
    pub(super) fn retain(&self, is_configured: impl Fn(&str) -> bool) {
        self.lock().retain(|name, _| is_configured(name));
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Failing>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Failed attempts in a row after which it is no hiccup.
const MIN_ATTEMPTS: u64 = 3;
