//! States of a store in which it can lose, hide or change what it has acknowledged.

use std::fmt;

/// A setting of the store's PostgreSQL server with which a committed transaction can be lost or changed when
/// the server or its machine fails, or a difference between the store's tables and what the migrations made,
/// with which they can leave out, hide or change rows. The platform acknowledges nothing while there is one
/// that the operator has not accepted (`store.accepted-risks`).
///
/// Closed on purpose: the configuration, the label of `pcd_store_risks` and the table in `docs/store.md`
/// derive from the variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub enum StoreRisk {
    /// Commits stay in the memory of the server's machine.
    FsyncOff = 1,
    /// A page that was half written when the machine failed cannot be restored.
    FullPageWritesOff = 1 << 1,
    /// The server goes on after a failed fsync as if the data were on the disk.
    DataSyncRetryOn = 1 << 2,
    /// The server replaces pages that it cannot read by empty ones.
    ZeroDamagedPagesOn = 1 << 3,
    /// The triggers that protect the audit trail and find messages by identity do not run, or are missing.
    TriggersOff = 1 << 4,
    /// A table of the platform is unlogged: the server empties it after a failure.
    UnloggedTable = 1 << 5,
    /// In the place of a table of the platform is something else, or nothing: a view, a foreign table, a
    /// table that shares its rows with others.
    NotATable = 1 << 6,
    /// A trigger, rule, function, operator or default that the migrations did not make runs when the platform
    /// writes.
    ForeignCode = 1 << 7,
    /// Row security decides which rows of a table are seen.
    HiddenRows = 1 << 8,
    /// An index that keeps a message, a row of the trail or an order from being stored twice is missing, or
    /// is another one. In a file also another index with the name of one of the migrations: it can hide rows.
    ChangedIndex = 1 << 9,
}

impl StoreRisk {
    /// Every risk.
    pub const ALL: [Self; 10] = [
        Self::FsyncOff,
        Self::FullPageWritesOff,
        Self::DataSyncRetryOn,
        Self::ZeroDamagedPagesOn,
        Self::TriggersOff,
        Self::UnloggedTable,
        Self::NotATable,
        Self::ForeignCode,
        Self::HiddenRows,
        Self::ChangedIndex,
    ];

    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::FsyncOff => "fsync-off",
            Self::FullPageWritesOff => "full-page-writes-off",
            Self::DataSyncRetryOn => "data-sync-retry-on",
            Self::ZeroDamagedPagesOn => "zero-damaged-pages-on",
            Self::TriggersOff => "triggers-off",
            Self::UnloggedTable => "unlogged-table",
            Self::NotATable => "not-a-table",
            Self::ForeignCode => "foreign-code",
            Self::HiddenRows => "hidden-rows",
            Self::ChangedIndex => "changed-index",
        }
    }

    /// The risk with this code.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|risk| risk.code() == code)
    }

    const fn state(self) -> &'static str {
        match self {
            Self::FsyncOff => "fsync = off",
            Self::FullPageWritesOff => "full_page_writes = off",
            Self::DataSyncRetryOn => "data_sync_retry = on",
            Self::ZeroDamagedPagesOn => "zero_damaged_pages = on",
            Self::TriggersOff => "triggers of the store do not run",
            Self::UnloggedTable => "a table is unlogged",
            Self::NotATable => "a table is missing, or is not the one that the migrations made",
            Self::ForeignCode => "a trigger, rule or function of the tables is not of the migrations",
            Self::HiddenRows => "row security hides rows",
            Self::ChangedIndex => "an index is missing, or is not the one that the migrations made",
        }
    }
}

impl fmt::Display for StoreRisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.state(), self.code())
    }
}

/// A set of risks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StoreRisks(u16);

impl StoreRisks {
    /// The set in which each risk is the bit of its discriminant; other bits are ignored.
    #[must_use]
    pub fn from_bits(bits: u16) -> Self {
        let known = StoreRisk::ALL.iter().fold(0, |known, risk| known | *risk as u16);
        Self(bits & known)
    }

    /// The bits of the set.
    #[must_use]
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// Whether it holds no risk.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether it holds `risk`.
    #[must_use]
    pub const fn contains(self, risk: StoreRisk) -> bool {
        self.0 & risk as u16 != 0
    }

    /// The risks that are not in `others`.
    #[must_use]
    pub const fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    /// The risks, in the order of [`StoreRisk::ALL`].
    pub fn iter(self) -> impl Iterator<Item = StoreRisk> {
        StoreRisk::ALL.into_iter().filter(move |risk| self.contains(*risk))
    }
}

impl FromIterator<StoreRisk> for StoreRisks {
    fn from_iter<I: IntoIterator<Item = StoreRisk>>(risks: I) -> Self {
        Self(risks.into_iter().fold(0, |bits, risk| bits | risk as u16))
    }
}

impl fmt::Display for StoreRisks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, risk) in self.iter().enumerate() {
            write!(f, "{}{risk}", if n == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_names_its_risks_in_order_and_by_their_codes() {
        let set: StoreRisks = [StoreRisk::UnloggedTable, StoreRisk::FsyncOff].into_iter().collect();
        assert_eq!(set.to_string(), "fsync = off (fsync-off), a table is unlogged (unlogged-table)");
        assert_eq!(StoreRisks::from_bits(0xFFFF).iter().count(), StoreRisk::ALL.len());
        assert_eq!(
            set.without(StoreRisks::from_bits(1)).iter().collect::<Vec<_>>(),
            [StoreRisk::UnloggedTable]
        );
        for risk in StoreRisk::ALL {
            assert_eq!(StoreRisk::from_code(risk.code()), Some(risk));
        }
        assert_eq!(StoreRisk::from_code("fsync"), None);
    }
}
