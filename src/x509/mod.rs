//! Parsers for certificates, certificate revocation lists and certificate requests. They do no I/O.
//!
//! Parsing does not verify: signatures, validity and trust are verified elsewhere. Every parser refuses
//! ambiguous input that RFC 5280 forbids (trailing bytes, a repeated extension, two different signature
//! algorithms). No input makes a parser panic.

mod algorithm;
pub mod bundle;
mod certificate;
mod comparable;
mod crl;
pub mod der;
mod directory_string;
mod distribution;
mod error;
mod extensions;
mod general_name;
mod identifier;
mod name;
mod outline;
mod path_extensions;
pub mod pem;
mod raw_extension;
mod request;
mod serial;
mod signature;
mod signed;
#[cfg(test)]
mod tests;
mod time;

pub use algorithm::{Digest, KeyKind, SignatureAlgorithm};
pub use certificate::CertificateFacts;
pub use comparable::ComparableName;
pub(crate) use comparable::prepared as prepared_name;
pub use crl::{CrlFacts, RevokedEntry};
pub use distribution::{CrlDistributionPoint, DistributionPointName, Reasons, directory_names};
pub use error::{Part, X509Error};
pub use extensions::{Extensions, KeyPurpose, KeyUsage};
pub use general_name::{GeneralName, SubtreeName};
pub use name::{CommonName, DistinguishedName, NameError};
pub use outline::{CertificateOutline, Validity};
pub use path_extensions::{NameConstraints, PathExtensions, PolicyId};
pub use raw_extension::RawExtension;
pub use request::RequestFacts;
pub use serial::Serial;
pub use signature::{PublicKey, SignatureError};
pub use signed::Signed;
pub use time::{NO_EXPIRY, expiry_text};
