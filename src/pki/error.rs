//! Why the test PKI could not do something.

use std::io;
use std::path::{Path, PathBuf};

use crate::x509::{Serial, X509Error};

/// Why the test PKI could not do something.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// `init` never overwrites authorities: everything that they have issued would be worthless.
    #[error("{0} is there already; choose another folder, or delete this one")]
    Exists(PathBuf),
    /// No PKI in that folder.
    #[error("{0} is missing: this folder holds no test PKI; `pcd-platform pki init` makes one")]
    NotFound(PathBuf),
    /// A file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file or folder cannot be written.
    #[error("cannot write {path}")]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The index of revocations is damaged.
    #[error("{path} is damaged")]
    Index {
        /// The file.
        path: PathBuf,
        /// Where.
        source: toml::de::Error,
    },
    /// The index cannot be written as TOML.
    #[error("cannot write the index")]
    Serialize(#[source] toml::ser::Error),
    /// A certificate or request is none.
    #[error(transparent)]
    X509(#[from] X509Error),
    /// The generator of certificates refused, or the cryptographic library did.
    #[error("cannot make the {what}")]
    Make {
        /// What was to be made.
        what: &'static str,
        /// Why not.
        source: rcgen::Error,
    },
    /// No randomness.
    #[error("the cryptographic library has no random numbers")]
    Random,
    /// Not a base URL.
    #[error("{0:?} is no base URL; something like http://127.0.0.1:8575 is expected")]
    BaseUrl(String),
    /// Neither a DNS name nor an IP address.
    #[error("{0:?} is neither a DNS name nor an IP address")]
    SubjectAltName(String),
    /// The subject of a certificate can have at most two Common Names here, and they only for tests.
    #[error("a subject with {0} common names cannot be made; one is right, none and two are there for tests")]
    CommonNames(usize),
    /// An object identifier that is none.
    #[error("{0:?} is no object identifier")]
    ObjectIdentifier(String),
    /// The certificate is not of this PKI, by issuer name and key.
    #[error("this PKI has not issued that certificate")]
    Foreign,
    /// It is revoked already; the first time counts.
    #[error("the certificate with the serial number {0} is revoked already")]
    AlreadyRevoked(Serial),
    /// A validity of no days, or beyond the year 9999.
    #[error("a validity of {0} days cannot be given")]
    Validity(u32),
}

impl PkiError {
    pub(super) fn make(what: &'static str) -> impl FnOnce(rcgen::Error) -> Self {
        move |source| Self::Make { what, source }
    }

    pub(super) fn read(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Read { path: path.to_owned(), source }
    }

    pub(super) fn write(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Write { path: path.to_owned(), source }
    }
}
