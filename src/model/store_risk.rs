//! States of a store in which it can lose, hide or change what it has acknowledged.

use std::collections::BTreeSet;
use std::fmt;

/// A setting of the store's PostgreSQL server with which a committed transaction can be lost or changed when
/// the server or its machine fails, or a difference between the store's tables and what the migrations made,
/// with which they can leave out, hide or change rows. The platform acknowledges nothing while there is one
/// that the operator has not accepted (`store.accepted-risks`).
///
/// Closed on purpose: the configuration, the label of `pcd_store_risks` and the table in
/// `docs/reference/store.md` derive from the variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub enum StoreRisk {
    /// Commits stay in the memory of the server's machine.
    FsyncOff = 1,
    /// A page that was half written when the machine failed cannot be restored.
    FullPageWritesOff = 1 << 1,
    /// The server goes on after a failed fsync as if the data were on the disk.
    DataSyncRetryOn = 1 << 2,
    /// The server replaces pages that it cannot read by empty ones, or reads pages that fail their checksum.
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
    /// A committed row was not found as it was received, or nothing could be read back: what is committed is
    /// not acknowledged. The platform goes on writing, and reads back what it has written.
    NotReadBack = 1 << 10,
    /// The tables could not be examined, so that none of the other risks would be noticed.
    Unexamined = 1 << 11,
}

impl StoreRisk {
    /// Every risk.
    pub const ALL: [Self; 12] = [
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
        Self::NotReadBack,
        Self::Unexamined,
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
            Self::NotReadBack => "not-read-back",
            Self::Unexamined => "unexamined",
        }
    }

    /// Whether an operator can accept it. Not that rows are lost already, or that nothing is seen.
    #[must_use]
    pub const fn is_acceptable(self) -> bool {
        !matches!(self, Self::NotReadBack | Self::Unexamined)
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
            Self::ZeroDamagedPagesOn => "zero_damaged_pages or ignore_checksum_failure = on",
            Self::TriggersOff => "triggers of the store do not run",
            Self::UnloggedTable => "a table, or a part of it, is unlogged",
            Self::NotATable => "a table is missing, or is not the one that the migrations made",
            Self::ForeignCode => "a trigger, rule or function of the tables is not of the migrations",
            Self::HiddenRows => "row security hides rows",
            Self::ChangedIndex => "an index is missing, or is not the one that the migrations made",
            Self::NotReadBack => "what was committed is not there as it was received",
            Self::Unexamined => "the tables cannot be examined",
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

/// Risks, and where in the database each of them was found: a table, a trigger, a function, a column.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FoundRisks(BTreeSet<(u16, String)>);

impl FoundRisks {
    /// Adds a risk and the object that is it; an empty text if there is none to name.
    pub fn add(&mut self, risk: StoreRisk, object: impl Into<String>) {
        self.0.insert((risk as u16, object.into()));
    }

    /// Removes a risk with all its objects.
    pub fn remove(&mut self, risk: StoreRisk) {
        self.0.retain(|(bit, _)| *bit != risk as u16);
    }

    /// The risks without their objects.
    #[must_use]
    pub fn set(&self) -> StoreRisks {
        StoreRisks(self.0.iter().fold(0, |bits, (bit, _)| bits | bit))
    }

    /// The risks, in the order of [`StoreRisk::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = StoreRisk> + use<> {
        self.set().iter()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those that are not in `others`.
    #[must_use]
    pub fn without(&self, others: StoreRisks) -> Self {
        Self(self.0.iter().filter(|(bit, _)| others.0 & bit == 0).cloned().collect())
    }

    /// Both.
    #[must_use]
    pub fn with(mut self, others: &Self) -> Self {
        self.0.extend(others.0.iter().cloned());
        self
    }

    /// The objects of a risk, a few of them.
    #[must_use]
    pub fn objects(&self, risk: StoreRisk) -> Vec<&str> {
        let objects = self.0.iter().filter(|(bit, object)| *bit == risk as u16 && !object.is_empty());
        objects.map(|(_, object)| object.as_str()).take(MAX_NAMED).collect()
    }

    /// A risk with its objects, for a line of text.
    #[must_use]
    pub fn described(&self, risk: StoreRisk) -> String {
        let objects = self.objects(risk);
        if objects.is_empty() { risk.to_string() } else { format!("{risk}: {}", objects.join("; ")) }
    }
}

impl From<StoreRisks> for FoundRisks {
    fn from(risks: StoreRisks) -> Self {
        Self(risks.iter().map(|risk| (risk as u16, String::new())).collect())
    }
}

impl fmt::Display for FoundRisks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, risk) in self.iter().enumerate() {
            write!(f, "{}{}", if n == 0 { "" } else { ", " }, self.described(risk))?;
        }
        Ok(())
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

/// Objects that are named of each risk.
const MAX_NAMED: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_names_its_risks_in_order_and_by_their_codes() {
        let set: StoreRisks = [StoreRisk::UnloggedTable, StoreRisk::FsyncOff].into_iter().collect();
        assert_eq!(
            set.to_string(),
            "fsync = off (fsync-off), a table, or a part of it, is unlogged (unlogged-table)"
        );
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

    #[test]
    fn each_risk_names_its_objects() {
        let mut found = FoundRisks::from(StoreRisks::from_bits(1));
        found.add(StoreRisk::ForeignCode, "trigger b on message");
        found.add(StoreRisk::ForeignCode, "trigger a on audit");
        let text = found.to_string();
        assert!(text.ends_with("(foreign-code): trigger a on audit; trigger b on message"), "{text}");
        assert!(text.starts_with("fsync = off (fsync-off), "), "{text}");
        assert_eq!(found.without(StoreRisks::from_bits(1)).set().bits(), StoreRisk::ForeignCode as u16);
        found.remove(StoreRisk::ForeignCode);
        assert_eq!(found.to_string(), "fsync = off (fsync-off)");
    }
}
