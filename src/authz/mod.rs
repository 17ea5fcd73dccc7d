//! The device directory, and the identities that a certificate may speak for.

mod compared_names;
mod device;
mod directory;
pub mod learning;
mod lookalikes;
mod order_target;
pub mod rules;

pub use compared_names::ComparedNames;
pub use device::{About, AboutError, Device, DeviceKind, DeviceStatus, DeviceWordError};
pub use directory::{Directory, DirectoryHandle, eui64};
pub use order_target::{OrderTarget, order_addressee, order_device, order_target};
