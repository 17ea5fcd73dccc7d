//! The keys of the file as they are written, to tell two versions of it apart.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use toml::{Table, Value};

/// Every key that a file gives a value, by its full name (`interface-a.max-frame`).
#[derive(Clone, Default, PartialEq)]
pub struct Written(BTreeMap<String, Value>);

impl Written {
    pub(super) fn of(file: Table) -> Self {
        let mut keys = BTreeMap::new();
        collect("", file, &mut keys);
        Self(keys)
    }

    /// The keys whose values differ, or that only one of the two gives a value.
    #[must_use]
    pub fn changed(&self, other: &Self) -> Vec<String> {
        let all: BTreeSet<&String> = self.0.keys().chain(other.0.keys()).collect();
        all.into_iter().filter(|key| self.0.get(*key) != other.0.get(*key)).cloned().collect()
    }
}

/// Tables are taken apart; everything else, arrays too, is a value.
fn collect(prefix: &str, table: Table, keys: &mut BTreeMap<String, Value>) {
    for (name, value) in table {
        let key = if prefix.is_empty() { name } else { format!("{prefix}.{name}") };
        match value {
            Value::Table(table) => collect(&key, table, keys),
            value => drop(keys.insert(key, value)),
        }
    }
}

/// Values may be secret.
impl fmt::Debug for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> Written {
        Written::of(text.parse().unwrap())
    }

    #[test]
    fn what_differs_is_told_by_its_key_and_values_are_not_shown() {
        let old = written(
            "[tls]\necdhe-rsa = true\necc = { chain = \"a\", key = \"b\" }\n[log]\nlevel = \"info\"\n",
        );
        let new = written(
            "[tls]\necdhe-rsa = true\necc = { chain = \"a\", key = \"c\" }\n[store]\nurl = \"s3cret\"\n",
        );
        assert_eq!(old.changed(&new), ["log.level", "store.url", "tls.ecc.key"]);
        assert_eq!(old.changed(&old.clone()), Vec::<String>::new());
        assert!(!format!("{new:?}").contains("s3cret"));
    }
}
