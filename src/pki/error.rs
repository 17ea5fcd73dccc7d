//! The errors of the test PKI.

use std::io;
use std::path::{Path, PathBuf};

use crate::x509::{KeyKind, NameError, Serial, SignatureAlgorithm, X509Error};

/// The error of an operation of the test PKI.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// CAs and requested keys are never overwritten: that would make all their certificates worthless.
    #[error("{0} already exists; choose another folder, or delete it first")]
    Exists(PathBuf),
    /// The folder contains no PKI.
    #[error("{0} does not exist: this folder holds no test PKI; create one with `pcd-platform pki init`")]
    NotFound(PathBuf),
    /// A file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// A file or folder cannot be written.
    #[error("cannot write {path}")]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The index of revocations cannot be parsed.
    #[error("{path} is not a valid index of revocations")]
    Index {
        /// The file.
        path: PathBuf,
        /// The fault and its position.
        source: toml::de::Error,
    },
    /// A time of revocation in the index is out of range.
    #[error("index of revocations contains an invalid time: {0} seconds since 1970")]
    RevocationTime(i64),
    /// The index cannot be serialised.
    #[error("cannot serialise the index of revocations")]
    Serialize(#[source] toml::ser::Error),
    /// A certificate or request cannot be parsed.
    #[error(transparent)]
    X509(#[from] X509Error),
    /// rcgen or the cryptographic library failed.
    #[error("cannot create {what}")]
    Make {
        /// The object to create, with its article.
        what: &'static str,
        /// The fault.
        source: rcgen::Error,
    },
    /// The random number generator failed.
    #[error("random number generator failed")]
    Random,
    /// Not a base URL.
    #[error("{0:?} is not a base URL; expected something like http://127.0.0.1:8575")]
    BaseUrl(String),
    /// Neither a DNS name nor an IP address.
    #[error("{0:?} is neither a DNS name nor an IP address")]
    SubjectAltName(String),
    /// More than two Common Names. Certificates with none or two are for tests.
    #[error("cannot create a subject with {0} common names; use one (none and two are for tests)")]
    CommonNames(usize),
    /// Not an object identifier.
    #[error("{0:?} is not an object identifier")]
    ObjectIdentifier(String),
    /// Another PKI issued the certificate, by issuer name and key.
    #[error("this PKI did not issue the certificate")]
    Foreign,
    /// It is already revoked. The first revocation stays.
    #[error("certificate with serial number {0} is already revoked")]
    AlreadyRevoked(Serial),
    /// The signature of the request does not verify with the key in it.
    #[error("signature of the request does not match its key; the requester may not hold the private key")]
    RequestSignature,
    /// A key or signature algorithm that A0 does not name.
    #[error(
        "cannot certify a key of kind {0} with a signature by {1}; use RSA of 2048 to 4096 bits or ECC on P-256, \
         P-384 or P-521, with SHA-256 or better"
    )]
    RequestKey(KeyKind, SignatureAlgorithm),
    /// The request's subject does not name a device.
    #[error(transparent)]
    Name(#[from] NameError),
    /// An attribute of the request's subject that cannot be copied.
    #[error("attribute {0} of the subject is repeated, or is not a UTF8String, PrintableString or IA5String")]
    Attribute(String),
    /// A validity of zero days, or beyond the year 9999.
    #[error("cannot create a validity of {0} days")]
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
