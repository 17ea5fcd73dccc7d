//! The bytes of a message as they are stored. Large messages are compressed, and decompressed when they are
//! read.

use std::cell::RefCell;

use bytes::Bytes;
use zstd::bulk::{Compressor, Decompressor};

use crate::store::error::StoreError;

/// The stored bytes of a message.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) bytes: Bytes,
    /// `None`: `bytes` are the received bytes. Otherwise `bytes` are a zstd frame (RFC 8878) of this
    /// uncompressed size.
    pub(super) size: Option<u32>,
}

impl Content {
    /// Compresses a large message, if that saves space.
    pub(super) fn compress(raw: &Bytes) -> Self {
        let uncompressed = || Self { bytes: raw.clone(), size: None };
        let Some(size) = u32::try_from(raw.len()).ok().filter(|_| raw.len() >= MIN_COMPRESSED_BYTES) else {
            return uncompressed();
        };
        // If compression fails, the message is stored uncompressed.
        let compressed = COMPRESSOR.with_borrow_mut(|compressor| compressor.as_mut()?.compress(raw).ok());
        match compressed {
            Some(mut compressed) if compressed.len() < raw.len() => {
                // The buffer has capacity for the worst case, and may wait in the queue.
                compressed.shrink_to_fit();
                Self { bytes: compressed.into(), size: Some(size) }
            }
            _ => uncompressed(),
        }
    }

    /// The received bytes, from the stored columns. The columns are not trusted.
    pub(super) fn decompress(bytes: Vec<u8>, size: Option<i64>) -> Result<Bytes, StoreError> {
        let Some(size) = size else { return Ok(bytes.into()) };
        let damaged = StoreError::unreadable("message.raw");
        let size =
            usize::try_from(size).ok().filter(|size| *size <= MAX_MESSAGE_BYTES).ok_or(damaged.clone())?;
        // The decompressor writes at most `size` bytes, whatever size the frame declares.
        let raw = Decompressor::new().and_then(|mut frame| frame.decompress(&bytes, size));
        match raw {
            Ok(raw) if raw.len() == size => Ok(raw.into()),
            _ => Err(damaged),
        }
    }
}

/// Lengths only: the bytes contain patient data.
impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Content").field("stored", &self.bytes.len()).field("size", &self.size).finish()
    }
}

thread_local! {
    /// One per thread, because its tables are larger than most messages.
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = RefCell::new(Compressor::new(LEVEL).ok());
}

/// Smaller messages are stored uncompressed: they fit the page that they are written to anyway.
const MIN_COMPRESSED_BYTES: usize = 4 * 1024;

/// Higher levels save little on HL7 and are slower.
const LEVEL: i32 = 1;

/// The largest `interface-a.max-frame` that can be configured.
const MAX_MESSAGE_BYTES: usize = 256 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(raw: Vec<u8>) -> Content {
        let raw = Bytes::from(raw);
        let stored = Content::compress(&raw);
        let read = Content::decompress(stored.bytes.to_vec(), stored.size.map(i64::from)).unwrap();
        assert!(read == raw, "the read bytes equal the received bytes");
        stored
    }

    #[test]
    fn large_messages_are_compressed_and_read_unchanged() {
        assert_eq!(round_trip(Vec::new()).size, None);
        assert_eq!(round_trip(vec![b'x'; MIN_COMPRESSED_BYTES - 1]).size, None);
        let waveform = round_trip("OBX|1|NA|||1^2^3^4\r".repeat(5_000).into());
        assert_eq!(waveform.size, Some(95_000));
        assert!(waveform.bytes.len() < 1_000, "{waveform:?}");
    }

    #[test]
    fn incompressible_messages_are_stored_uncompressed() {
        let mut state = 1_u64;
        let noise = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        });
        assert_eq!(round_trip(noise.take(20_000).collect()).size, None);
    }

    #[test]
    fn a_wrong_size_is_damage_and_limits_the_memory_used() {
        let bomb = Content::compress(&Bytes::from(vec![0; 64 << 20]));
        assert!(bomb.bytes.len() < 16 << 10);
        for size in [0, 1, (64 << 20) - 1, (64 << 20) + 1, -1, i64::MAX, MAX_MESSAGE_BYTES as i64 + 1] {
            let read = Content::decompress(bomb.bytes.to_vec(), Some(size));
            assert!(matches!(read, Err(StoreError::Corrupt { .. })), "{size}");
        }
        assert!(Content::decompress(b"no frame".to_vec(), Some(8)).is_err());
    }
}
