//! The path of a connection, step by step.

use crate::model::Refusal;

/// A stage of the path, in its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Connections reach the platform.
    Tcp,
    /// Both agree on a TLS version and a suite.
    Tls,
    /// The certificate leads to an installed root.
    Chain,
    /// The certificates are within their validity.
    Dates,
    /// None of them is revoked.
    Revocation,
    /// The directory admits the device.
    Directory,
    /// Its messages are accepted.
    Messages,
}

/// How a stage ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was passed.
    Passed,
    /// The path ends here.
    Failed,
    /// Nothing is known about it, or it was not reached.
    Unknown,
}

/// One stage, and what is known about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Which.
    pub stage: Stage,
    /// How it ended.
    pub outcome: Outcome,
    /// What is known, in a few words; possibly empty.
    pub what: String,
}

impl Stage {
    /// All stages, in order.
    pub const ALL: [Self; 7] =
        [Self::Tcp, Self::Tls, Self::Chain, Self::Dates, Self::Revocation, Self::Directory, Self::Messages];

    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Chain => "chain",
            Self::Dates => "dates",
            Self::Revocation => "revocation",
            Self::Directory => "directory",
            Self::Messages => "messages",
        }
    }

    /// The stage at which a peer is refused for this reason.
    #[must_use]
    pub const fn of(refusal: Refusal) -> Self {
        match refusal {
            Refusal::TooManyConnections
            | Refusal::ProxyNotAllowed
            | Refusal::ProxyHeaderMissing
            | Refusal::ProxyHeaderMalformed => Self::Tcp,
            Refusal::ProtocolVersion
            | Refusal::InappropriateFallback
            | Refusal::NothingInCommon
            | Refusal::ProtocolViolation
            | Refusal::PeerAlert
            | Refusal::HandshakeTimeout
            | Refusal::Disconnected => Self::Tls,
            Refusal::NoCertificate
            | Refusal::MalformedCertificate
            | Refusal::UnsupportedExtension
            | Refusal::NameConstraints
            | Refusal::CertificatePolicy
            | Refusal::OversizedChain
            | Refusal::UntrustedIssuer
            | Refusal::IncompleteChain
            | Refusal::BadSignature
            | Refusal::WrongPurpose
            | Refusal::UnacceptableKey
            | Refusal::UnacceptableSignature
            | Refusal::NoCommonName => Self::Chain,
            Refusal::Expired | Refusal::NotYetValid => Self::Dates,
            Refusal::Revoked | Refusal::RevocationUndetermined => Self::Revocation,
            Refusal::UnknownDevice
            | Refusal::SuspendedDevice
            | Refusal::DamagedEntry
            | Refusal::OtherIssuer => Self::Directory,
            Refusal::TooManySessions | Refusal::TooManyNewSessions => Self::Messages,
        }
    }
}

impl Outcome {
    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }

    /// A mark for people.
    #[must_use]
    pub const fn mark(self) -> &'static str {
        match self {
            Self::Passed => "✓",
            Self::Failed => "✗",
            Self::Unknown => "·",
        }
    }
}

/// The whole path: every stage before `failed` passed, `failed` with `cause`, nothing known of the others.
/// `None`: all passed.
pub(super) fn path(failed: Option<Stage>, cause: &str) -> Vec<Step> {
    let step = |stage: Stage| {
        let (outcome, what) = match failed {
            Some(failed) if stage == failed => (Outcome::Failed, cause.to_owned()),
            Some(failed) if stage > failed => (Outcome::Unknown, String::new()),
            _ => (Outcome::Passed, String::new()),
        };
        Step { stage, outcome, what }
    };
    Stage::ALL.map(step).into()
}
