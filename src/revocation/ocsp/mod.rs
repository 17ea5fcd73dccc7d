//! OCSP (RFC 6960): the request, the response, and what makes a response count.

pub(super) mod cache;
pub(super) mod client;
mod request;
mod response;
#[cfg(test)]
mod tests;
mod verify;

pub(crate) use request::nonce_list;
pub use request::{Request, get_path};
pub use response::{BasicResponse, CertId, Responder, ResponseStatus, SingleResponse};
pub use verify::{Entitlement, Expectation, NonceRule, OcspError, VerifiedResponse, verify};

/// id-pkix-ocsp-basic, 1.3.6.1.5.5.7.48.1.1.
pub(crate) const BASIC: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 0x30, 1, 1];
/// id-pkix-ocsp-nonce, 1.3.6.1.5.5.7.48.1.2.
pub(crate) const NONCE: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 0x30, 1, 2];
