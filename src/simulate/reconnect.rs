//! How devices connect again.

use std::time::Duration;

use crate::interface_b::Backoff;

/// How a device connects again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reconnect {
    /// With exponential backoff and full jitter (B17), at most this long.
    Backoff(Duration),
    /// At once, again and again: what badly written devices do.
    AtOnce,
}

impl Reconnect {
    pub(super) fn backoff(self) -> Backoff {
        match self {
            Self::Backoff(cap) => Backoff::new(Duration::from_secs(1).min(cap), cap, Duration::from_mins(1)),
            Self::AtOnce => Backoff::new(AT_ONCE, AT_ONCE, Duration::ZERO),
        }
    }
}

/// The pause of a device that connects again at once: while nothing listens it must not spin.
const AT_ONCE: Duration = Duration::from_millis(100);
