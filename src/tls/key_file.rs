//! Private keys on disk (A11, B19).

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::{self, PemObject as _};
use zeroize::Zeroizing;

/// A key file that is not used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// It cannot be read.
    #[error("cannot read the private key {}", file.display())]
    Read {
        /// Which file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Somebody else on the machine could read or change it (A11).
    #[error(
        "the private key {} can be reached by others (mode {mode:04o}); run: chmod 600 {}",
        file.display(), file.display()
    )]
    TooOpen {
        /// Which file.
        file: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// No private key in it.
    #[error("{} holds no private key in PEM (PKCS#8, PKCS#1 or SEC1)", file.display())]
    NoKey {
        /// Which file.
        file: PathBuf,
        /// What the PEM reader says.
        source: pem::Error,
    },
}

/// Reads a private key that only its owner can read; the file's text is wiped from memory afterwards.
pub(super) fn read(file: &Path) -> Result<PrivateKeyDer<'static>, KeyFileError> {
    let failed = |source| KeyFileError::Read { file: file.to_owned(), source };
    let mut opened = File::open(file).map_err(failed)?;
    let metadata = opened.metadata().map_err(failed)?;
    let mode = metadata.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(KeyFileError::TooOpen { file: file.to_owned(), mode });
    }
    // The whole file at once, so that no growing buffer leaves copies behind.
    let mut text = Zeroizing::new(vec![0; usize::try_from(metadata.len()).unwrap_or(0)]);
    opened.read_exact(&mut text).map_err(failed)?;
    PrivateKeyDer::from_pem_slice(&text)
        .map_err(|source| KeyFileError::NoKey { file: file.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        // A11
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("platform.key");
        let key = rcgen::KeyPair::generate().unwrap();
        std::fs::write(&file, key.serialize_pem()).unwrap();
        for mode in [0o604, 0o640, 0o620, 0o644] {
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
            let error = read(&file).unwrap_err();
            assert!(matches!(error, KeyFileError::TooOpen { mode: seen, .. } if seen == mode), "{error}");
        }
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(read(&file).unwrap().secret_der(), key.serialized_der());
    }

    #[test]
    fn a_file_without_a_key_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("platform.key");
        std::fs::write(&file, "nothing").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert!(matches!(read(&file).unwrap_err(), KeyFileError::NoKey { .. }));
        assert!(matches!(read(&folder.path().join("none")).unwrap_err(), KeyFileError::Read { .. }));
    }
}
