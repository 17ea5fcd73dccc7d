//! HMAC (RFC 2104) over a message of secret length.

use std::ops::RangeInclusive;
use std::slice;

use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use zeroize::Zeroizing;

use super::hash::{BlockHash, HASH_BLOCK_LEN};
use super::mask::below;

/// An HMAC key, as the chaining values after its inner and its outer block. Wiped when dropped.
pub(super) struct HmacKey<H: BlockHash> {
    inner: Zeroizing<H::State>,
    outer: Zeroizing<H::State>,
}

impl<H: BlockHash> HmacKey<H> {
    /// A key of at most one hash block. The MAC keys of TLS are as long as the hash value.
    pub(super) fn new(key: &[u8]) -> Self {
        debug_assert!(key.len() <= HASH_BLOCK_LEN, "longer keys would have to be hashed first");
        let after = |pad: u8| {
            let mut block = Zeroizing::new([pad; HASH_BLOCK_LEN]);
            for (byte, key) in block.iter_mut().zip(key) {
                *byte ^= key;
            }
            let mut state = Zeroizing::new(H::INITIAL);
            H::compress(&mut state, slice::from_ref(&*block));
            state
        };
        Self { inner: after(0x36), outer: after(0x5c) }
    }

    /// The HMAC of the first `len` bytes of `buffer`, in a time that depends on `bounds` alone.
    ///
    /// `len` is secret. `bounds`, within which it lies, is public, and its start is not beyond the end of
    /// `buffer`. The number of calls of the compression function depends on `bounds` only. From the first
    /// block that could contain the end of the message on, every block is assembled with masks.
    pub(super) fn mac(&self, buffer: &[u8], len: u16, bounds: RangeInclusive<u16>) -> H::Digest {
        let first_open = block_of(*bounds.start());
        let last_open = block_of(*bounds.end() + PADDING_MIN);
        let last = block_of(len + PADDING_MIN);
        let bit_count = 8 * (HASH_BLOCK_LEN as u64 + u64::from(len));

        let (settled, open) = buffer.split_at(usize::from(first_open) * HASH_BLOCK_LEN);
        let mut state = *self.inner;
        H::compress(&mut state, settled.as_chunks().0);

        let mut result = state;
        let mut chunks = open.chunks(HASH_BLOCK_LEN);
        for index in first_open..=last_open {
            let is_last = index.ct_eq(&last);
            let mut block = [0; HASH_BLOCK_LEN];
            for (byte, message) in block.iter_mut().zip(chunks.next().unwrap_or_default()) {
                *byte = *message;
            }
            pad_block(&mut block, index * HASH_BLOCK_LEN as u16, len, is_last, bit_count);
            H::compress(&mut state, slice::from_ref(&block));
            for (word, candidate) in result.as_mut().iter_mut().zip(state.as_ref()) {
                word.conditional_assign(candidate, is_last);
            }
        }
        self.outer_mac(&H::digest(&result))
    }

    fn outer_mac(&self, inner: &H::Digest) -> H::Digest {
        let mut block = [0; HASH_BLOCK_LEN];
        for (byte, inner) in block.iter_mut().zip(inner.as_ref().iter().chain(&[MARKER])) {
            *byte = *inner;
        }
        let bit_count = 8 * (HASH_BLOCK_LEN + H::DIGEST_LEN) as u64;
        for (byte, count) in block.iter_mut().rev().zip(bit_count.to_le_bytes()) {
            *byte = count;
        }
        let mut state = *self.outer;
        H::compress(&mut state, slice::from_ref(&block));
        H::digest(&state)
    }
}

/// Pads the block that begins at `first`, in a message of `len` bytes (FIPS 180-4 5.1.1): bytes after the
/// message become the marker and zeros, and the last block ends with the bit count.
fn pad_block(block: &mut [u8; HASH_BLOCK_LEN], first: u16, len: u16, is_last: Choice, bit_count: u64) {
    let message = below::<HASH_BLOCK_LEN>(first, len);
    let message_or_marker = below::<HASH_BLOCK_LEN>(first, len + 1);
    for ((byte, message), message_or_marker) in block.iter_mut().zip(message).zip(message_or_marker) {
        *byte = (*byte & message) | (MARKER & message_or_marker & !message);
    }
    let last = u8::conditional_select(&0, &0xff, is_last);
    for (byte, count) in block.iter_mut().rev().zip(bit_count.to_le_bytes()) {
        *byte |= count & last;
    }
}

/// The number of the hash block in which a position lies. A shift, because the position may be secret.
fn block_of(position: u16) -> u16 {
    position >> HASH_BLOCK_LEN.ilog2()
}

/// The byte after the message.
const MARKER: u8 = 0x80;

/// From the end of a message to the last byte of the shortest padding: marker and bit count.
const PADDING_MIN: u16 = 8;

#[cfg(test)]
mod tests {
    use aws_lc_rs::hmac;

    use super::super::hash::{BlockHash, Sha1, Sha256};
    use super::HmacKey;

    /// Every length over three blocks, with exact, narrow and wide bounds.
    fn agrees_with<H: BlockHash>(algorithm: hmac::Algorithm) {
        let buffer: Vec<u8> = (0..700u32).map(|n| (n * 7 + 3) as u8).collect();
        let key: Vec<u8> = (1..=H::DIGEST_LEN as u8).collect();
        let ours = HmacKey::<H>::new(&key);
        let theirs = hmac::Key::new(algorithm, &key);
        for len in 0..200u16 {
            let expected = hmac::sign(&theirs, &buffer[..usize::from(len)]);
            for bounds in [len..=len, len.saturating_sub(255)..=len, len..=len + 255, 0..=700] {
                let mac = ours.mac(&buffer, len, bounds.clone());
                assert_eq!(mac.as_ref(), expected.as_ref(), "{len} bytes in {bounds:?}");
            }
        }
    }

    #[test]
    fn every_length_and_window_sha1() {
        agrees_with::<Sha1>(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY);
    }

    #[test]
    fn every_length_and_window_sha256() {
        agrees_with::<Sha256>(hmac::HMAC_SHA256);
    }
}
