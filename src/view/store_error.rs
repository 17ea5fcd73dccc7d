//! Which finding an error of the store is: `/readyz`, `status` and `check` say the same.

use crate::finding::{Code, SetupCode};
use crate::store::StoreError;

/// The code of the finding.
#[must_use]
pub const fn code_of(error: &StoreError) -> Code {
    match error {
        StoreError::Risky(_) => Code::StoreRisk,
        StoreError::Diverged(_) => Code::AuditChainBroken,
        StoreError::Denied(_) => Code::StoreRightMissing,
        _ => Code::StoreUnavailable,
    }
}

/// The code of the help page about what stands in the way of a start.
#[must_use]
pub const fn help_of(error: &StoreError) -> &'static str {
    match error {
        StoreError::Missing(_) | StoreError::Gone { .. } => SetupCode::StoreMissing.code(),
        _ => code_of(error).code(),
    }
}
