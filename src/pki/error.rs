//! Why the test PKI could not do something.

use std::io;
use std::path::{Path, PathBuf};

use crate::x509::{KeyKind, NameError, Serial, SignatureAlgorithm, X509Error};

/// Why the test PKI could not do something.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// Authorities and requested keys are never overwritten: every certificate made with them would be worthless.
    #[error("{0} is there already; choose another folder, or delete it first")]
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
    /// The index holds a time that no CRL can.
    #[error("the index says that a certificate was revoked {0} seconds after 1970, which is no date")]
    RevocationTime(i64),
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
    /// The request is not signed with the key that it asks a certificate for.
    #[error("the request's signature is not by the key that it holds: whoever sent it may not have that key")]
    RequestSignature,
    /// A key or signature that the specification does not name (A0).
    #[error(
        "a key of kind {0} with a signature by {1} is not certified: RSA of 2048 to 4096 bits or ECC P-256, P-384, P-521, with SHA-256 or better, is"
    )]
    RequestKey(KeyKind, SignatureAlgorithm),
    /// The request's subject names no device.
    #[error(transparent)]
    Name(#[from] NameError),
    /// An attribute of the request's subject that cannot be taken over.
    #[error("the subject's attribute {0} is there twice, or is no UTF8String, PrintableString or IA5String")]
    Attribute(String),
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
