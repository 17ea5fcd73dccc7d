//! Faults on demand.

use std::collections::BTreeMap;

/// What is wrong with a simulated device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fault {
    /// Its certificate is revoked.
    Revoked,
    /// Its certificate has expired.
    Expired,
    /// It is not in the directory.
    Unknown,
    /// Its messages name another device.
    WrongName,
    /// It sends bytes that are no frames.
    Garbage,
    /// It sends the half of a frame, and nothing more.
    HalfFrame,
    /// It reads acknowledgements late.
    SlowReader,
    /// It writes a message byte by byte, in a few seconds.
    SlowWriter,
    /// It connects again and again.
    Reconnects,
    /// It sends each message twice.
    Duplicate,
    /// It asks for no stapled status of the platform.
    NoStaple,
    /// Its clock is an hour fast.
    ClockOff,
    /// It sends one message, and then nothing.
    Silent,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Revoked,
        Self::Expired,
        Self::Unknown,
        Self::WrongName,
        Self::Garbage,
        Self::HalfFrame,
        Self::SlowReader,
        Self::SlowWriter,
        Self::Reconnects,
        Self::Duplicate,
        Self::NoStaple,
        Self::ClockOff,
        Self::Silent,
    ];

    /// The name on the command line and in summaries.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Revoked => "revoked",
            Self::Expired => "expired",
            Self::Unknown => "unknown",
            Self::WrongName => "wrong-name",
            Self::Garbage => "garbage",
            Self::HalfFrame => "half-frame",
            Self::SlowReader => "slow-reader",
            Self::SlowWriter => "slow-writer",
            Self::Reconnects => "reconnects",
            Self::Duplicate => "duplicate",
            Self::NoStaple => "no-staple",
            Self::ClockOff => "clock-off",
            Self::Silent => "silent",
        }
    }

    /// Whether the platform did what it has to do about the fault, at least once, and nothing else.
    pub(super) fn is_answered_by(self, platform: &BTreeMap<String, u64>) -> bool {
        let expected: &[&str] = match self {
            Self::Revoked => &["refused: revoked"],
            Self::Expired => &["refused: expired"],
            Self::Unknown => &[NOT_ADMITTED],
            Self::WrongName => &["rejected: identity-mismatch"],
            // A platform may wait for the end of a frame, or close.
            Self::Garbage | Self::HalfFrame => &[CLOSED, OPEN, "no acknowledgement", "connection cut"],
            Self::Duplicate => &[ACKNOWLEDGED, AGAIN],
            Self::Silent => &[ACKNOWLEDGED, OPEN, CLOSED],
            // A platform may refuse some. One that is not there shows nothing.
            Self::Reconnects => {
                let is_away = |outcome: &String| outcome.starts_with("no connection: ");
                return platform.contains_key(ACKNOWLEDGED) && !platform.keys().any(is_away);
            }
            Self::SlowReader | Self::SlowWriter | Self::NoStaple | Self::ClockOff => &[ACKNOWLEDGED],
        };
        !platform.is_empty() && platform.keys().all(|outcome| expected.contains(&outcome.as_str()))
    }
}

/// What the platform did: the directory does not let the device in.
pub(super) const NOT_ADMITTED: &str = "refused: not admitted";
/// What the platform did: a message was accepted.
pub(super) const ACKNOWLEDGED: &str = "acknowledged";
/// The second copy of a message was accepted as well.
pub(super) const AGAIN: &str = "acknowledged again";
/// The platform closed the session.
pub(super) const CLOSED: &str = "closed";
/// The session was open when the simulated device ended it.
pub(super) const OPEN: &str = "left open";
