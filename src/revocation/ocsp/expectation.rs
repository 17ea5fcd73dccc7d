//! What an OCSP response is verified against.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::revocation::IssuedCertificate;
use crate::x509::CertificateFacts;

/// What a response is verified against.
#[derive(Debug, Clone, Copy)]
pub struct Expectation<'a> {
    /// The certificate in question.
    pub issued: &'a IssuedCertificate,
    /// The signers configured for its issuer.
    pub signers: &'a [Arc<CertificateFacts>],
    /// The nonce of the request.
    pub nonce: NonceRule<'a>,
    /// The current time.
    pub now: Timestamp,
    /// The tolerated clock skew.
    pub skew: SignedDuration,
    /// The maximum age, whatever nextUpdate is.
    pub max_age: Option<SignedDuration>,
    /// The number of certificates that a response may have. Each may cost a signature verification.
    pub max_certificates: usize,
    /// The lifetime of a response without nextUpdate.
    pub default_lifetime: SignedDuration,
}

/// The rule for the nonce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NonceRule<'a> {
    /// No nonce was sent, or the response comes from the cache: nothing to compare with.
    Any,
    /// A nonce, if present, must equal this one.
    Same(&'a [u8]),
    /// This nonce must be present.
    Required(&'a [u8]),
}
