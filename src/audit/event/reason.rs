//! Why things ended, and who asked.

use crate::model::Refusal;

/// Why the platform stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StopReason {
    /// It was asked to.
    Requested,
    /// A part of it failed.
    Fault,
}

/// Who asked for the configuration to be read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReloadedBy {
    /// SIGHUP.
    Signal,
    /// `POST /reload` on the admin listener.
    Http,
}

/// What is wrong with a configuration that was not taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConfigurationFault {
    /// The file cannot be read.
    Unreadable,
    /// It is no TOML, or has keys that do not exist.
    Syntax,
    /// It has values that cannot work.
    Values,
    /// Roots, certificates or keys cannot be used.
    Identities,
    /// CRLs and what else is known about revocation cannot be used.
    Revocation,
    /// The audit record repository cannot be reached with the certificates and keys that are named.
    Repository,
}

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SessionEnd {
    /// The peer closed it in good order.
    PeerClosed,
    /// The connection broke.
    ConnectionLost,
    /// Nothing came for too long.
    IdleTimeout,
    /// A frame was begun and not finished in time.
    FrameTimeout,
    /// A frame was larger than allowed.
    FrameTooLarge,
    /// What came was not MLLP.
    NotFramed,
    /// A message could not be read, and the operator wants the connection closed then.
    Unreadable,
    /// Too many messages in a row claimed identities that the certificate does not speak for.
    Violations,
    /// The right to be connected went away while connected.
    Withdrawn(Refusal),
    /// The platform stops.
    Shutdown,
    /// A fault of ours.
    Fault,
}

impl StopReason {
    /// The stable code of the reason.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Fault => "fault",
        }
    }
}

impl ReloadedBy {
    /// The stable word.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Signal => "signal",
            Self::Http => "http",
        }
    }
}

impl ConfigurationFault {
    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::Syntax => "syntax",
            Self::Values => "values",
            Self::Identities => "identities",
            Self::Revocation => "revocation",
            Self::Repository => "repository",
        }
    }
}

impl SessionEnd {
    /// Every end but [`SessionEnd::Withdrawn`], whose codes are those of [`Refusal::ALL`]; for metrics that start at zero.
    pub const ALL: [Self; 10] = [
        Self::PeerClosed,
        Self::ConnectionLost,
        Self::IdleTimeout,
        Self::FrameTimeout,
        Self::FrameTooLarge,
        Self::NotFramed,
        Self::Unreadable,
        Self::Violations,
        Self::Shutdown,
        Self::Fault,
    ];

    /// The stable code of the reason; a withdrawn right goes by the code of the refusal.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::PeerClosed => "peer-closed",
            Self::ConnectionLost => "connection-lost",
            Self::IdleTimeout => "idle-timeout",
            Self::FrameTimeout => "frame-timeout",
            Self::FrameTooLarge => "frame-too-large",
            Self::NotFramed => "not-framed",
            Self::Unreadable => "unreadable-message",
            Self::Violations => "violations",
            Self::Withdrawn(refusal) => refusal.code(),
            Self::Shutdown => "shutdown",
            Self::Fault => "fault",
        }
    }
}
