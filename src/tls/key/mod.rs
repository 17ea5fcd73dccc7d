//! Private keys in files and PKCS#11 tokens (A11, B19).

mod ec_key;
mod key_file;
#[cfg(feature = "pkcs11")]
mod pkcs11;
mod private_file;

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::sign::SigningKey;

use ec_key::EcKey;
pub use key_file::{Encryption, KeyFileError};
#[cfg(feature = "pkcs11")]
pub use pkcs11::TokenError;
pub use private_file::{PrivateFileError, Secret};

use crate::config::{Credential, KeyLocation};

/// A private key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Its file, or the passphrase, cannot be used.
    #[error(transparent)]
    File(#[from] KeyFileError),
    /// Its token cannot be used. Boxed, because PKCS#11 errors are large and rare.
    #[cfg(feature = "pkcs11")]
    #[error(transparent)]
    Token(Box<TokenError>),
    /// The kind of the key is not supported.
    #[error(
        "cannot use the private key {location}: {source}; use an RSA key or one on P-256, P-384 or P-521"
    )]
    Kind {
        /// The key.
        location: KeyLocation,
        /// The error of rustls.
        source: rustls::Error,
    },
}

impl KeyError {
    /// Whether a token rejects the PIN.
    pub fn rejects_pin(&self) -> bool {
        #[cfg(feature = "pkcs11")]
        if let Self::Token(error) = self {
            return error.rejects_pin();
        }
        false
    }
}

/// Loads the key of `credential` for signing.
pub(super) fn load(
    credential: &Credential,
    provider: &CryptoProvider,
) -> Result<Arc<dyn SigningKey>, KeyError> {
    match &credential.key {
        KeyLocation::File(file) => {
            let key = key_file::read(file, credential.passphrase.as_deref())?;
            let signing = provider
                .key_provider
                .load_private_key(key.clone_key())
                .map_err(|source| KeyError::Kind { location: credential.key.clone(), source })?;
            Ok(EcKey::extend(signing, key.secret_der()))
        }
        #[cfg(feature = "pkcs11")]
        KeyLocation::Token(token) => pkcs11::open(token).map_err(|error| KeyError::Token(Box::new(error))),
    }
}
