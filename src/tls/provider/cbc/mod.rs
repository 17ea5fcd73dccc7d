//! Record protection of the TLS 1.2 CBC suites (A3, RFC 5246 6.2.3.2): AES in CBC mode, authenticated by an
//! HMAC over the plaintext.
//!
//! MAC-then-encrypt is the construction of the padding-oracle attacks (Vaudenay 2002, Lucky Thirteen 2013),
//! so the receiving side takes the same steps for every record of a given length, whatever is inside, and has
//! one error for everything that can be wrong with it. `docs/cbc.md` has the whole argument and says how it
//! is tested.
//!
//! The statics are meant for the `aead_alg` of a [`rustls::Tls12CipherSuite`]. rustls knows no MAC keys; its
//! [`KeyBlockShape`] still describes the key block of RFC 5246 6.3 for these suites, which is `client MAC key
//! | server MAC key | client key | server key`: what rustls calls the key is the MAC key, and what it calls
//! the fixed IV is the AES key. IVs are explicit and random, so nothing more is cut from the block.

mod hash;
mod hmac;
mod mask;
mod open;
mod seal;
#[cfg(test)]
mod tests;
mod trailer;

use std::marker::PhantomData;

use aes::{Aes128, Aes256};
use cbc::cipher::{
    BlockCipherDecrypt, BlockCipherEncrypt, BlockSizeUser, KeyInit, KeySizeUser, array::typenum::U16,
    array::typenum::Unsigned,
};
use rustls::ConnectionTrafficSecrets;
use rustls::crypto::cipher::{
    AeadKey, KeyBlockShape, MessageDecrypter, MessageEncrypter, Tls12AeadAlgorithm, UnsupportedOperationError,
};
use zeroize::ZeroizeOnDrop;

use hash::{BlockHash, Sha1, Sha256};
use hmac::HmacKey;
use open::Decrypter;
use seal::Encrypter;

/// AES-128 in CBC mode with HMAC-SHA-256, as in `TLS_*_WITH_AES_128_CBC_SHA256` (RFC 5246, RFC 5289).
pub static AES_128_CBC_SHA256: &dyn Tls12AeadAlgorithm = &CbcHmac::<Aes128, Sha256>(PhantomData);

/// AES-256 in CBC mode with HMAC-SHA-1, as in `TLS_*_WITH_AES_256_CBC_SHA` (RFC 5246, RFC 8422).
pub static AES_256_CBC_SHA: &dyn Tls12AeadAlgorithm = &CbcHmac::<Aes256, Sha1>(PhantomData);

/// AES-256 in CBC mode with HMAC-SHA-256, as in `TLS_*_WITH_AES_256_CBC_SHA256` (RFC 5246).
pub static AES_256_CBC_SHA256: &dyn Tls12AeadAlgorithm = &CbcHmac::<Aes256, Sha256>(PhantomData);

/// A block cipher and a hash function, made into a record protection.
struct CbcHmac<C, H>(PhantomData<fn() -> (C, H)>);

/// AES with either key length. Its key schedule is wiped when it is dropped.
trait Aes:
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

impl<C: Aes, H: BlockHash> Tls12AeadAlgorithm for CbcHmac<C, H> {
    fn encrypter(&self, key: AeadKey, iv: &[u8], _extra: &[u8]) -> Box<dyn MessageEncrypter> {
        let (mac, cipher) = keys::<C, H>(&key, iv);
        Box::new(Encrypter { mac, cipher })
    }

    fn decrypter(&self, key: AeadKey, iv: &[u8]) -> Box<dyn MessageDecrypter> {
        let (mac, cipher) = keys::<C, H>(&key, iv);
        Box::new(Decrypter { mac, cipher })
    }

    fn key_block_shape(&self) -> KeyBlockShape {
        KeyBlockShape {
            enc_key_len: H::DIGEST_LEN,
            fixed_iv_len: <C as KeySizeUser>::KeySize::USIZE,
            explicit_nonce_len: 0,
        }
    }

    fn extract_keys(
        &self,
        _key: AeadKey,
        _iv: &[u8],
        _explicit: &[u8],
    ) -> Result<ConnectionTrafficSecrets, UnsupportedOperationError> {
        // `ConnectionTrafficSecrets` has no variant for them.
        Err(UnsupportedOperationError)
    }
}

/// The two keys of one direction, from what rustls calls the key and the IV.
///
/// An [`AeadKey`] made outside rustls is always 32 bytes long; the MAC key is as many of them as
/// [`KeyBlockShape::enc_key_len`] says.
#[expect(
    clippy::expect_used,
    reason = "rustls cuts the key block by key_block_shape; no peer decides these lengths"
)]
fn keys<C: Aes, H: BlockHash>(mac_key: &AeadKey, cipher_key: &[u8]) -> (HmacKey<H>, C) {
    let mac_key = mac_key.as_ref().get(..H::DIGEST_LEN).expect("MAC key of the length in key_block_shape");
    let cipher = C::new_from_slice(cipher_key).expect("AES key of the length in key_block_shape");
    (HmacKey::new(mac_key), cipher)
}

/// Length of the explicit IV before each record, and of a cipher block, in bytes (RFC 5246 6.2.3.2).
const BLOCK_LEN: usize = 16;

/// Length of what the MAC covers before the plaintext: sequence number, type, version, length (RFC 5246
/// 6.2.3.1).
const MAC_HEADER_LEN: usize = 13;

/// Most plaintext bytes in a record (RFC 5246 6.2.1).
const MAX_PLAINTEXT_LEN: usize = 1 << 14;

/// Most bytes in a protected record (RFC 5246 6.2.3).
const MAX_CIPHERTEXT_LEN: usize = MAX_PLAINTEXT_LEN + 2048;
