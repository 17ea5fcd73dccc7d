//! The values of all keys, to compare two versions of the configuration.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::{Map, Value};

use super::key::ReloadClass;
use super::keys::class;

/// The value of each key by its full name (`interface-a.max-frame`): of the file, the environment or the
/// default.
#[derive(Clone, Default, PartialEq)]
pub struct Values(BTreeMap<String, Value>);

/// A key whose value is not what it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The full name of the key.
    pub key: String,
    /// When the new value takes effect.
    pub effect: ReloadClass,
}

impl Values {
    /// The values of a configuration as it was read: before paths are resolved, which need not be UTF-8 then.
    pub(super) fn new(config: &impl serde::Serialize) -> Self {
        let mut values = BTreeMap::new();
        // Every type of a value is text, a number, a boolean or a list of them: this cannot fail.
        if let Ok(Value::Object(sections)) = serde_json::to_value(config) {
            flatten("", sections, &mut values);
        }
        Self(values)
    }

    /// The value of a key; a key that is left out and has no default has none.
    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key).filter(|value| !value.is_null())
    }

    /// Whether there is a value, or a table of values below it.
    pub(super) fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    #[cfg(test)]
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// What a reload from `self` to `new` changes in a process that started with `started`.
    ///
    /// A key that needs a restart is in the list as long as its value is not the one that the process started
    /// with, whether this reload changed it or an earlier one.
    #[must_use]
    pub fn changes(&self, new: &Self, started: &Self) -> Vec<Change> {
        let all: BTreeSet<&String> =
            [self, new, started].into_iter().flat_map(|values| values.0.keys()).collect();
        let change = |key: &String| {
            let changed = self.get(key) != new.get(key);
            let effect = match class(key) {
                ReloadClass::Restart if started.get(key) != new.get(key) => ReloadClass::Restart,
                // The value that the process started with is back: nothing is pending.
                ReloadClass::Restart if changed => ReloadClass::Applied,
                effect if changed => effect,
                _ => return None,
            };
            Some(Change { key: key.clone(), effect })
        };
        all.into_iter().filter_map(change).collect()
    }

    /// The keys whose values differ.
    #[must_use]
    pub fn changed(&self, new: &Self) -> Vec<String> {
        let all: BTreeSet<&String> = self.0.keys().chain(new.0.keys()).collect();
        all.into_iter().filter(|key| self.get(key) != new.get(key)).cloned().collect()
    }
}

/// Each table is taken apart; everything else, an array too, is one value.
fn flatten(prefix: &str, table: Map<String, Value>, values: &mut BTreeMap<String, Value>) {
    for (name, value) in table {
        let key = if prefix.is_empty() { name } else { format!("{prefix}.{name}") };
        match value {
            Value::Object(table) => flatten(&key, table, values),
            value => drop(values.insert(key, value)),
        }
    }
}

/// Without the values.
impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const APPLIED: &str = "devices.unknown";
    const RESTART: &str = "admin.listen";

    fn values(applied: &str, restart: &str) -> Values {
        Values::new(
            &json!({ "devices": { "unknown": applied }, "admin": { "listen": restart }, "log": null }),
        )
    }

    fn changes(current: &Values, new: &Values, started: &Values) -> Vec<(String, &'static str)> {
        current.changes(new, started).into_iter().map(|change| (change.key, change.effect.code())).collect()
    }

    #[test]
    fn a_change_that_needs_a_restart_stays_pending_until_it_is_taken_back() {
        let started = values("refuse", "1");
        let moved = values("enrol", "2");
        let (applied, restart) = ((APPLIED.to_owned(), "applied"), (RESTART.to_owned(), "restart"));
        assert_eq!(changes(&started, &started, &started), []);
        assert_eq!(changes(&started, &moved, &started), [restart.clone(), applied.clone()]);
        assert_eq!(changes(&moved, &moved, &started), [restart], "the second reload knows it too");
        assert_eq!(changes(&moved, &started, &started), [(RESTART.to_owned(), "applied"), applied]);
    }

    #[test]
    fn values_are_compared_and_not_shown() {
        let (old, new) = (values("refuse", "1"), values("s3cret", "1"));
        assert_eq!(old.changed(&new), [APPLIED]);
        assert!(!format!("{new:?}").contains("s3cret"));
    }
}
