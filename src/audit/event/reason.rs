//! Reasons and actors in the details of events.

use crate::model::Refusal;

/// Why the platform stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StopReason {
    /// A signal or a request.
    Requested,
    /// A part of the platform failed.
    Fault,
}

/// The trigger of a reload.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ReloadedBy {
    /// No reload: the start found it.
    Start,
    /// SIGHUP.
    Signal,
    /// `POST /reload` on the operator's side, by this person.
    Http(String),
}

/// The fault of a refused configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConfigurationFault {
    /// The file cannot be read.
    Unreadable,
    /// It is not TOML, or has unknown keys.
    Syntax,
    /// It has invalid values.
    Values,
    /// Roots, certificates or keys cannot be used.
    Identities,
    /// CRLs or other revocation settings cannot be used.
    Revocation,
    /// The certificates and keys for the audit record repository cannot be used.
    Repository,
    /// The password file of the store cannot be used.
    Store,
    /// A receiver of notifications cannot be used.
    Receivers,
}

/// What a node finds about the end of its audit chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChainFinding {
    /// The chain in the store ends before the row that the node remembers: rows are lost.
    StoreBehind,
    /// The row that the node remembers is another one in the store.
    ChainRewritten,
    /// The node remembers nothing, and the store has a chain of it.
    EndUnknown,
    /// The end of the chain cannot be stored outside of the database.
    EndNotStored,
    /// A row of another node's chain is not what was written, or is gone.
    OtherChainBroken,
}

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SessionEnd {
    /// The peer closed it gracefully.
    PeerClosed,
    /// The connection broke.
    ConnectionLost,
    /// The idle timeout expired.
    IdleTimeout,
    /// The frame timeout expired.
    FrameTimeout,
    /// A frame was larger than allowed.
    FrameTooLarge,
    /// Incomplete frames held too much memory, and the one of this session made way for others.
    FrameMemoryLimit,
    /// The peer does not speak MLLP.
    NotFramed,
    /// A message was unreadable, and the configuration closes the connection then.
    Unreadable,
    /// Too many consecutive messages claimed identities that the certificate may not speak for.
    Violations,
    /// The device lost its authorization.
    Withdrawn(Refusal),
    /// The platform gave up an order that was sent on it and not answered: what is on its way is discarded.
    OrderGivenUp,
    /// The platform shuts down.
    Shutdown,
    /// An internal fault.
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
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Signal => "signal",
            Self::Http(_) => "http",
        }
    }

    /// The person, where there is one.
    #[must_use]
    pub fn person(&self) -> Option<&str> {
        match self {
            Self::Start | Self::Signal => None,
            Self::Http(person) => Some(person),
        }
    }
}

impl ChainFinding {
    /// All of them, for metrics that start at zero.
    pub const ALL: [Self; 5] = [
        Self::StoreBehind,
        Self::ChainRewritten,
        Self::EndUnknown,
        Self::EndNotStored,
        Self::OtherChainBroken,
    ];

    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::StoreBehind => "store-behind",
            Self::ChainRewritten => "chain-rewritten",
            Self::EndUnknown => "end-unknown",
            Self::EndNotStored => "end-not-stored",
            Self::OtherChainBroken => "other-chain-broken",
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
            Self::Receivers => "receivers",
            Self::Store => "store",
        }
    }
}

impl SessionEnd {
    /// Every end but [`SessionEnd::Withdrawn`], whose codes are those of [`Refusal::ALL`]; for metrics that
    /// start at zero.
    pub const ALL: [Self; 12] = [
        Self::PeerClosed,
        Self::ConnectionLost,
        Self::IdleTimeout,
        Self::FrameTimeout,
        Self::FrameTooLarge,
        Self::FrameMemoryLimit,
        Self::NotFramed,
        Self::Unreadable,
        Self::Violations,
        Self::OrderGivenUp,
        Self::Shutdown,
        Self::Fault,
    ];

    /// The stable code of the reason; for a lost authorization the code of the refusal.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::PeerClosed => "peer-closed",
            Self::ConnectionLost => "connection-lost",
            Self::IdleTimeout => "idle-timeout",
            Self::FrameTimeout => "frame-timeout",
            Self::FrameTooLarge => "frame-too-large",
            Self::FrameMemoryLimit => "frame-memory-limit",
            Self::NotFramed => "not-framed",
            Self::Unreadable => "unreadable-message",
            Self::Violations => "violations",
            Self::Withdrawn(refusal) => refusal.code(),
            Self::OrderGivenUp => "order-given-up",
            Self::Shutdown => "shutdown",
            Self::Fault => "fault",
        }
    }
}

/// A look at content that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedLook {
    /// The path that was asked for, with the names of its parameters, or `command`.
    pub what: String,
    /// The actor.
    pub actor: String,
}

/// The end of a person's session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logout {
    /// `requested`, `idle`, `limit`, or `displaced` by another session.
    pub why: String,
    /// The actor.
    pub actor: String,
}
