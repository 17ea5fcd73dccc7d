//! What is trusted: the installed roots and the installed CRLs. The machine's own trust store is never asked (A6).

use std::path::{Path, PathBuf};

use rustls::DistinguishedName;
use rustls::pki_types::{CertificateDer, TrustAnchor};
use webpki::{CertRevocationList, OwnedCertRevocationList};

use super::file::{self, FileError};

/// The roots that clients must chain to (A6).
#[derive(Debug, Clone)]
pub struct Trust {
    pub(super) anchors: Vec<TrustAnchor<'static>>,
    /// Their names, for the hint in CertificateRequest (RFC 5246 7.4.4).
    pub(super) subjects: Vec<DistinguishedName>,
}

/// The CRLs installed at setup (A9.1).
#[derive(Debug, Default)]
pub struct CrlStore {
    pub(super) lists: Vec<CertRevocationList<'static>>,
}

/// Roots or CRLs that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// A file that cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// A folder that cannot be listed.
    #[error("cannot list {}", folder.display())]
    Folder {
        /// Which folder.
        folder: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A certificate that is no trust anchor.
    #[error("{} holds a certificate that cannot be a trust anchor: {source}", file.display())]
    Anchor {
        /// Which file.
        file: PathBuf,
        /// What webpki says.
        source: webpki::Error,
    },
    /// A CRL that is not understood.
    #[error("{} holds a CRL that is not understood: {source}", file.display())]
    Crl {
        /// Which file.
        file: PathBuf,
        /// What webpki says.
        source: webpki::Error,
    },
}

impl Trust {
    /// Reads the roots from files with one or more certificates each, PEM or DER.
    ///
    /// # Errors
    /// When a file cannot be read, holds no certificate, or holds one that cannot be a trust anchor.
    pub fn load(files: &[PathBuf]) -> Result<Self, TrustError> {
        let mut trust = Self { anchors: Vec::new(), subjects: Vec::new() };
        for file in files {
            for certificate in file::certificates(file)? {
                trust
                    .add(&certificate)
                    .map_err(|source| TrustError::Anchor { file: file.clone(), source })?;
            }
        }
        Ok(trust)
    }

    fn add(&mut self, certificate: &CertificateDer<'_>) -> Result<(), webpki::Error> {
        let anchor = webpki::anchor_from_trusted_cert(certificate)?.to_owned();
        self.subjects.push(DistinguishedName::in_sequence(anchor.subject.as_ref()));
        self.anchors.push(anchor);
        Ok(())
    }
}

impl CrlStore {
    /// Reads CRLs from files, and from every `.crl` file of folders; PEM or DER.
    ///
    /// # Errors
    /// When a file cannot be read or holds a CRL that is not understood. A folder without CRLs is no error here:
    /// whether that can work is for the policy on undetermined certificates to say.
    pub fn load(paths: &[PathBuf]) -> Result<Self, TrustError> {
        let mut store = Self::default();
        for path in paths {
            if path.is_dir() {
                for file in crl_files(path)? {
                    store.add(&file)?;
                }
            } else {
                store.add(path)?;
            }
        }
        Ok(store)
    }

    /// How many lists there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.lists.len()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.lists.is_empty()
    }

    fn add(&mut self, file: &Path) -> Result<(), TrustError> {
        for list in file::crls(file)? {
            let list = OwnedCertRevocationList::from_der(&list)
                .map_err(|source| TrustError::Crl { file: file.to_owned(), source })?;
            self.lists.push(list.into());
        }
        Ok(())
    }
}

fn crl_files(folder: &Path) -> Result<Vec<PathBuf>, TrustError> {
    let failed = |source| TrustError::Folder { folder: folder.to_owned(), source };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "crl") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
