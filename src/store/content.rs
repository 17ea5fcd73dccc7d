//! The bytes of a message as they are kept: large ones compressed, which reading undoes.

use std::cell::RefCell;

use bytes::Bytes;
use zstd::bulk::{Compressor, Decompressor};

use crate::store::error::StoreError;

/// What is kept of what was received.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) bytes: Bytes,
    /// None: they are what was received. Otherwise a zstd frame (RFC 8878) of so many bytes.
    pub(super) size: Option<u32>,
}

impl Content {
    /// Compresses what is large, if that saves space.
    pub(super) fn of(raw: &Bytes) -> Self {
        let as_it_is = || Self { bytes: raw.clone(), size: None };
        let Some(size) = u32::try_from(raw.len()).ok().filter(|_| raw.len() >= MIN_COMPRESSED_BYTES) else {
            return as_it_is();
        };
        // Without compression a message is kept all the same.
        let compressed = COMPRESSOR.with_borrow_mut(|compressor| compressor.as_mut()?.compress(raw).ok());
        match compressed {
            Some(mut compressed) if compressed.len() < raw.len() => {
                // It was made with room for the worst case, and may wait for a while.
                compressed.shrink_to_fit();
                Self { bytes: compressed.into(), size: Some(size) }
            }
            _ => as_it_is(),
        }
    }

    /// What was received; `bytes` and `size` as they were kept, believed in nothing.
    pub(super) fn read(bytes: Vec<u8>, size: Option<i64>) -> Result<Bytes, StoreError> {
        let Some(size) = size else { return Ok(bytes.into()) };
        let damaged = StoreError::unreadable("message.raw");
        let size =
            usize::try_from(size).ok().filter(|size| *size <= MAX_MESSAGE_BYTES).ok_or(damaged.clone())?;
        // No more than that is written, whatever the frame says of itself.
        let raw = Decompressor::new().and_then(|mut frame| frame.decompress(&bytes, size));
        match raw {
            Ok(raw) if raw.len() == size => Ok(raw.into()),
            _ => Err(damaged),
        }
    }
}

/// Identifiers and lengths only: the bytes are about patients.
impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Content").field("kept", &self.bytes.len()).field("size", &self.size).finish()
    }
}

thread_local! {
    /// Its tables are larger than most messages; made once for each thread.
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = RefCell::new(Compressor::new(LEVEL).ok());
}

/// Bytes from which compression is tried: what is smaller fits the page that it is written to anyway.
const MIN_COMPRESSED_BYTES: usize = 4 * 1024;

/// Higher levels save little more of HL7, and take their time.
const LEVEL: i32 = 1;

/// The largest `interface-a.max-frame` that can be configured.
const MAX_MESSAGE_BYTES: usize = 256 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(raw: Vec<u8>) -> Content {
        let raw = Bytes::from(raw);
        let kept = Content::of(&raw);
        let read = Content::read(kept.bytes.to_vec(), kept.size.map(i64::from)).unwrap();
        assert!(read == raw, "what is read is what was received");
        kept
    }

    #[test]
    fn what_is_large_is_kept_compressed_and_reads_as_it_came() {
        assert_eq!(kept(Vec::new()).size, None);
        assert_eq!(kept(vec![b'x'; MIN_COMPRESSED_BYTES - 1]).size, None);
        let waveform = kept("OBX|1|NA|||1^2^3^4\r".repeat(5_000).into());
        assert_eq!(waveform.size, Some(95_000));
        assert!(waveform.bytes.len() < 1_000, "{waveform:?}");
    }

    #[test]
    fn what_cannot_be_compressed_is_kept_as_it_is() {
        let mut state = 1_u64;
        let noise = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        });
        assert_eq!(kept(noise.take(20_000).collect()).size, None);
    }

    #[test]
    fn what_does_not_fit_its_size_is_damage_and_takes_no_more_memory_than_that() {
        let bomb = Content::of(&Bytes::from(vec![0; 64 << 20]));
        assert!(bomb.bytes.len() < 16 << 10);
        for size in [0, 1, (64 << 20) - 1, (64 << 20) + 1, -1, i64::MAX, MAX_MESSAGE_BYTES as i64 + 1] {
            let read = Content::read(bomb.bytes.to_vec(), Some(size));
            assert!(matches!(read, Err(StoreError::Corrupt { .. })), "{size}");
        }
        assert!(Content::read(b"no frame".to_vec(), Some(8)).is_err());
    }
}
