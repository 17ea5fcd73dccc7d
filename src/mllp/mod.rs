//! The Minimal Lower Layer Protocol: `0x0B` payload `0x1C 0x0D` (HL7 v2 Transport Specification, MLLP release 1).
//!
//! Liberal when reading, strict when writing. Every byte that comes in ends up in a [`Frame`], in a [`Broken`],
//! or is counted as stray: nothing vanishes. How the bytes were cut into reads never changes what comes out.

mod codec;
mod received;

pub use codec::{Codec, Interruption};
pub use received::{Broken, BrokenReason, Deviation, Deviations, Frame, FrameError, Received};

/// Start block: vertical tab.
pub(crate) const VT: u8 = 0x0B;
/// First byte of the end block: file separator.
pub(crate) const FS: u8 = 0x1C;
/// Second byte of the end block: carriage return.
pub(crate) const CR: u8 = 0x0D;
/// What some senders write behind, or in place of, the carriage return.
const LF: u8 = 0x0A;

#[cfg(test)]
mod tests;
