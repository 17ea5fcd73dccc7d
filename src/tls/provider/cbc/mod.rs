//! Record protection of the TLS 1.2 CBC suites (A3, RFC 5246 6.2.3.2): AES in CBC mode, authenticated by an
//! HMAC over the plaintext.
//!
//! MAC-then-encrypt is the target of the padding-oracle attacks (Vaudenay 2002, Lucky Thirteen 2013). The
//! receiving side therefore takes the same steps for every record of a given length, whatever its content,
//! and returns the same error for every fault. `docs/explanation/cbc.md` gives the full argument and the
//! tests.
//!
//! The statics are for the `aead_alg` of a [`rustls::Tls12CipherSuite`]. rustls has no notion of MAC keys,
//! but its [`KeyBlockShape`] can describe the key block of these suites (RFC 5246 6.3), `client MAC key |
//! server MAC key | client key | server key`: the "key" of rustls is the MAC key, and its "fixed IV" is the
//! AES key. IVs are explicit and random, so the block has no other part.

mod cipher;
mod hash;
mod hmac;
mod mask;
mod open;
mod seal;
#[cfg(test)]
mod tests;
mod trailer;

use std::marker::PhantomData;

use ::cbc::cipher::KeySizeUser;
use ::cbc::cipher::array::typenum::Unsigned;
use aes::{Aes128, Aes256};
use rustls::ConnectionTrafficSecrets;
use rustls::crypto::cipher::{
    AeadKey, KeyBlockShape, MessageDecrypter, MessageEncrypter, Tls12AeadAlgorithm, UnsupportedOperationError,
};

use cipher::Aes;
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

/// The record protection of a block cipher and a hash function.
struct CbcHmac<C, H>(PhantomData<fn() -> (C, H)>);

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
        // `ConnectionTrafficSecrets` has no variant for CBC keys.
        Err(UnsupportedOperationError)
    }
}

/// The two keys of one direction, from the "key" and the "IV" of rustls.
///
/// An [`AeadKey`] made outside rustls is always 32 bytes long. The MAC key is its first
/// [`KeyBlockShape::enc_key_len`] bytes.
#[expect(
    clippy::expect_used,
    reason = "rustls cuts the key block by key_block_shape; no peer decides these lengths"
)]
fn keys<C: Aes, H: BlockHash>(mac_key: &AeadKey, cipher_key: &[u8]) -> (HmacKey<H>, C) {
    let mac_key = mac_key.as_ref().get(..H::DIGEST_LEN).expect("MAC key of the length in key_block_shape");
    let cipher = C::new_from_slice(cipher_key).expect("AES key of the length in key_block_shape");
    (HmacKey::new(mac_key), cipher)
}
