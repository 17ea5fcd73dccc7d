//! How the schema of a store compares with the one that this program expects.

use std::borrow::Cow;
use std::collections::HashSet;

use sqlx::migrate::Migrator;

use crate::model::StoreUrl;
use crate::store::error::StoreError;
use crate::store::migration::pending::{Pending, number};

/// How the schema of a store compares with the one that this program expects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) enum Schema {
    /// There are no tables.
    Empty,
    /// It is the expected one.
    Current,
    /// These migrations are pending; an earlier version of this program wrote the store.
    Outdated(Pending),
}

/// A migration that was applied to a store.
#[derive(Debug, Clone)]
pub(in crate::store) struct Applied {
    pub(in crate::store) version: i64,
    pub(in crate::store) checksum: Cow<'static, [u8]>,
}

impl Schema {
    /// Compares what was applied to a store with the migrations of this program.
    ///
    /// # Errors
    /// [`StoreError::Newer`] when a later version of this program has migrated the store;
    /// [`StoreError::Altered`] when its migrations are not those of this program;
    /// [`StoreError::Unrecorded`] when one has to have been applied that is not among them: to apply it again
    /// could make an intact store unusable.
    ///
    /// `existing` are the names of the tables and indexes, read before `applied`, because another process may
    /// be migrating.
    pub(in crate::store) fn compare(
        existing: &[String],
        applied: &[Applied],
        expected: &Migrator,
    ) -> Result<Self, StoreError> {
        let latest = expected.iter().map(|one| one.version).max().unwrap_or_default();
        let found = applied.iter().map(|one| one.version).max().unwrap_or_default();
        if found > latest {
            return Err(StoreError::Newer { found: number(found), expected: number(latest) });
        }
        for one in applied {
            let known = expected.iter().find(|known| known.version == one.version);
            if known.is_none_or(|known| known.checksum != one.checksum) {
                return Err(StoreError::Altered(number(one.version)));
            }
        }
        let is_applied = |version| applied.iter().any(|one| one.version == version);
        let (done, pending): (Vec<_>, Vec<_>) = expected.iter().partition(|one| is_applied(one.version));
        let unrecorded = |migration, evidence: String| {
            Err(StoreError::Unrecorded { migration: number(migration), evidence: evidence.into() })
        };
        // They are applied in the order of their numbers, so a gap is a row that was removed.
        if let Some(gap) = pending.iter().find(|one| one.version < found) {
            return unrecorded(gap.version, format!("migration {found} was applied after it"));
        }
        let known: HashSet<_> = done.iter().flat_map(|one| created(one.sql.as_str())).collect();
        for one in &pending {
            let is_there = |name: &String| !known.contains(name) && existing.contains(name);
            if let Some(name) = created(one.sql.as_str()).find(is_there) {
                return unrecorded(one.version, format!("\"{name}\", which it makes, is there"));
            }
        }
        let migrations: Vec<_> =
            pending.iter().map(|one| (number(one.version), one.description.to_string())).collect();
        Ok(match migrations.as_slice() {
            _ if applied.is_empty() => Self::Empty,
            [] => Self::Current,
            _ => Self::Outdated(Pending { from: number(found), migrations }),
        })
    }

    /// Requires a store that needs no migration.
    ///
    /// # Errors
    /// [`StoreError::Missing`] with `place`, or [`StoreError::Outdated`].
    pub(in crate::store) fn require_current(self, place: &StoreUrl) -> Result<(), StoreError> {
        match self {
            Self::Empty => Err(StoreError::Missing(place.clone())),
            Self::Current => Ok(()),
            Self::Outdated(pending) => {
                let expected = pending.migrations.last().map_or(pending.from, |(version, _)| *version);
                Err(StoreError::Outdated { found: pending.from, expected })
            }
        }
    }

    /// What is pending for a store without tables: everything.
    pub(in crate::store) fn everything(expected: &Migrator) -> Pending {
        let migrations = expected.iter().map(|one| (number(one.version), one.description.to_string()));
        Pending { from: 0, migrations: migrations.collect() }
    }
}

/// The names of the tables and indexes that a migration makes.
fn created(sql: &str) -> impl Iterator<Item = String> {
    let mut words = sql.split(|letter: char| letter.is_whitespace() || "(;".contains(letter));
    let mut words = std::iter::from_fn(move || words.find(|word| !word.is_empty()));
    std::iter::from_fn(move || {
        loop {
            if !words.next()?.eq_ignore_ascii_case("create") {
                continue;
            }
            let is_other = |word: &&str| {
                !["unique", "table", "index", "if", "not", "exists"]
                    .iter()
                    .any(|known| word.eq_ignore_ascii_case(known))
            };
            let mut kind = None;
            let name = words.find(|word| {
                let is_name = is_other(word);
                kind = kind.or_else(|| (!word.eq_ignore_ascii_case("unique")).then_some(*word));
                is_name
            })?;
            let is_made = kind
                .is_some_and(|kind| ["table", "index"].iter().any(|known| kind.eq_ignore_ascii_case(known)));
            if is_made {
                return Some(name.to_lowercase());
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::migrator::MIGRATOR;

    #[test]
    fn what_a_migration_makes_is_read_from_its_text() {
        let sql = "create table a(x INT);\nCREATE UNIQUE INDEX b ON a (x); CREATE TRIGGER c BEFORE INSERT ON a; \
                   CREATE TABLE IF NOT EXISTS d (y INT); CREATE INDEX e ON d(y)";
        assert_eq!(created(sql).collect::<Vec<_>>(), ["a", "b", "d", "e"]);
    }

    #[test]
    fn a_migration_that_was_applied_and_is_not_recorded_is_refused() {
        let applied = |versions: &dyn Fn(i64) -> bool| -> Vec<Applied> {
            let those = MIGRATOR.iter().filter(|one| versions(one.version));
            those.map(|one| Applied { version: one.version, checksum: one.checksum.clone() }).collect()
        };
        let all: Vec<_> = MIGRATOR.iter().flat_map(|one| created(one.sql.as_str())).collect();
        let compare =
            |existing: &[String], applied: &[Applied]| Schema::compare(existing, applied, &MIGRATOR);
        assert_eq!(compare(&all, &applied(&|_| true)).unwrap(), Schema::Current);
        assert_eq!(compare(&[], &[]).unwrap(), Schema::Empty);
        let former = vec!["message".to_owned(), "audit".to_owned()];
        assert!(matches!(compare(&former, &applied(&|version| version < 3)).unwrap(), Schema::Outdated(_)));
        for (existing, applied) in [
            (&[][..], applied(&|version| version != 20)),
            (&all, applied(&|version| version != 20)),
            (&all, applied(&|version| version < 20)),
            (&all, Vec::new()),
        ] {
            let refused = compare(existing, &applied);
            assert!(matches!(refused, Err(StoreError::Unrecorded { .. })), "{refused:?}");
        }
    }
}
