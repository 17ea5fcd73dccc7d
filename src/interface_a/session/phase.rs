//! How a session comes to its end.

use std::time::Duration;

use crate::audit::SessionEnd;
use crate::config::Config;
use crate::mllp::BrokenReason;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Open,
    /// No byte is read; messages that are being stored are still acknowledged.
    Draining(SessionEnd),
    Ended,
}

/// Why a session ends with such a frame.
pub(super) const fn end_after(reason: BrokenReason) -> SessionEnd {
    match reason {
        BrokenReason::TooLarge => SessionEnd::FrameTooLarge,
        BrokenReason::TimedOut => SessionEnd::FrameTimeout,
        BrokenReason::MemoryLimit => SessionEnd::FrameMemoryLimit,
        BrokenReason::EndOfStream => SessionEnd::PeerClosed,
        BrokenReason::NoStartBlock
        | BrokenReason::Truncated
        | BrokenReason::Utf16
        | BrokenReason::BetweenFrames => SessionEnd::NotFramed,
    }
}

/// Whether the platform reads no further in such a frame, of which more may come.
pub(super) const fn is_cut_short(reason: BrokenReason) -> bool {
    matches!(reason, BrokenReason::TooLarge | BrokenReason::TimedOut | BrokenReason::MemoryLimit)
}

/// How long a shutdown waits for the answer to an order that was sent.
pub(super) fn answer_timeout(config: &Config) -> Duration {
    config.interface_a.drain_timeout.mul_f64(ANSWER_SHARE)
}

/// The part of the drain timeout for which an answer to an order is awaited; the rest is for the store.
const ANSWER_SHARE: f64 = 0.75;
