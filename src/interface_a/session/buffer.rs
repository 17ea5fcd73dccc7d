//! The bytes of a peer that are not decoded yet.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::{Bytes, BytesMut};

use crate::interface_a::frame_memory::SMALL_FRAME;

/// A buffer that grows with a frame, up to the largest frame, and is small again after it.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    pub(super) bytes: BytesMut,
    /// Whether it may still hold the memory of a large frame.
    holds_large_frame: bool,
}

impl Buffer {
    /// The size for the next read; larger than the current one if it has to grow. It grows by doubling, up
    /// to a frame of `max_frame` bytes.
    pub(super) fn wanted(&self, max_frame: usize) -> usize {
        let (needed, size) = (self.bytes.len() + READ_SIZE, self.bytes.capacity());
        if needed <= size {
            return size;
        }
        size.saturating_mul(2).min(max_frame.saturating_add(2 * READ_SIZE)).max(needed)
    }

    /// Makes space for the next read.
    pub(super) fn grow(&mut self, max_frame: usize) {
        let wanted = self.wanted(max_frame);
        // The space of messages that are gone is used again.
        if wanted > self.bytes.capacity() && !self.bytes.try_reclaim(READ_SIZE) {
            let mut grown = BytesMut::with_capacity(wanted);
            grown.extend_from_slice(&self.bytes);
            self.bytes = grown;
        }
    }

    /// A frame of this size was taken from the buffer.
    pub(super) const fn frame_taken(&mut self, bytes: usize) {
        self.holds_large_frame |= bytes > LARGE_FRAME;
    }

    /// Frees the memory of a large frame: the bytes after it are in the same allocation, and an idle session
    /// would hold it. Without bytes there is no memory.
    pub(super) fn shrink(&mut self) {
        if self.bytes.is_empty() {
            *self = Self::default();
        } else if self.holds_large_frame && self.bytes.len() <= LARGE_FRAME {
            self.bytes = BytesMut::from(&*self.bytes);
            self.holds_large_frame = false;
        }
    }
}

/// Bytes of the large frames of a session that are complete, for as long as anything refers to them: until
/// the last message in them is stored.
#[derive(Debug, Default)]
pub(super) struct HeldFrames(Arc<AtomicUsize>);

/// The payload of a large frame.
struct HeldFrame {
    payload: Bytes,
    held: Arc<AtomicUsize>,
}

impl HeldFrames {
    /// The payload of a frame, which counts while it exists if it is large.
    pub(super) fn hold(&self, payload: Bytes) -> Bytes {
        if payload.len() <= SMALL_FRAME {
            return payload;
        }
        self.0.fetch_add(payload.len(), Ordering::Relaxed);
        Bytes::from_owner(HeldFrame { payload, held: Arc::clone(&self.0) })
    }

    /// How many there are now.
    pub(super) fn bytes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl AsRef<[u8]> for HeldFrame {
    fn as_ref(&self) -> &[u8] {
        &self.payload
    }
}

impl Drop for HeldFrame {
    fn drop(&mut self) {
        self.held.fetch_sub(self.payload.len(), Ordering::Relaxed);
    }
}

/// Space for each read.
pub(in crate::interface_a) const READ_SIZE: usize = 8 * 1024;
/// A frame of more bytes has its memory freed at once.
pub(super) const LARGE_FRAME: usize = 16 * 1024;
