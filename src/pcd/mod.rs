//! IHE Patient Care Device: the transactions, the identities in messages, the profiles
//! (IHE PCD Technical Framework Rev. 10, vol. 2).

mod identity;
mod policy;
mod transaction;

pub use identity::{Claim, DeviceIdentity, IdentityPattern, IdentityPatternError, Place};
pub use policy::{Conformance, MessagePolicy, MessageTypes, MissingIdentity};
pub use transaction::Transaction;
