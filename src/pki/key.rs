//! Key families, key types and key generation.

use rcgen::{
    KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ECDSA_P521_SHA512, PKCS_RSA_SHA256,
    RsaKeySize,
};
use zeroize::Zeroizing;

use super::error::PkiError;

/// The two key families of the specification (A0).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyFamily {
    /// NIST elliptic curves.
    Ecc,
    /// RSA.
    Rsa,
}

/// The type of a key to generate (A0).
///
/// RSA below 2048 bits is missing: aws-lc neither generates such keys nor signs with them. A test that needs
/// one generates it with OpenSSL, which also signs it with the files under `ca/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyType {
    /// P-256: sufficient, and verified ten times as fast as P-384.
    Ecc,
    /// P-384.
    EccP384,
    /// P-521.
    EccP521,
    /// RSA with 2048 bits.
    Rsa,
    /// RSA with 4096 bits.
    Rsa4096,
}

impl KeyType {
    /// Its part of file names.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ecc => "ecc",
            Self::EccP384 => "ecc-p384",
            Self::EccP521 => "ecc-p521",
            Self::Rsa => "rsa",
            Self::Rsa4096 => "rsa-4096",
        }
    }

    /// The family, which selects the issuing CA.
    #[must_use]
    pub const fn family(self) -> KeyFamily {
        match self {
            Self::Ecc | Self::EccP384 | Self::EccP521 => KeyFamily::Ecc,
            Self::Rsa | Self::Rsa4096 => KeyFamily::Rsa,
        }
    }
}

impl From<KeyFamily> for KeyType {
    fn from(family: KeyFamily) -> Self {
        match family {
            KeyFamily::Ecc => Self::Ecc,
            KeyFamily::Rsa => Self::Rsa,
        }
    }
}

/// Generates a key.
pub(super) fn generate(key: KeyType) -> Result<KeyPair, PkiError> {
    let pair = match key {
        KeyType::Ecc => KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256),
        KeyType::EccP384 => KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384),
        KeyType::EccP521 => KeyPair::generate_for(&PKCS_ECDSA_P521_SHA512),
        KeyType::Rsa => KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048),
        KeyType::Rsa4096 => KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_4096),
    };
    pair.map_err(PkiError::make("a key"))
}

/// The key in PKCS#8 PEM, wiped from memory after use (A11).
pub(super) fn pem(key: &KeyPair) -> Zeroizing<String> {
    Zeroizing::new(key.serialize_pem())
}
