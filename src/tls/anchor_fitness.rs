//! Whether an installed certificate can be the root of clients' certificates (RFC 5280 4.2.1.3, 4.2.1.9).

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

use super::key_policy::accepts_key;
use crate::x509::{CertificateFacts, KeyKind};

/// An installed certificate that is not, or not now, a trust anchor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnfitAnchor {
    /// Its subject.
    pub subject: String,
    /// Why.
    pub reason: UnfitReason,
}

/// Why a certificate is not a trust anchor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnfitReason {
    /// basicConstraints does not make it a CA. The holder of its key could certify other devices.
    NotCa,
    /// Its key usage excludes keyCertSign.
    NoKeyCertSign,
    /// Its key is of a kind or size that is not accepted.
    Key(KeyKind),
    /// It expired at this time.
    Expired(Timestamp),
    /// It is not valid before this time. It is used from then on.
    NotYetValid(Timestamp),
}

impl UnfitReason {
    /// The reason that excludes this certificate, if any.
    pub(super) fn find(facts: &CertificateFacts, now: Timestamp, clock_skew: Duration) -> Option<Self> {
        if !facts.is_ca {
            return Some(Self::NotCa);
        }
        if facts.key_usage.is_some_and(|usage| !usage.key_cert_sign) {
            return Some(Self::NoKeyCertSign);
        }
        if !accepts_key(facts.key, ROOT_RSA_BITS) {
            return Some(Self::Key(facts.key));
        }
        Self::find_in_dates(facts, now, clock_skew)
    }

    /// The reason in its validity, if any. Dates are tolerated by `clock_skew`.
    pub(super) fn find_in_dates(
        facts: &CertificateFacts,
        now: Timestamp,
        clock_skew: Duration,
    ) -> Option<Self> {
        let skew = i64::try_from(clock_skew.as_secs()).unwrap_or(i64::MAX);
        let now = now.as_second();
        if now.saturating_sub(skew) > facts.not_after.as_second() {
            Some(Self::Expired(facts.not_after))
        } else if now.saturating_add(skew) < facts.not_before.as_second() {
            Some(Self::NotYetValid(facts.not_before))
        } else {
            None
        }
    }
}

impl fmt::Display for UnfitAnchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\" {}", self.subject, self.reason)
    }
}

impl fmt::Display for UnfitReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotCa => f.write_str("is not a CA certificate (basicConstraints)"),
            Self::NoKeyCertSign => f.write_str("has a key usage without keyCertSign"),
            Self::Key(key) => write!(f, "has a key of kind {key}, which is too weak or not supported"),
            Self::Expired(at) => write!(f, "expired at {at}"),
            Self::NotYetValid(at) => write!(f, "is not valid before {at}"),
        }
    }
}

/// Sizes of the RSA key of a root. NIST SP 800-131A disallows less than 2048 bits.
const ROOT_RSA_BITS: (usize, usize) = (2048, 8192);
