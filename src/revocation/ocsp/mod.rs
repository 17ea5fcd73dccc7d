//! OCSP (RFC 6960).
//!
//! Pure, bytes and a time in, a decision out: [`Request`], [`BasicResponse`], [`CertId`] and [`verify()`].
//! With I/O: `client` queries responders, `cache` holds the responses that were accepted.

pub(super) mod cache;
mod cert_id;
pub(super) mod client;
mod error;
mod expectation;
mod hash_choice;
mod nonce;
mod request;
mod response;
mod signed_part;
mod signer;
#[cfg(test)]
mod tests;
mod verify;

pub use cert_id::CertId;
pub use error::{DelegateFault, OcspError};
pub use expectation::{Expectation, NonceRule};
pub(super) use hash_choice::HashChoices;
pub(crate) use nonce::nonce_list;
pub use request::{Request, get_path};
pub(crate) use response::BASIC;
pub use response::{BasicResponse, Responder, ResponseStatus, SingleResponse};
pub(super) use verify::accept;
pub use verify::{VerifiedResponse, verify};
