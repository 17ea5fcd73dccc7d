//! Certificates in files.

use std::path::{Path, PathBuf};

use rustls::pki_types::CertificateDer;

use crate::x509::{X509Error, pem};

/// A file whose certificates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("cannot read {}", file.display())]
    Read {
        /// Which file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It does not hold what it should.
    #[error("cannot use {}", file.display())]
    Content {
        /// Which file.
        file: PathBuf,
        /// Why.
        source: X509Error,
    },
}

/// From the contents of a file to the DER of each thing in it.
type Parse = fn(&[u8]) -> Result<Vec<Vec<u8>>, X509Error>;

pub(super) fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, FileError> {
    Ok(read(file, pem::certificates)?.into_iter().map(CertificateDer::from).collect())
}

fn read(file: &Path, parse: Parse) -> Result<Vec<Vec<u8>>, FileError> {
    let contents = std::fs::read(file).map_err(|source| FileError::Read { file: file.to_owned(), source })?;
    parse(&contents).map_err(|source| FileError::Content { file: file.to_owned(), source })
}
