//! What we read in certificates, certificate revocation lists and certificate requests. Pure: bytes in, facts out.
//!
//! Reading says what is written, never whether it is true: signatures, validity and trust are judged elsewhere.
//! Every reader refuses what RFC 5280 does not allow to mean anything (trailing bytes, an extension twice, two
//! different signature algorithms), and none of them panics, whatever the bytes.

mod algorithm;
mod certificate;
mod crl;
mod error;
mod extensions;
mod name;
pub mod pem;
mod request;
mod serial;
#[cfg(test)]
mod tests;

pub use algorithm::{Digest, KeyKind, SignatureAlgorithm};
pub use certificate::CertificateFacts;
pub use crl::{CrlFacts, RevokedEntry};
pub use error::{Part, X509Error};
pub use extensions::{CrlDistributionPoint, Extensions, KeyPurpose, KeyUsage};
pub use name::{CommonName, DistinguishedName, NameError};
pub use request::RequestFacts;
pub use serial::Serial;
