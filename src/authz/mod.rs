//! Who may connect, and for whom a certificate may speak.

mod device;
mod directory;
pub mod rules;

pub use device::{Device, DeviceKind, DeviceStatus, DeviceWordError};
pub use directory::{Directory, DirectoryHandle};
