//! The counter of failed attempts to get revocation data, by a closed list of reasons.

use super::AttemptError;
use super::crl::{CrlParseError, CrlVerifyError};
use super::http::FetchError;
use super::ocsp::{DelegateFault, OcspError};
use crate::metrics::Metrics;
use crate::x509::SignatureError;

/// What was attempted: the label `source`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FailureSource {
    /// An OCSP response about a certificate of a device.
    Ocsp,
    /// A CRL.
    Crl,
    /// An OCSP response about a certificate of the platform.
    Staple,
}

/// Creates every series of the counter, at zero.
pub(super) fn declare(metrics: &Metrics) {
    for source in [FailureSource::Ocsp, FailureSource::Crl, FailureSource::Staple] {
        for reason in REASONS {
            metrics.revocation_failures_total.with_label_values(&[source.code(), reason]);
        }
    }
}

/// Counts a failed attempt. A certificate that names no source is none.
pub(super) fn count(metrics: &Metrics, source: FailureSource, error: &AttemptError) {
    if let Some(reason) = reason(error) {
        metrics.revocation_failures_total.with_label_values(&[source.code(), reason]).inc();
    }
}

/// Counts a CRL of an unknown issuer that another one has evicted.
pub(super) fn count_evicted(metrics: &Metrics) {
    metrics.revocation_failures_total.with_label_values(&[FailureSource::Crl.code(), EVICTED]).inc();
}

impl FailureSource {
    const fn code(self) -> &'static str {
        match self {
            Self::Ocsp => "ocsp",
            Self::Crl => "crl",
            Self::Staple => "staple",
        }
    }
}

const fn reason(error: &AttemptError) -> Option<&'static str> {
    Some(match error {
        AttemptError::NoResponder | AttemptError::NoDistributionPoint => return None,
        AttemptError::Deadline => TIMEOUT,
        AttemptError::CircuitBreakers(_) => "circuit-breaker",
        AttemptError::Fetch(error) => fetch_reason(error),
        AttemptError::Response(error) => response_reason(*error),
        AttemptError::NotFresh => "not-fresh",
        AttemptError::Unknown => OTHER_CERTIFICATE,
        AttemptError::Delegate => "delegate-undetermined",
        AttemptError::NoCrl(_) => MALFORMED,
        AttemptError::Crl(CrlParseError::CriticalExtension) => CRITICAL_EXTENSION,
        AttemptError::Crl(_) => MALFORMED,
        AttemptError::CrlSigner(CrlVerifyError::Signature(error)) => signature_reason(*error),
        AttemptError::CrlSigner(_) | AttemptError::Unsigned => UNAUTHORIZED_SIGNER,
        AttemptError::OtherCrl => "other-crl",
        AttemptError::RolledBack | AttemptError::Older | AttemptError::Superseded => "rolled-back",
        AttemptError::Random | AttemptError::Fault => "fault",
    })
}

const fn fetch_reason(error: &FetchError) -> &'static str {
    match error {
        FetchError::Url | FetchError::NotAllowed | FetchError::Address(_) | FetchError::LocalName => {
            "not-allowed"
        }
        FetchError::Resolve | FetchError::Connect(_) | FetchError::Protocol => "unreachable",
        FetchError::Timeout => TIMEOUT,
        FetchError::Busy => "busy",
        FetchError::TooLarge(_) | FetchError::Head => LIMIT_EXCEEDED,
        FetchError::Status(_) => "http-status",
    }
}

const fn response_reason(error: OcspError) -> &'static str {
    match error {
        OcspError::Malformed | OcspError::Signer(DelegateFault::Malformed) => MALFORMED,
        OcspError::Status(_) => "responder-error",
        OcspError::OtherCertificate => OTHER_CERTIFICATE,
        OcspError::Signer(DelegateFault::SignatureAlgorithm(error))
        | OcspError::SignatureAlgorithm(error) => signature_reason(error),
        OcspError::Signer(DelegateFault::TooLarge)
        | OcspError::TooManyCertificates(_)
        | OcspError::TooLarge(_) => LIMIT_EXCEEDED,
        OcspError::Responder | OcspError::Signer(_) => UNAUTHORIZED_SIGNER,
        OcspError::Signature => BAD_SIGNATURE,
        OcspError::CriticalExtension => CRITICAL_EXTENSION,
        OcspError::Nonce | OcspError::NonceMissing => "nonce",
    }
}

const fn signature_reason(error: SignatureError) -> &'static str {
    match error {
        SignatureError::Wrong => BAD_SIGNATURE,
        SignatureError::Algorithm(..) | SignatureError::Identifier => "weak-signature",
    }
}

const TIMEOUT: &str = "timeout";
const MALFORMED: &str = "malformed";
const OTHER_CERTIFICATE: &str = "other-certificate";
const UNAUTHORIZED_SIGNER: &str = "unauthorized-signer";
const BAD_SIGNATURE: &str = "bad-signature";
const CRITICAL_EXTENSION: &str = "critical-extension";
/// Larger than `revocation.max-crl`, more certificates than `revocation.max-response-certificates`, or
/// another limit.
const LIMIT_EXCEEDED: &str = "limit-exceeded";
const EVICTED: &str = "evicted";
/// Every value of the label `reason`. `docs/explanation/revocation.md` lists them.
const REASONS: [&str; 21] = [
    BAD_SIGNATURE,
    "busy",
    "circuit-breaker",
    CRITICAL_EXTENSION,
    "delegate-undetermined",
    EVICTED,
    "fault",
    "http-status",
    LIMIT_EXCEEDED,
    MALFORMED,
    "nonce",
    "not-allowed",
    "not-fresh",
    OTHER_CERTIFICATE,
    "other-crl",
    "responder-error",
    "rolled-back",
    TIMEOUT,
    UNAUTHORIZED_SIGNER,
    "unreachable",
    "weak-signature",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_documented() {
        let page = include_str!("../../docs/explanation/revocation.md");
        for reason in REASONS {
            assert!(page.contains(&format!("`{reason}`")), "{reason}");
        }
    }
}
