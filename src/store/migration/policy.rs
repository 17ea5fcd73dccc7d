//! Whether a store may be created or migrated when it is opened.

use crate::store::error::StoreError;
use crate::store::migration::plan::{MigrationLimits, MigrationPlan};

/// Whether opening a store may create or migrate it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MigrationPolicy {
    /// Neither: a store that is missing or outdated is an error.
    Never,
    /// An empty store is created, and one within the limits migrated.
    Within(MigrationLimits),
    /// Whatever its size.
    Always,
}

impl MigrationPolicy {
    /// Requires that this policy allows the migration.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`].
    pub fn require(self, plan: &MigrationPlan) -> Result<(), StoreError> {
        match self {
            Self::Within(limits) if plan.is_pending() && !plan.is_within(limits) => {
                Err(StoreError::TooLarge(Box::new(plan.clone())))
            }
            _ => Ok(()),
        }
    }
}
