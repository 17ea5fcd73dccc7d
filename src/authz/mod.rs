//! The device directory, and the identities that a certificate may speak for.

mod device;
mod directory;
pub mod learning;
pub mod rules;

pub use device::{Device, DeviceKind, DeviceStatus, DeviceWordError};
pub use directory::{Directory, DirectoryHandle, eui64};
