//! The device identities that a message claims, and the patterns that allow them.

mod claim;
mod device_identity;
mod pattern;
mod visible;

pub use claim::{Claim, Claims, Place};
pub use device_identity::DeviceIdentity;
pub use pattern::{IdentityPattern, IdentityPatternError};
