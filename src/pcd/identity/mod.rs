//! The device identities that a message claims, and the patterns that allow them.

mod claim;
mod claims;
mod confusables;
mod device_identity;
mod distinct;
mod encoded_text;
mod every_reader;
mod name_bytes;
mod pattern;
mod pattern_list;
mod percent;
mod reader;
mod skeleton;
mod terms;
mod uuid;
mod visible;

pub use claim::{Claim, Place};
pub use claims::Claims;
pub(in crate::pcd) use confusables::{ascii, decomposed};
pub use device_identity::DeviceIdentity;
pub use name_bytes::NameBytes;
pub use pattern::{IdentityPattern, IdentityPatternError, Vendors};
pub use pattern_list::PatternList;
pub use skeleton::{Skeleton, skeletons, text_skeletons};
pub(in crate::pcd) use visible::has_no_glyph;
