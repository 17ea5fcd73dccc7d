//! The six certification authorities.

use serde::{Deserialize, Serialize};

use super::key::KeyFamily;
use super::role::Role;

/// A certification authority of the test PKI. Its name is also the name of its files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Authority {
    /// The ECC trust anchor.
    RootEcc,
    /// The RSA trust anchor.
    RootRsa,
    /// Issues ECC certificates to devices and gateways.
    ComponentCaEcc,
    /// Issues RSA certificates to devices and gateways.
    ComponentCaRsa,
    /// Issues ECC certificates to platforms.
    PlatformCaEcc,
    /// Issues RSA certificates to platforms.
    PlatformCaRsa,
}

impl Authority {
    /// All of them, each after the one that signs it.
    pub const ALL: [Self; 6] = [
        Self::RootEcc,
        Self::RootRsa,
        Self::ComponentCaEcc,
        Self::ComponentCaRsa,
        Self::PlatformCaEcc,
        Self::PlatformCaRsa,
    ];

    /// The authority that issues certificates of `family` to `role`.
    #[must_use]
    pub const fn issuing(role: Role, family: KeyFamily) -> Self {
        match (role, family) {
            (Role::Device | Role::Gateway, KeyFamily::Ecc) => Self::ComponentCaEcc,
            (Role::Device | Role::Gateway, KeyFamily::Rsa) => Self::ComponentCaRsa,
            (Role::Platform, KeyFamily::Ecc) => Self::PlatformCaEcc,
            (Role::Platform, KeyFamily::Rsa) => Self::PlatformCaRsa,
        }
    }

    /// The name of its files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::RootEcc => "root-ecc",
            Self::RootRsa => "root-rsa",
            Self::ComponentCaEcc => "component-ca-ecc",
            Self::ComponentCaRsa => "component-ca-rsa",
            Self::PlatformCaEcc => "platform-ca-ecc",
            Self::PlatformCaRsa => "platform-ca-rsa",
        }
    }

    /// The authority that signs its certificate; none for a root, which signs its own.
    #[must_use]
    pub const fn parent(self) -> Option<Self> {
        match self {
            Self::RootEcc | Self::RootRsa => None,
            Self::ComponentCaEcc | Self::PlatformCaEcc => Some(Self::RootEcc),
            Self::ComponentCaRsa | Self::PlatformCaRsa => Some(Self::RootRsa),
        }
    }

    /// The family of its key.
    #[must_use]
    pub const fn family(self) -> KeyFamily {
        match self {
            Self::RootEcc | Self::ComponentCaEcc | Self::PlatformCaEcc => KeyFamily::Ecc,
            Self::RootRsa | Self::ComponentCaRsa | Self::PlatformCaRsa => KeyFamily::Rsa,
        }
    }

    /// The Common Name of its certificate.
    pub(super) const fn common_name(self) -> &'static str {
        match self {
            Self::RootEcc => "Test Root ECC",
            Self::RootRsa => "Test Root RSA",
            Self::ComponentCaEcc => "Test Connected Component CA ECC",
            Self::ComponentCaRsa => "Test Connected Component CA RSA",
            Self::PlatformCaEcc => "Test Platform CA ECC",
            Self::PlatformCaRsa => "Test Platform CA RSA",
        }
    }
}
