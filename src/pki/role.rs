//! The roles of certificates.

use crate::x509::KeyPurpose;

/// The use of a certificate (specification 5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// A medical device: a TLS client.
    Device,
    /// A gateway: a TLS client.
    Gateway,
    /// A platform: a TLS server, and a client when it connects to others.
    Platform,
}

impl Role {
    /// The name of its folder.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::Gateway => "gateway",
            Self::Platform => "platform",
        }
    }

    pub(super) fn purposes(self) -> Vec<KeyPurpose> {
        match self {
            Self::Device | Self::Gateway => vec![KeyPurpose::ClientAuth],
            Self::Platform => vec![KeyPurpose::ServerAuth, KeyPurpose::ClientAuth],
        }
    }
}
