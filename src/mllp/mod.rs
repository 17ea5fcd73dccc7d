//! The Minimal Lower Layer Protocol: `0x0B` payload `0x1C 0x0D` (HL7 v2 Transport Specification, MLLP release
//! 1).
//!
//! Reading is liberal, writing is strict. Every received byte ends up in a [`Frame`], in a [`Broken`], or is
//! counted as stray. The boundaries of reads never change the result.

mod block;
mod codec;
mod received;

pub(crate) use block::{CR, FS, VT};
pub use codec::{Codec, Interruption};
pub use received::{Broken, BrokenReason, Deviation, Deviations, Frame, FrameError, Received};

#[cfg(test)]
mod tests;
