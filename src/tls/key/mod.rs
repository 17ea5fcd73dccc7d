//! Private keys: where they are, and what signs with them (A11, B19).

mod key_file;
#[cfg(feature = "pkcs11")]
mod pkcs11;
mod private_file;

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::sign::SigningKey;

pub use key_file::{Encryption, KeyFileError};
#[cfg(feature = "pkcs11")]
pub use pkcs11::TokenError;
pub use private_file::{PrivateFileError, Secret};

use crate::config::{Credential, KeyLocation};

/// A private key that is not used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Its file, or the passphrase that opens it.
    #[error(transparent)]
    File(#[from] KeyFileError),
    /// The token that holds it; boxed, because what PKCS#11 says is large and seldom said.
    #[cfg(feature = "pkcs11")]
    #[error(transparent)]
    Token(Box<TokenError>),
    /// It is of a kind that cannot sign.
    #[error(
        "the private key {location} cannot be used: {source}; an RSA key or one on P-256, P-384 or P-521 can"
    )]
    Kind {
        /// Which key.
        location: KeyLocation,
        /// What rustls says.
        source: rustls::Error,
    },
}

/// What signs with the key of `credential`.
pub(super) fn load(
    credential: &Credential,
    provider: &CryptoProvider,
) -> Result<Arc<dyn SigningKey>, KeyError> {
    match &credential.key {
        KeyLocation::File(file) => {
            let key = key_file::read(file, credential.passphrase.as_deref())?;
            provider
                .key_provider
                .load_private_key(key)
                .map_err(|source| KeyError::Kind { location: credential.key.clone(), source })
        }
        #[cfg(feature = "pkcs11")]
        KeyLocation::Token(token) => pkcs11::open(token).map_err(|error| KeyError::Token(Box::new(error))),
    }
}
