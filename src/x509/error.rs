//! Errors of parsing a certificate, CRL or request.

use std::fmt;

/// The bytes are not a reliable certificate, CRL or request. The messages never contain text from the input.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum X509Error {
    /// The input is not DER of the expected structure, or has trailing bytes.
    #[error("these bytes are not the DER encoding of one {0}")]
    Structure(Part),
    /// The signed and the unsigned signature algorithm differ (RFC 5280 4.1.1.2).
    #[error("the {0} names two different signature algorithms")]
    AlgorithmMismatch(Part),
    /// RFC 5280 4.2: "A certificate MUST NOT include more than one instance of a particular extension."
    #[error("duplicate extension {0}")]
    DuplicateExtension(String),
    /// The encoding of a relevant extension violates its standard.
    #[error("the extension {0} is malformed")]
    Extension(String),
    /// A time is outside the years 1 to 9999, or not in the form of DER.
    #[error("the {0} contains an invalid time")]
    Time(Part),
    /// The parameters of a public key are invalid.
    #[error("cannot parse the public key of the {0}")]
    PublicKey(Part),
    /// The file does not contain the expected object.
    #[error("no {0} in this file; expected PEM or DER")]
    Missing(Part),
    /// A PKCS#7 bundle is not what it should be.
    #[error("the PKCS#7 bundle is malformed, empty or signed; expected certificates in DER without signers")]
    Bundle,
    /// A PEM section is malformed.
    #[error("the PEM text is malformed: check for missing lines or BEGIN and END marks")]
    Pem,
}

/// The kind of the parsed object.
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
