//! What was found out about a certificate, and from whom.

use std::fmt;

use jiff::Timestamp;

use super::FailedAttempt;
use crate::x509::Serial;

/// The answer about one certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Somebody who must know says that it has not been revoked.
    Good,
    /// It has been revoked (A9.4).
    Revoked {
        /// When.
        when: Timestamp,
        /// UndeterminedReason: CRLReason, RFC 5280 5.3.1.
        reason: Option<u8>,
    },
    /// Nothing fresh tells.
    Undetermined(UndeterminedReason),
}

/// UndeterminedReason nothing fresh tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UndeterminedReason {
    /// Nobody could be asked, or nobody gave an answer that counts.
    NothingFresh,
    /// The responder does not know the certificate, and no fresh CRL covers it.
    Unknown,
    /// The answers did not come in the time that a handshake has.
    Deadline,
    /// Too many handshakes wait for answers already.
    Busy,
}

/// What a responder or a CRL says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertStatus {
    /// Not revoked.
    Good,
    /// Revoked.
    Revoked {
        /// When.
        when: Timestamp,
        /// CRLReason.
        reason: Option<u8>,
    },
    /// Not known to the responder.
    Unknown,
}

/// What one accepted OCSP response, or the CRLs of an issuer, say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// What.
    pub status: CertStatus,
    /// Whether it counts at this moment; what is not fresh can still revoke.
    pub fresh: bool,
    /// By whom and when.
    pub evidence: Evidence,
}

/// By whom, and from when until when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// Where it came from.
    pub source: Source,
    /// When it was known to be so.
    pub this_update: Timestamp,
    /// Until when it counts.
    pub next_update: Option<Timestamp>,
    /// Where it was fetched; a file name for what was installed.
    pub url: Option<String>,
    /// Who signed.
    pub responder: String,
}

/// Where an answer came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// An OCSP response that was kept.
    OcspCache,
    /// An OCSP responder, just now.
    OcspResponder,
    /// A CRL that was kept or installed.
    CrlLocal,
    /// A CRL that was fetched just now.
    CrlFetched,
}

/// Everything about the question for one certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Its serial number.
    pub serial: Serial,
    /// Who issued it.
    pub issuer: String,
    /// The answer.
    pub verdict: Verdict,
    /// What led to it; none when nothing was found.
    pub evidence: Option<Evidence>,
    /// What was tried in vain.
    pub tried: Vec<FailedAttempt>,
}

impl Verdict {
    /// The stable code: the label in metrics, the word in audit rows.
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
    /// Every variant, for metrics that start at zero.
    const ALL: [Self; 4] = [Self::OcspCache, Self::OcspResponder, Self::CrlLocal, Self::CrlFetched];

    /// The stable code: the label in metrics, the word in audit rows.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::OcspCache => "ocsp-cache",
            Self::OcspResponder => "ocsp",
            Self::CrlLocal => "crl-cache",
            Self::CrlFetched => "crl",
        }
    }
}

/// The labels `source` and `verdict` of every outcome of a check.
pub(super) fn outcomes() -> impl Iterator<Item = [&'static str; 2]> {
    let found = Source::ALL.iter().flat_map(|source| {
        ["good", "revoked", "undetermined"].into_iter().map(|verdict| [source.code(), verdict])
    });
    found.chain([["none", "undetermined"]])
}

impl fmt::Display for UndeterminedReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NothingFresh => "no fresh OCSP response and no fresh CRL that covers it",
            Self::Unknown => "the OCSP responder does not know it, and no fresh CRL covers it",
            Self::Deadline => "no answer in time",
            Self::Busy => "too many handshakes wait for answers",
        })
    }
}
