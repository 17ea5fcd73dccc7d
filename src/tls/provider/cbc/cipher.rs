//! The block cipher, and the lengths of a protected record.

use aes::{Aes128, Aes256};
use cbc::cipher::array::typenum::U16;
use cbc::cipher::{BlockCipherDecrypt, BlockCipherEncrypt, BlockSizeUser, KeyInit};
use zeroize::ZeroizeOnDrop;

/// AES-128 or AES-256. The key schedule is wiped on drop.
pub(super) trait Aes:
    KeyInit
    + BlockSizeUser<BlockSize = U16>
    + BlockCipherEncrypt
    + BlockCipherDecrypt
    + ZeroizeOnDrop
    + Send
    + Sync
    + 'static
{
}

impl Aes for Aes128 {}
impl Aes for Aes256 {}

/// Length of the explicit IV before each record, and of a cipher block, in bytes (RFC 5246 6.2.3.2).
pub(super) const BLOCK_LEN: usize = 16;

/// Length of the MAC input before the plaintext: sequence number, type, version, length (RFC 5246 6.2.3.1).
pub(super) const MAC_HEADER_LEN: usize = 13;

/// Maximum number of plaintext bytes in a record (RFC 5246 6.2.1).
pub(super) const MAX_PLAINTEXT_LEN: usize = 1 << 14;

/// Maximum number of bytes in a protected record (RFC 5246 6.2.3).
pub(super) const MAX_CIPHERTEXT_LEN: usize = MAX_PLAINTEXT_LEN + 2048;
