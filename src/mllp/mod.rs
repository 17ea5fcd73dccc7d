//! The Minimal Lower Layer Protocol: `0x0B` payload `0x1C 0x0D` (HL7 v2 Transport Specification, MLLP release 1).
//!
//! Liberal when reading, strict when writing. Every byte that comes in ends up in a [`Frame`], in a [`Broken`],
//! or is counted as stray: nothing vanishes. How the bytes were cut into reads never changes what comes out.

mod block;
mod codec;
mod received;

pub(crate) use block::{CR, FS, VT};
pub use codec::{Codec, Interruption};
pub use received::{Broken, BrokenReason, Deviation, Deviations, Frame, FrameError, Received};

#[cfg(test)]
mod tests;
