//! What stands behind the plaintext in a decrypted record: MAC and padding (RFC 5246 6.2.3.2).

use std::ops::RangeInclusive;

use subtle::{Choice, ConditionallySelectable, ConstantTimeEq, ConstantTimeGreater};

use super::hash::BlockHash;
use super::mask::below;

/// Where plaintext, MAC and padding lie in a decrypted record, before anybody knows whether it is genuine.
///
/// Everything but `room` is secret.
pub(super) struct Trailer {
    /// Most plaintext that a record of this length can hold: with no padding besides its length byte.
    room: u16,
    /// Length of the plaintext. With a padding that cannot fit: `room`.
    plaintext_len: u16,
    /// The last byte of the record, which is the number of padding bytes before it and the value of all of
    /// them.
    padding: u8,
    /// Whether the padding can fit into a record of this length.
    fits: Choice,
}

impl Trailer {
    /// Reads the padding length of a decrypted record with MACs of `mac_len` bytes. `None` if the record is
    /// too short for a MAC and a padding length, or longer than any record: both are public.
    pub(super) fn locate(body: &[u8], mac_len: usize) -> Option<Self> {
        let (&padding, before) = body.split_last()?;
        let room = u16::try_from(before.len().checked_sub(mac_len)?).ok()?;
        let fits = !u16::from(padding).ct_gt(&room);
        let plaintext_len = room - u16::conditional_select(&0, &u16::from(padding), fits);
        Some(Self { room, plaintext_len, padding, fits })
    }

    /// Length of the plaintext. Secret until [`Trailer::verify`] has said yes.
    pub(super) fn plaintext_len(&self) -> u16 {
        self.plaintext_len
    }

    /// The plaintext lengths that a record of this length can have. Public.
    pub(super) fn plaintext_bounds(&self) -> RangeInclusive<u16> {
        self.room.saturating_sub(u8::MAX.into())..=self.room
    }

    /// Whether `body` carries `mac`, and behind it nothing but correct padding.
    ///
    /// One pass over all bytes that could belong to MAC or padding. The MAC is compared where it lies:
    /// `expected` repeats it so that the byte due at any position is at that position, wherever the MAC
    /// begins.
    pub(super) fn verify<H: BlockHash>(&self, body: &[u8], mac: H::Digest) -> Choice {
        let first = *self.plaintext_bounds().start();
        let mac_begin = self.plaintext_len - first;
        let before_mac = below::<LONGEST>(0, mac_begin);
        let before_padding = below::<LONGEST>(0, mac_begin + H::DIGEST_LEN as u16);
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

/// Turns `mac` so that its first byte comes to stand at `by` (secret, at most 255) modulo its length: for
/// each bit of `by`, turned by that power of two or not.
fn rotate<H: BlockHash>(mut mac: H::Digest, by: u16) -> H::Digest {
    for bit in 0..u8::BITS {
        let mut turned = mac;
        turned.as_mut().rotate_right((1 << bit) % H::DIGEST_LEN);
        let wanted = Choice::from((by >> bit) as u8 & 1);
        for (byte, turned) in mac.as_mut().iter_mut().zip(turned.as_ref()) {
            byte.conditional_assign(turned, wanted);
        }
    }
    mac
}

/// The longest MAC, the longest padding, and its length byte.
const LONGEST: usize = 32 + 256;
