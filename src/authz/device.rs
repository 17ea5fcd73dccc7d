//! One entry of the device directory.

use crate::model::DeviceId;
use crate::pcd::IdentityPattern;

/// A device or gateway that the directory knows by the Common Name of its certificate (A8).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// The Common Name.
    pub id: DeviceId,
    /// A device speaks for itself; a gateway for the devices listed.
    pub kind: DeviceKind,
    /// Whether it may connect now.
    pub status: DeviceStatus,
    /// Whom it may speak for besides itself.
    pub speaks_for: Vec<IdentityPattern>,
    /// The operator's own words.
    pub note: String,
}

/// What kind of component holds the certificate (specification 5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeviceKind {
    /// A medical device with a connection of its own.
    Device,
    /// A gateway that translates for many devices.
    Gateway,
}

/// Whether an entry of the directory may connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeviceStatus {
    /// It may.
    Active,
    /// It may not, until an operator resumes it.
    Suspended,
}

impl DeviceKind {
    /// The word in the command line, in the store and in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::Gateway => "gateway",
        }
    }
}

impl DeviceStatus {
    /// The word in the command line, in the store and in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
        }
    }
}
