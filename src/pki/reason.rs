//! Revocation reasons.

use serde::{Deserialize, Serialize};

/// The reason of a revocation, RFC 5280 5.3.1: the final reasons for public key certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RevocationReason {
    /// No reason given.
    Unspecified,
    /// The private key may be known to others.
    KeyCompromise,
    /// The private key of the CA may be known to others.
    CaCompromise,
    /// The subject's name or role has changed.
    AffiliationChanged,
    /// A newer certificate replaces it.
    Superseded,
    /// The device is out of use.
    CessationOfOperation,
    /// The subject has lost a right that the certificate grants.
    PrivilegeWithdrawn,
}

impl RevocationReason {
    /// CRLReason; unspecified is omitted (RFC 5280 5.3.1).
    pub(super) const fn code(self) -> Option<u8> {
        match self {
            Self::Unspecified => None,
            Self::KeyCompromise => Some(1),
            Self::CaCompromise => Some(2),
            Self::AffiliationChanged => Some(3),
            Self::Superseded => Some(4),
            Self::CessationOfOperation => Some(5),
            Self::PrivilegeWithdrawn => Some(9),
        }
    }
}

impl From<RevocationReason> for rcgen::RevocationReason {
    fn from(reason: RevocationReason) -> Self {
        match reason {
            RevocationReason::Unspecified => Self::Unspecified,
            RevocationReason::KeyCompromise => Self::KeyCompromise,
            RevocationReason::CaCompromise => Self::CaCompromise,
            RevocationReason::AffiliationChanged => Self::AffiliationChanged,
            RevocationReason::Superseded => Self::Superseded,
            RevocationReason::CessationOfOperation => Self::CessationOfOperation,
            RevocationReason::PrivilegeWithdrawn => Self::PrivilegeWithdrawn,
        }
    }
}
