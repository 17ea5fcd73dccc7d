//! How the schema of a store compares with the one that this program expects.

use std::borrow::Cow;

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
    /// [`StoreError::Altered`] when its migrations are not those of this program.
    pub(in crate::store) fn compare(applied: &[Applied], expected: &Migrator) -> Result<Self, StoreError> {
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
        let pending = expected.iter().filter(|one| !is_applied(one.version));
        let migrations: Vec<_> =
            pending.map(|one| (number(one.version), one.description.to_string())).collect();
        Ok(match migrations.as_slice() {
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
