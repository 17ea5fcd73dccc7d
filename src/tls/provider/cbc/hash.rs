//! The hash functions of the suites, as compression functions that can be called block by block.

use sha1::block_api::compress as compress_sha1;
use sha2::block_api::compress256;
use zeroize::Zeroize;

/// Length of a block of SHA-1 and SHA-256 in bytes.
pub(super) const HASH_BLOCK_LEN: usize = 64;

/// A Merkle-Damgård hash function with blocks of 64 bytes, 32-bit words and a 64-bit big-endian bit count at
/// the end (FIPS 180-4).
pub(super) trait BlockHash: 'static {
    /// The chaining value.
    type State: Copy + AsRef<[u32]> + AsMut<[u32]> + Zeroize + Send + Sync;
    /// The hash value; also the shape of a MAC and of a MAC key, which have its length in every suite.
    type Digest: Copy + Default + AsRef<[u8]> + AsMut<[u8]>;

    /// Length of the hash value in bytes.
    const DIGEST_LEN: usize = size_of::<Self::Digest>();
    /// The chaining value before the first block.
    const INITIAL: Self::State;

    /// Hashes whole blocks. The time depends only on their number.
    fn compress(state: &mut Self::State, blocks: &[[u8; HASH_BLOCK_LEN]]);

    /// The hash value of a chaining value.
    fn digest(state: &Self::State) -> Self::Digest {
        let mut digest = Self::Digest::default();
        for (bytes, word) in digest.as_mut().chunks_exact_mut(4).zip(state.as_ref()) {
            bytes.copy_from_slice(&word.to_be_bytes());
        }
        digest
    }
}

/// SHA-1. Its collisions do not help against HMAC (RFC 6194 3.3).
pub(super) struct Sha1;

/// SHA-256.
pub(super) struct Sha256;

impl BlockHash for Sha1 {
    type State = [u32; 5];
    type Digest = [u8; 20];

    const INITIAL: Self::State = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];

    fn compress(state: &mut Self::State, blocks: &[[u8; HASH_BLOCK_LEN]]) {
        compress_sha1(state, blocks);
    }
}

impl BlockHash for Sha256 {
    type State = [u32; 8];
    type Digest = [u8; 32];

    const INITIAL: Self::State = [
        0x6a09_e667,
        0xbb67_ae85,
        0x3c6e_f372,
        0xa54f_f53a,
        0x510e_527f,
        0x9b05_688c,
        0x1f83_d9ab,
        0x5be0_cd19,
    ];

    fn compress(state: &mut Self::State, blocks: &[[u8; HASH_BLOCK_LEN]]) {
        compress256(state, blocks);
    }
}
