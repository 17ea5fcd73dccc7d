//! When something was done last that an alert asks for.

use jiff::Timestamp;

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Milestone {
    /// `store backup` copied the store.
    Backup,
    /// `audit verify` verified every chain.
    AuditVerified,
}

/// The last time that it was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reached {
    /// What was done.
    pub what: Milestone,
    /// When.
    pub at: Timestamp,
    /// Whether nothing wrong was found.
    pub is_good: bool,
}

impl Milestone {
    /// The stable code.
    pub(in crate::store) const fn code(self) -> &'static str {
        match self {
            Self::Backup => "backup",
            Self::AuditVerified => "audit-verified",
        }
    }

    pub(in crate::store) fn from_code(code: &str) -> Option<Self> {
        [Self::Backup, Self::AuditVerified].into_iter().find(|what| what.code() == code)
    }
}
