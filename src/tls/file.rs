//! Reading certificates from files.

use std::path::{Path, PathBuf};

use rustls::pki_types::CertificateDer;

use crate::x509::{X509Error, bundle, pem};

/// Certificates could not be read from a file.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The file cannot be read.
    #[error("cannot read {}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// The I/O error.
        source: std::io::Error,
    },
    /// The file does not contain certificates in PEM or DER.
    #[error("cannot use {}", file.display())]
    Content {
        /// The file.
        file: PathBuf,
        /// The parse error.
        source: X509Error,
    },
}

/// The certificates in `file`, which may be a PKCS#7 bundle as well.
pub(super) fn trust_bundle(file: &Path) -> Result<Vec<CertificateDer<'static>>, FileError> {
    read(file, bundle::certificates)
}

/// The certificates in `file`, in the file's order.
pub(super) fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, FileError> {
    read(file, pem::certificates)
}

/// Finds the certificates in the contents of a file, in DER.
type Parse = fn(&[u8]) -> Result<Vec<Vec<u8>>, X509Error>;

fn read(file: &Path, parse: Parse) -> Result<Vec<CertificateDer<'static>>, FileError> {
    let contents = std::fs::read(file).map_err(|source| FileError::Read { file: file.to_owned(), source })?;
    let certificates =
        parse(&contents).map_err(|source| FileError::Content { file: file.to_owned(), source })?;
    Ok(certificates.into_iter().map(CertificateDer::from).collect())
}
