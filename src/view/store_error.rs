//! Which finding an error of the store is: `/readyz`, `status` and `check` say the same.

use crate::finding::Code;
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
