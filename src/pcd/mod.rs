//! IHE Patient Care Device: the transactions, the identities in messages, the profiles.

mod identity;

pub use identity::{IdentityPattern, IdentityPatternError};
