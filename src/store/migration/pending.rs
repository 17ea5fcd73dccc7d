//! The migrations that a store lacks.

use sqlx::migrate::Migrator;

/// The migrations that a store lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) struct Pending {
    /// The last one that was applied; 0: none.
    pub(in crate::store) from: u64,
    /// Those that are pending, in their order: number and name.
    pub(in crate::store) migrations: Vec<(u64, String)>,
}

impl Pending {
    /// Nothing: the store has all migrations.
    pub(in crate::store) fn none(expected: &Migrator) -> Self {
        let latest = expected.iter().map(|one| one.version).max().unwrap_or_default();
        Self { from: number(latest), migrations: Vec::new() }
    }
}

/// The number of a migration as a positive number.
pub(super) fn number(version: i64) -> u64 {
    u64::try_from(version).unwrap_or_default()
}
