//! Keys.

use rcgen::{
    KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ECDSA_P521_SHA512, PKCS_RSA_SHA256,
    RsaKeySize,
};
use zeroize::Zeroizing;

use super::error::PkiError;
use super::order::KeyType;

/// Makes a key of that type.
pub(super) fn generate(key: KeyType) -> Result<KeyPair, PkiError> {
    let pair = match key {
        KeyType::Ecc => KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256),
        KeyType::EccP384 => KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384),
        KeyType::EccP521 => KeyPair::generate_for(&PKCS_ECDSA_P521_SHA512),
        KeyType::Rsa => KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048),
        KeyType::Rsa4096 => KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_4096),
    };
    pair.map_err(PkiError::make("key"))
}

/// The key in PKCS#8 PEM, wiped from memory after use (A11).
pub(super) fn pem(key: &KeyPair) -> Zeroizing<String> {
    Zeroizing::new(key.serialize_pem())
}
