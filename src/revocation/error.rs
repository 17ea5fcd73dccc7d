//! What was asked in vain, and why it led nowhere.

use std::error::Error;
use std::fmt;

use super::crl::CrlParseError;
use super::http::FetchError;
use super::ocsp::OcspError;
use crate::x509::X509Error;

/// Something that was tried in vain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedAttempt {
    /// What: an URL, or the local CRLs.
    pub target: String,
    /// UndeterminedReason it led nowhere.
    pub error: AttemptError,
}

/// UndeterminedReason a responder or a distribution point gave no answer that counts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AttemptError {
    /// Neither the certificate nor the configuration names a responder.
    #[error("no responder with an http URL is named or configured")]
    NoResponder,
    /// Neither the certificate nor the configuration names a place.
    #[error("no distribution point with an http URL is named or configured")]
    NoDistributionPoint,
    /// The time of the handshake ended before the answer came.
    #[error("no answer within revocation.deadline")]
    Deadline,
    /// It failed many times in a row and is asked by one at a time until it answers again.
    #[error("it has failed {0} times in a row, and is asked by one at a time")]
    CircuitBreakers(u32),
    /// Nothing came.
    #[error("nothing was fetched")]
    Fetch(#[source] FetchError),
    /// The OCSP response does not count.
    #[error("the response does not count")]
    Response(#[source] OcspError),
    /// Its times are over, or not come yet.
    #[error("the response is not fresh")]
    NotFresh,
    /// It was asked for a response to staple, and does not know the certificate.
    #[error("the responder does not know the certificate")]
    Unknown,
    /// RFC 6960 4.2.2.2.1: without id-pkix-ocsp-nocheck the delegate's own status is looked up.
    #[error("no fresh CRL clears the delegated responder's own certificate")]
    Delegate,
    /// What came is neither PEM nor DER.
    #[error("what came holds no CRL")]
    NoCrl(#[source] Option<X509Error>),
    /// The CRL cannot be used.
    #[error("the CRL cannot be used")]
    Crl(#[source] CrlParseError),
    /// None of the issuers with its name signed it.
    #[error("no issuer that is known here signed the CRL")]
    Unsigned,
    /// A CRL number has gone back.
    #[error("the CRL is older than one that was seen before")]
    RolledBack,
    /// thisUpdate has gone back.
    #[error("the CRL is older than the one from this place that is at hand")]
    Older,
    /// The operating system gives no random numbers for the nonce.
    #[error("no random numbers")]
    Random,
    /// It broke off by a fault of ours.
    #[error("a fault of ours")]
    Fault,
}

impl fmt::Display for FailedAttempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.target, self.error)?;
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
    fn what_was_tried_is_told_with_its_causes() {
        let tried = FailedAttempt {
            target: "http://ca/ocsp".to_owned(),
            error: AttemptError::Fetch(FetchError::Status(503)),
        };
        assert_eq!(tried.to_string(), "http://ca/ocsp: nothing was fetched: HTTP status 503");
    }
}
