//! The result of a check: the verdict on a certificate, with its evidence.

use std::fmt;

use jiff::Timestamp;

use super::FailedAttempt;
use crate::x509::Serial;

/// The decision on one certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Not revoked, by a fresh OCSP response or CRL.
    Good,
    /// Revoked (A9.4).
    Revoked {
        /// The time of revocation.
        when: Timestamp,
        /// CRLReason, RFC 5280 5.3.1.
        reason: Option<u8>,
    },
    /// No fresh source gives the status.
    Undetermined(UndeterminedReason),
}

/// Why no fresh source gives the status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UndeterminedReason {
    /// No responder or CRL could be reached, or none was usable.
    NothingFresh,
    /// The responder does not know the certificate, and no fresh CRL covers it.
    Unknown,
    /// No response within the deadline of a handshake.
    Deadline,
    /// The limit of waiting handshakes is reached.
    Busy,
}

/// The status that an OCSP response or a CRL states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertStatus {
    /// Not revoked.
    Good,
    /// Revoked.
    Revoked {
        /// The time of revocation.
        when: Timestamp,
        /// CRLReason, RFC 5280 5.3.1.
        reason: Option<u8>,
    },
    /// The responder does not know the certificate.
    Unknown,
}

/// The status by one accepted OCSP response, or by the CRLs of an issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The status.
    pub status: CertStatus,
    /// Whether the source is fresh now. A stale source can still revoke.
    pub fresh: bool,
    /// The source.
    pub evidence: Evidence,
}

/// The source of a status: who signed it, and its validity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// The kind of source.
    pub source: Source,
    /// thisUpdate.
    pub this_update: Timestamp,
    /// nextUpdate.
    pub next_update: Option<Timestamp>,
    /// The URL it was fetched from, or the file name of an installed CRL.
    pub url: Option<String>,
    /// The name of the signer.
    pub responder: String,
}

/// The kind of source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// A cached OCSP response.
    OcspCache,
    /// An OCSP responder, queried for this check.
    OcspResponder,
    /// A stored or installed CRL.
    CrlLocal,
    /// A CRL fetched for this check.
    CrlFetched,
    /// An operator of this platform, who has revoked it.
    Operator,
}

/// The result of a check of one certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Its serial number.
    pub serial: Serial,
    /// The name of its issuer.
    pub issuer: String,
    /// The decision.
    pub verdict: Verdict,
    /// The source that decided; none for an undetermined status.
    pub evidence: Option<Evidence>,
    /// The attempts that failed.
    pub failed_attempts: Vec<FailedAttempt>,
}

impl Verdict {
    /// The stable code: the label in metrics and the value in audit rows.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Revoked { .. } => "revoked",
            Self::Undetermined(_) => "undetermined",
        }
    }
}

impl Source {
    /// What CAs publish, for metrics that start at zero.
    const PUBLISHED: [Self; 4] = [Self::OcspCache, Self::OcspResponder, Self::CrlLocal, Self::CrlFetched];

    /// The stable code: the label in metrics and the value in audit rows.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::OcspCache => "ocsp-cache",
            Self::OcspResponder => "ocsp",
            Self::CrlLocal => "crl-cache",
            Self::CrlFetched => "crl",
            Self::Operator => "operator",
        }
    }
}

/// The labels `source` and `verdict` of every outcome of a check.
pub(super) fn outcomes() -> impl Iterator<Item = [&'static str; 2]> {
    let found = Source::PUBLISHED.iter().flat_map(|source| {
        ["good", "revoked", "undetermined"].into_iter().map(|verdict| [source.code(), verdict])
    });
    found.chain([[Source::Operator.code(), "revoked"], ["none", "undetermined"]])
}

impl fmt::Display for UndeterminedReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NothingFresh => "no fresh OCSP response, and no fresh CRL covers it",
            Self::Unknown => "the OCSP responder does not know it, and no fresh CRL covers it",
            Self::Deadline => "no response within the deadline",
            Self::Busy => "too many handshakes are waiting for a status",
        })
    }
}
