//! The device identities that a message claims, and the patterns that allow them.

mod claim;
mod claims;
mod device_identity;
mod distinct;
mod every_reader;
mod pattern;
mod reader;
mod terms;
mod uuid;
mod visible;

pub use claim::{Claim, Place};
pub use claims::Claims;
pub use device_identity::DeviceIdentity;
pub use pattern::{IdentityPattern, IdentityPatternError};
