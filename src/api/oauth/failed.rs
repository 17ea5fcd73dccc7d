//! Why a request is not answered as it asks.

use crate::oauth::RefusedGrant;
use crate::store::StoreError;

/// Why there is no token.
pub(super) enum Failed {
    Refused(RefusedGrant),
    Store(StoreError),
    /// The machine has no randomness.
    Randomness,
}

impl From<RefusedGrant> for Failed {
    fn from(refused: RefusedGrant) -> Self {
        Self::Refused(refused)
    }
}
