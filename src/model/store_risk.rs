//! Settings of a store's server under which it can lose what it has acknowledged.

use std::fmt;

/// A setting of the store's PostgreSQL server with which a committed transaction can be lost or changed when
/// the server or its machine fails. The platform acknowledges nothing while there is one that the operator
/// has not accepted (`store.accepted-risks`).
///
/// Closed on purpose: the configuration, the label of `pcd_store_risks` and the table in `docs/store.md`
/// derive from the variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum StoreRisk {
    /// Commits stay in the memory of the server's machine.
    FsyncOff = 1,
    /// A page that was half written when the machine failed cannot be restored.
    FullPageWritesOff = 1 << 1,
    /// The server goes on after a failed fsync as if the data were on the disk.
    DataSyncRetryOn = 1 << 2,
    /// The server replaces pages that it cannot read by empty ones.
    ZeroDamagedPagesOn = 1 << 3,
    /// The triggers that protect the audit trail and find messages by identity do not run.
    TriggersOff = 1 << 4,
    /// A table of the platform is unlogged: the server empties it after a failure.
    UnloggedTable = 1 << 5,
}

impl StoreRisk {
    /// Every risk.
    pub const ALL: [Self; 6] = [
        Self::FsyncOff,
        Self::FullPageWritesOff,
        Self::DataSyncRetryOn,
        Self::ZeroDamagedPagesOn,
        Self::TriggersOff,
        Self::UnloggedTable,
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
        }
    }

    /// The risk with this code.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|risk| risk.code() == code)
    }

    const fn setting(self) -> &'static str {
        match self {
            Self::FsyncOff => "fsync = off",
            Self::FullPageWritesOff => "full_page_writes = off",
            Self::DataSyncRetryOn => "data_sync_retry = on",
            Self::ZeroDamagedPagesOn => "zero_damaged_pages = on",
            Self::TriggersOff => "session_replication_role is not origin",
            Self::UnloggedTable => "a table is unlogged",
        }
    }
}

impl fmt::Display for StoreRisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.setting(), self.code())
    }
}

/// A set of risks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StoreRisks(u8);

impl StoreRisks {
    /// The set in which each risk is the bit of its discriminant; other bits are ignored.
    #[must_use]
    pub fn from_bits(bits: u8) -> Self {
        let known = StoreRisk::ALL.iter().fold(0, |known, risk| known | *risk as u8);
        Self(bits & known)
    }

    /// The bits of the set.
    #[must_use]
    pub const fn bits(self) -> u8 {
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
        self.0 & risk as u8 != 0
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
        Self(risks.into_iter().fold(0, |bits, risk| bits | risk as u8))
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
        assert_eq!(StoreRisks::from_bits(0xFF).iter().count(), StoreRisk::ALL.len());
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
