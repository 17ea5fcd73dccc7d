//! Why a certificate, CRL or request cannot be read.

use std::fmt;

/// Why bytes are no certificate, CRL or request that we can rely on. The texts never echo what was read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum X509Error {
    /// Not the DER of what was asked for, or more bytes after it.
    #[error("these bytes are not the DER encoding of one {0}")]
    Structure(Part),
    /// RFC 5280 4.1.1.2: the algorithm inside the signature and the one beside it differ.
    #[error("the {0} names two different signature algorithms")]
    AlgorithmMismatch(Part),
    /// RFC 5280 4.2: "A certificate MUST NOT include more than one instance of a particular extension."
    #[error("the extension {0} is there twice")]
    DuplicateExtension(String),
    /// An extension that we rely on is not encoded as its standard says.
    #[error("the extension {0} is malformed")]
    Extension(String),
    /// A time outside the years 1 to 9999, or not in the form that DER allows.
    #[error("the {0} holds a time that is none")]
    Time(Part),
    /// A public key whose parameters cannot be read.
    #[error("the public key in the {0} cannot be read")]
    PublicKey(Part),
    /// The file holds none of what was asked for.
    #[error("no {0} in this file; expected PEM or DER")]
    Missing(Part),
    /// A PEM section that is broken.
    #[error("the PEM text is broken: check for missing lines or BEGIN and END marks")]
    Pem,
}

/// What was being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// An X.509 certificate.
    Certificate,
    /// A certificate revocation list.
    Crl,
    /// A PKCS#10 certificate request.
    Request,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Certificate => "certificate",
            Self::Crl => "CRL",
            Self::Request => "certificate request",
        })
    }
}
