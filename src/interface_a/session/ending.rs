//! Bytes that are no message: frames that have begun when their session ends, and what is between frames.

use bytes::Bytes;

use super::Session;
use super::buffer::Buffer;
use super::effect::{Effect, Now};
use super::phase::Phase;
use super::timing::REFUSED_BYTES_KEPT;
use crate::audit::SessionEnd;
use crate::mllp::{Broken, BrokenReason, Interruption, Received};

impl Session {
    /// The connection broke. A frame that has begun is stored as rejected, as when the peer closes.
    pub(in crate::interface_a) fn connection_lost(&mut self, reason: SessionEnd, now: Now) {
        if self.phase == Phase::Open {
            if let Some(broken) = self.codec.abandon(&mut self.buffer.bytes, Interruption::EndOfStream) {
                self.keep(&broken, now);
            }
            self.keep_stray_run(now);
        }
        self.drain(reason);
    }

    /// Refuses the frame that has begun, because incomplete frames hold too much memory. Its beginning is
    /// stored; the sender is asked to send it again.
    pub(in crate::interface_a) fn refuse_frame(&mut self, now: Now) {
        // It may be complete meanwhile.
        if !self.codec.in_frame() {
            return;
        }
        if let Some(Broken { bytes, reason }) =
            self.codec.abandon(&mut self.buffer.bytes, Interruption::MemoryLimit)
        {
            let kept = bytes.get(..bytes.len().min(REFUSED_BYTES_KEPT)).unwrap_or_default();
            let bytes = Bytes::copy_from_slice(kept);
            self.buffer = Buffer::default();
            self.take(Received::Broken(Broken { bytes, reason }), now);
            self.drain(SessionEnd::FrameMemoryLimit);
        }
    }

    /// Stores what came between two frames. It is no message, and has no answer.
    pub(super) fn keep_stray_run(&mut self, now: Now) {
        if let Some(bytes) = self.codec.take_stray_run() {
            self.keep(&Broken { bytes, reason: BrokenReason::BetweenFrames }, now);
        }
    }

    fn keep(&mut self, broken: &Broken, now: Now) {
        self.effects.push_back(Effect::Deviated(broken.reason.code()));
        let decision = self.inbound.evaluate_broken(broken, &self.settings, now.wall);
        self.apply(decision, now);
    }
}
