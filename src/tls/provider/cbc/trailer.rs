//! MAC and padding after the plaintext of a decrypted record (RFC 5246 6.2.3.2).

use std::ops::RangeInclusive;

use subtle::{Choice, ConditionallySelectable, ConstantTimeEq, ConstantTimeGreater};

use super::hash::BlockHash;
use super::mask::below;

/// The position of plaintext, MAC and padding in a decrypted record that is not authenticated yet.
///
/// All fields but `room` are secret.
pub(super) struct Trailer {
    /// The longest plaintext of a record of this length: without padding besides its length byte.
    room: u16,
    /// Length of the plaintext. It is `room` if the padding cannot fit.
    plaintext_len: u16,
    /// The last byte of the record: the number of padding bytes before it, and the value of each of them.
    padding: u8,
    /// Whether the padding can fit into a record of this length.
    fits: Choice,
}

impl Trailer {
    /// Reads the padding length of a decrypted record with a MAC of `mac_len` bytes. `None` if the record is
    /// too short for MAC and padding length, or longer than any record: both are public.
    pub(super) fn locate(body: &[u8], mac_len: usize) -> Option<Self> {
        let (&padding, before) = body.split_last()?;
        let room = u16::try_from(before.len().checked_sub(mac_len)?).ok()?;
        let fits = !u16::from(padding).ct_gt(&room);
        let plaintext_len = room - u16::conditional_select(&0, &u16::from(padding), fits);
        Some(Self { room, plaintext_len, padding, fits })
    }

    /// Length of the plaintext. Secret until [`Trailer::verify`] has succeeded.
    pub(super) fn plaintext_len(&self) -> u16 {
        self.plaintext_len
    }

    /// The plaintext lengths that a record of this length can have. Public.
    pub(super) fn plaintext_bounds(&self) -> RangeInclusive<u16> {
        self.room.saturating_sub(u8::MAX.into())..=self.room
    }

    /// Whether `body` contains `mac`, followed by correct padding only.
    ///
    /// One pass over all bytes that could belong to MAC or padding. The MAC is compared in place: `expected`
    /// is the rotated and repeated MAC, so that each position has its expected byte wherever the MAC begins.
    pub(super) fn verify<H: BlockHash>(&self, body: &[u8], mac: H::Digest) -> Choice {
        let first = *self.plaintext_bounds().start();
        let mac_begin = self.plaintext_len - first;
        let before_mac = below::<MAX_TRAILER_LEN>(0, mac_begin);
        let before_padding = below::<MAX_TRAILER_LEN>(0, mac_begin + H::DIGEST_LEN as u16);
        let expected = rotate::<H>(mac, mac_begin);

        let (_, tail) = body.split_at(first.into());
        let mut difference = 0;
        for (((byte, expected), before_mac), before_padding) in
            tail.iter().zip(expected.as_ref().iter().cycle()).zip(before_mac).zip(before_padding)
        {
            difference |= (byte ^ expected) & before_padding & !before_mac;
            difference |= (byte ^ self.padding) & !before_padding;
        }
        difference.ct_eq(&0) & self.fits
    }
}

/// Rotates `mac` so that its first byte moves to `by` (secret, at most 255) modulo its length. For each bit
/// of `by`, the rotation by that power of two is computed and selected or not.
fn rotate<H: BlockHash>(mut mac: H::Digest, by: u16) -> H::Digest {
    for bit in 0..u8::BITS {
        let mut rotated = mac;
        rotated.as_mut().rotate_right((1 << bit) % H::DIGEST_LEN);
        let is_set = Choice::from((by >> bit) as u8 & 1);
        for (byte, rotated) in mac.as_mut().iter_mut().zip(rotated.as_ref()) {
            byte.conditional_assign(rotated, is_set);
        }
    }
    mac
}

/// The longest MAC, the longest padding, and its length byte.
const MAX_TRAILER_LEN: usize = 32 + 256;
