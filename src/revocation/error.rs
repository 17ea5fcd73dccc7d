//! Failed attempts to learn the status of a certificate.

use std::error::Error;
use std::fmt;

use super::crl::{CrlParseError, CrlVerifyError};
use super::http::FetchError;
use super::ocsp::OcspError;
use crate::model::shown_url;
use crate::x509::X509Error;

/// One failed attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedAttempt {
    /// The URL, or `OCSP` or `CRL` when there is none.
    pub target: String,
    /// The reason.
    pub error: AttemptError,
}

/// Why a responder or a distribution point gave no usable response.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AttemptError {
    /// Neither the certificate nor the configuration names a responder.
    #[error("neither the certificate nor the configuration names an OCSP responder with an http URL")]
    NoResponder,
    /// Neither the certificate nor the configuration names a distribution point.
    #[error("neither the certificate nor the configuration names a distribution point with an http URL")]
    NoDistributionPoint,
    /// The handshake's deadline passed first.
    #[error("no response within revocation.deadline")]
    Deadline,
    /// The circuit breaker is half-open and another request probes the responder.
    #[error(
        "circuit breaker is open after {0} consecutive failures; one request at a time probes the responder"
    )]
    CircuitBreakers(u32),
    /// The HTTP request failed.
    #[error("HTTP request failed")]
    Fetch(#[source] FetchError),
    /// The OCSP response was rejected.
    #[error("OCSP response rejected")]
    Response(#[source] OcspError),
    /// The response has expired, or its thisUpdate is in the future.
    #[error("OCSP response is not fresh")]
    NotFresh,
    /// An older response than one that is known, or one that would lift a revocation of the same time.
    #[error("OCSP response is older than one already seen")]
    Superseded,
    /// A response to staple was wanted, and the responder does not know the certificate.
    #[error("OCSP responder does not know the certificate")]
    Unknown,
    /// RFC 6960 4.2.2.2.1: the status of a delegate without id-pkix-ocsp-nocheck is checked.
    #[error("no fresh CRL covers the certificate of the delegated responder")]
    Delegate,
    /// The body is neither PEM nor DER.
    #[error("response body contains no CRL")]
    NoCrl(#[source] Option<X509Error>),
    /// The CRL was rejected.
    #[error("CRL rejected")]
    Crl(#[source] CrlParseError),
    /// An issuer of this name may not sign CRLs, or not with this algorithm.
    #[error("CRL rejected")]
    CrlSigner(#[source] CrlVerifyError),
    /// No issuer of this name signed it.
    #[error("no known issuer signed the CRL")]
    Unsigned,
    /// The URL of one CRL had another one.
    #[error("URL has the CRL of another issuer or of another scope")]
    OtherCrl,
    /// The CRL number is lower than the highest number seen.
    #[error("CRL number is lower than one already seen (rollback)")]
    RolledBack,
    /// thisUpdate is earlier than that of the stored CRL.
    #[error("CRL is older than the stored CRL of its issuer and scope")]
    Older,
    /// No random numbers for the nonce.
    #[error("random number generator failed")]
    Random,
    /// The attempt panicked.
    #[error("internal error: the attempt panicked")]
    Fault,
}

impl fmt::Display for FailedAttempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", shown_url(&self.target), self.error)?;
        let mut cause = self.error.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_attempt_is_shown_with_its_causes() {
        let attempt = FailedAttempt {
            target: "http://ca/ocsp".to_owned(),
            error: AttemptError::Fetch(FetchError::Status(503)),
        };
        assert_eq!(attempt.to_string(), "http://ca/ocsp: HTTP request failed: HTTP status 503");
        let secret = FailedAttempt { target: "http://u:s3cret@ca/ocsp?key=s3cret".to_owned(), ..attempt };
        assert_eq!(secret.to_string(), "http://***@ca/ocsp?***: HTTP request failed: HTTP status 503");
    }
}
