//! Who may connect, and for whom a certificate may speak.

mod device;

pub use device::{Device, DeviceKind, DeviceStatus};
