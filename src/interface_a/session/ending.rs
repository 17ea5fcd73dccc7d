//! How a session ends, and the bytes that are no message: frames that have begun then, and what is between
//! frames.

use std::time::Duration;

use bytes::Bytes;

use super::Session;
use super::buffer::Buffer;
use super::effect::{Effect, Now};
use super::phase::{Phase, answer_timeout};
use super::timing::REFUSED_BYTES_KEPT;
use crate::audit::SessionEnd;
use crate::mllp::{Broken, BrokenReason, Interruption, Received, VT};
use crate::model::Refusal;

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

    /// The peer has lost its right to be connected: nothing more is read from it.
    pub(in crate::interface_a) fn withdraw(&mut self, refusal: Refusal) {
        self.drain(SessionEnd::Withdrawn(refusal));
    }

    /// The platform shuts down. A session on which an order was sent goes on until the device has answered,
    /// for most of the drain timeout: the order would be sent again after the restart.
    pub(in crate::interface_a) fn shut_down(&mut self, now: Now) {
        let since = *self.shutdown_since.get_or_insert(now.instant);
        let is_over = now.instant >= since + answer_timeout(self.config());
        if is_over || !self.pending_replies.expects_on(self.id) {
            self.drain(SessionEnd::Shutdown);
        }
    }

    /// How long the peer's kernel may leave bytes without acknowledgement.
    pub(in crate::interface_a) fn dead_peer_timeout(&self) -> Duration {
        self.config().interface_a.dead_peer_timeout
    }

    /// Whether an order that was sent on the session waits for its first answer.
    pub(in crate::interface_a) fn awaits_order(&self) -> bool {
        self.pending_replies.expects_on(self.id)
    }

    /// Whether [`Session::shut_down`] was called, and is to be called again.
    pub(in crate::interface_a) fn is_shutting_down(&self) -> bool {
        self.shutdown_since.is_some() && self.phase == Phase::Open
    }

    /// Finishes what is in flight, then ends.
    pub(in crate::interface_a) fn drain(&mut self, reason: SessionEnd) {
        if self.phase == Phase::Open {
            self.phase = Phase::Draining(reason);
            self.slowed_until = None;
            // A message that is not being stored is not acknowledged: its sender keeps it. A peer that only
            // closed its side has sent whole messages, and all of them are stored.
            if reason != SessionEnd::PeerClosed {
                let has_begun = self.codec.in_frame() || self.buffer.bytes.contains(&VT);
                self.is_incomplete |= has_begun || !self.backlog.is_empty();
                self.abandon_relayed();
                self.backlog.clear();
            }
        }
        self.send_answers();
    }

    /// Whether everything that was read is durable, or was refused by an answer: what close_notify says.
    pub(in crate::interface_a) const fn has_taken_all(&self) -> bool {
        !self.is_incomplete
    }

    pub(super) fn end_after_violations(&mut self) {
        if self.violations >= self.config().devices.max_violations {
            self.drain(SessionEnd::Violations);
        }
    }

    /// Once per connection, at its end. Many devices send line breaks between frames; those are counted with
    /// each frame and are not worth an audit row.
    pub(super) fn audit_stray_bytes(&mut self) {
        if self.codec.stray_kept().iter().any(|byte| !matches!(byte, b'\r' | b'\n')) {
            self.effects.push_back(Effect::Audit(self.inbound.stray_bytes(self.codec.stray_bytes())));
        }
    }

    fn keep(&mut self, broken: &Broken, now: Now) {
        self.effects.push_back(Effect::Deviated(broken.reason.code()));
        let decision = self.inbound.evaluate_broken(broken, &self.settings, now.wall);
        self.apply(decision, now);
    }
}
