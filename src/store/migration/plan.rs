//! What a migration does to a store: how many rows it reads, how long it takes, how much space it needs.

use std::time::Duration;

use super::pending::Pending;
use crate::model::StoreRisks;
use crate::store::instance::process::Holder;

/// What a migration would do to a store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MigrationPlan {
    /// Whether there is no store yet, so that an empty one is created.
    pub creates: bool,
    /// The number of the last migration that was applied; 0: none.
    pub from: u64,
    /// The migrations that are pending, in their order: number and name. None: the schema is up to date.
    pub migrations: Vec<(u64, String)>,
    /// Rows of messages and of the audit trail.
    pub rows: u64,
    /// How long the migrations take, estimated from the rows.
    pub estimated: Duration,
    /// Bytes of the store.
    pub size: u64,
    /// Bytes of additional space that the migrations need at most, estimated from the size.
    pub needed: u64,
    /// Bytes that are free on the disk of a file; none for a server, whose disk is not visible from here.
    pub free: Option<u64>,
    /// The processes that serve the store.
    pub serving: Vec<Holder>,
    /// The risks of the server's settings; they are accepted, otherwise there would be no plan.
    pub risks: StoreRisks,
}

/// What a store holds before its migration.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::store) struct Volume {
    pub(in crate::store) messages: u64,
    pub(in crate::store) audit_rows: u64,
    pub(in crate::store) bytes: u64,
}

/// How large a store may be for `serve` to migrate it by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MigrationLimits {
    /// Rows of messages and of the audit trail.
    pub rows: u64,
    /// The estimated time.
    pub time: Duration,
}

impl MigrationPlan {
    pub(in crate::store) fn new(pending: Pending, creates: bool, volume: Volume) -> Self {
        let (mut micros, mut factor) = (0_u64, 0_u64);
        for (version, _) in &pending.migrations {
            for cost in COSTS.iter().filter(|cost| cost.migration == *version) {
                let per_message = volume.messages.saturating_mul(cost.micros_per_message);
                let per_row = volume.audit_rows.saturating_mul(cost.micros_per_audit_row);
                micros = micros.saturating_add(per_message).saturating_add(per_row);
                factor += cost.percent_of_size;
            }
        }
        Self {
            creates,
            from: pending.from,
            migrations: pending.migrations,
            rows: volume.messages.saturating_add(volume.audit_rows),
            estimated: Duration::from_micros(micros),
            size: volume.bytes,
            needed: volume.bytes.saturating_mul(factor) / 100,
            free: None,
            serving: Vec::new(),
            risks: StoreRisks::default(),
        }
    }

    /// The number of the last migration once all are applied.
    #[must_use]
    pub fn to(&self) -> u64 {
        self.migrations.last().map_or(self.from, |(number, _)| *number)
    }

    /// Whether there is something to do.
    #[must_use]
    pub const fn is_pending(&self) -> bool {
        !self.migrations.is_empty()
    }

    /// Whether the migration is within `limits`. Where no rows are there, it always is.
    #[must_use]
    pub fn is_within(&self, limits: MigrationLimits) -> bool {
        self.rows == 0 || (self.rows <= limits.rows && self.estimated <= limits.time)
    }

    /// Whether the migration changes what nodes of a former version compare on a server: from then on they
    /// acknowledge nothing (`foreign-code`), until they have the new version.
    #[must_use]
    pub fn stops_former_nodes(&self) -> bool {
        !self.creates && self.migrations.iter().any(|(number, _)| CHANGES_WHAT_NODES_COMPARE.contains(number))
    }

    /// Whether the disk has the space that the migration needs, as far as that is known.
    #[must_use]
    pub fn fits_on_disk(&self) -> bool {
        self.free.is_none_or(|free| free >= self.needed)
    }
}

/// What a migration costs that reads or writes rows that are there already. Others take milliseconds.
struct Cost {
    migration: u64,
    micros_per_message: u64,
    micros_per_audit_row: u64,
    /// Additional space, in percent of the size of the store.
    percent_of_size: u64,
}

/// Twice what SQLite took on a busy machine with two cores for 100 000 messages of 1.5 kB each and as many
/// audit rows: 25 µs a message for migration 21, 0.2 µs an audit row for 22, 6 µs a message for 40.
/// Migration 21 made the file larger by 84 %, beside a write-ahead log of 179 %. PostgreSQL was not measured.
const COSTS: [Cost; 5] = [
    // SQLite copies the table of messages, and the write-ahead log holds the copy a second time.
    Cost { migration: 21, micros_per_message: 50, micros_per_audit_row: 0, percent_of_size: 270 },
    // An index over the audit trail.
    Cost { migration: 22, micros_per_message: 0, micros_per_audit_row: 1, percent_of_size: 1 },
    // A table of the identities in all messages.
    Cost { migration: 40, micros_per_message: 12, micros_per_audit_row: 0, percent_of_size: 10 },
    // An index over the rows of the audit trail that are not about single messages.
    Cost { migration: 251, micros_per_message: 0, micros_per_audit_row: 2, percent_of_size: 5 },
    // As 22: it reads the audit trail, and leaves accepted messages out.
    Cost { migration: 280, micros_per_message: 0, micros_per_audit_row: 1, percent_of_size: 1 },
];

/// Migrations that change a function, a trigger or a unique index of a table that was there before. The
/// version that began to compare them has 140.
const CHANGES_WHAT_NODES_COMPARE: [u64; 1] = [401];

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(migrations: &[u64], messages: u64) -> MigrationPlan {
        let migrations = migrations.iter().map(|version| (*version, String::new())).collect();
        let volume = Volume { messages, audit_rows: messages, bytes: messages * 1000 };
        MigrationPlan::new(Pending { from: 1, migrations }, false, volume)
    }

    #[test]
    fn a_store_is_large_by_its_rows_or_by_the_time_that_it_takes() {
        let limits = MigrationLimits { rows: 1_000_000, time: Duration::from_secs(60) };
        assert!(plan(&[70], 500_000).is_within(limits));
        assert!(!plan(&[70], 500_001).is_within(limits), "too many rows");
        let short = MigrationLimits { time: Duration::from_secs(1), ..limits };
        assert!(!plan(&[21, 40], 400_000).is_within(short), "too long");
        assert!(plan(&[21, 40], 0).is_within(MigrationLimits { rows: 0, time: Duration::ZERO }));
    }

    #[test]
    fn space_is_estimated_from_the_size() {
        let mut plan = plan(&[21], 1000);
        assert_eq!(plan.needed, 2_700_000);
        plan.free = Some(2_699_999);
        assert!(!plan.fits_on_disk());
        plan.free = None;
        assert!(plan.fits_on_disk());
    }
}
