//! A public key infrastructure for tests, demonstrations and closed sites, structured as the specification
//! requires: an ECC and an RSA root, and under each an issuing CA for connected components and one for
//! platforms (A5, A6, B15).
//!
//! It is a folder:
//!
//! | file | content |
//! |---|---|
//! | `root-ecc.pem`, `root-rsa.pem` | the trust anchors |
//! | `ca/NAME.pem`, `ca/NAME.key` | each [`Authority`]: certificate and key (mode 0600) |
//! | `ca/index.toml` | base URL, revocations, number of the last CRLs |
//! | `crl/NAME.crl` | the last CRL of each authority, DER |
//! | `ROLE/CN.KEY.chain.pem` | an issued certificate, followed by its issuing CA (A4) |
//! | `ROLE/CN.KEY.key` | its key, PKCS#8 PEM (mode 0600) |
//!
//! In file names every byte of a Common Name other than ASCII letters, digits, `-`, `_` and inner dots is
//! written as `%XX`; see [`file_stem`].

mod authority;
mod bulk;
mod certify;
mod enrolled;
mod error;
mod extension;
mod file;
mod index;
mod key;
mod ocsp_response;
mod order;
mod reason;
mod request;
mod responder;
mod revoke;
mod role;
mod server;
mod sign;
mod subject;
mod test_pki;

pub use authority::Authority;
pub use bulk::{BulkCertificate, BulkIssuer, BulkValidity};
pub use certify::TEST_ORGANIZATION;
pub use enrolled::issue_enrolled;
pub use error::PkiError;
pub use file::file_stem;
pub use key::{KeyFamily, KeyType};
#[cfg(test)]
pub(crate) use ocsp_response::algorithm as ocsp_algorithm;
#[cfg(test)]
pub(crate) use ocsp_response::{OcspResponse, ResponderId};
pub use order::{CertificateOrder, Issued};
pub use reason::RevocationReason;
pub use request::{RequestOrder, Requested};
pub use responder::{OcspResponder, OcspSigner};
pub use revoke::Revocation;
pub use role::Role;
pub use server::serve;
pub use subject::{Subject, SubjectError};
pub use test_pki::TestPki;
