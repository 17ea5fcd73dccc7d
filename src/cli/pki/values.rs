//! The option values of `pki …` as the help shows them, and their meaning in the test PKI.

use crate::pki;

/// The values of `--role`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum RoleValue {
    /// A medical device: a TLS client
    Device,
    /// A gateway: a TLS client
    Gateway,
    /// A platform: a TLS server, and a client when it connects to others
    Platform,
}

/// The values of `--key`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum KeyFamilyValue {
    /// Elliptic curve, NIST P-256
    Ecc,
    /// RSA, 2048 bits
    Rsa,
}

/// The values of `--signer`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum OcspSignerValue {
    /// A certificate that each CA issues for the purpose (RFC 6960 4.2.2.2), new at every start
    Delegate,
    /// The CA itself
    Ca,
}

/// The values of `--reason`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum RevocationReasonValue {
    /// No reason given
    Unspecified,
    /// The private key may be known to others
    KeyCompromise,
    /// The private key of the CA may be known to others
    CaCompromise,
    /// The subject's name or role has changed
    AffiliationChanged,
    /// A newer certificate replaces it
    Superseded,
    /// The device is out of use
    CessationOfOperation,
    /// The subject has lost a right that the certificate grants
    PrivilegeWithdrawn,
}

impl From<RoleValue> for pki::Role {
    fn from(value: RoleValue) -> Self {
        match value {
            RoleValue::Device => Self::Device,
            RoleValue::Gateway => Self::Gateway,
            RoleValue::Platform => Self::Platform,
        }
    }
}

impl From<KeyFamilyValue> for pki::KeyFamily {
    fn from(value: KeyFamilyValue) -> Self {
        match value {
            KeyFamilyValue::Ecc => Self::Ecc,
            KeyFamilyValue::Rsa => Self::Rsa,
        }
    }
}

impl From<OcspSignerValue> for pki::OcspSigner {
    fn from(value: OcspSignerValue) -> Self {
        match value {
            OcspSignerValue::Delegate => Self::Delegate,
            OcspSignerValue::Ca => Self::Ca,
        }
    }
}

impl From<RevocationReasonValue> for pki::RevocationReason {
    fn from(value: RevocationReasonValue) -> Self {
        match value {
            RevocationReasonValue::Unspecified => Self::Unspecified,
            RevocationReasonValue::KeyCompromise => Self::KeyCompromise,
            RevocationReasonValue::CaCompromise => Self::CaCompromise,
            RevocationReasonValue::AffiliationChanged => Self::AffiliationChanged,
            RevocationReasonValue::Superseded => Self::Superseded,
            RevocationReasonValue::CessationOfOperation => Self::CessationOfOperation,
            RevocationReasonValue::PrivilegeWithdrawn => Self::PrivilegeWithdrawn,
        }
    }
}
