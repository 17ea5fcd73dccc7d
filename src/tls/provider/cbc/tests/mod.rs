//! The record protection against OpenSSL's primitives, arbitrary damage, and a real connection.

mod known_answers;
mod openssl;
mod properties;
mod reference;
mod session;

use std::fmt;

use rustls::crypto::cipher::{
    AeadKey, InboundOpaqueMessage, MessageDecrypter, MessageEncrypter, OutboundChunks, OutboundPlainMessage,
    Tls12AeadAlgorithm,
};
use rustls::{ContentType, Error, ProtocolVersion};

use super::{AES_128_CBC_SHA256, AES_256_CBC_SHA, AES_256_CBC_SHA256};

/// One of the three record protections, with keys, and the names of its parts in other libraries.
struct Suite {
    algorithm: &'static dyn Tls12AeadAlgorithm,
    openssl_cipher: &'static str,
    openssl_digest: &'static str,
    aws_digest: aws_lc_rs::hmac::Algorithm,
    mac_key: &'static [u8],
    cipher_key: &'static [u8],
}

static SUITES: [Suite; 3] = [
    Suite {
        algorithm: AES_128_CBC_SHA256,
        openssl_cipher: "aes-128-cbc",
        openssl_digest: "sha256",
        aws_digest: aws_lc_rs::hmac::HMAC_SHA256,
        mac_key: b"an HMAC-SHA-256 key, thirty-two.",
        cipher_key: b"AES-128 has 16 .",
    },
    Suite {
        algorithm: AES_256_CBC_SHA,
        openssl_cipher: "aes-256-cbc",
        openssl_digest: "sha1",
        aws_digest: aws_lc_rs::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        mac_key: b"twenty bytes, SHA-1.",
        cipher_key: b"AES-256 has thirty-two of them .",
    },
    Suite {
        algorithm: AES_256_CBC_SHA256,
        openssl_cipher: "aes-256-cbc",
        openssl_digest: "sha256",
        aws_digest: aws_lc_rs::hmac::HMAC_SHA256,
        mac_key: b"another HMAC-SHA-256 key, also..",
        cipher_key: b"AES-256 has thirty-two of them !",
    },
];

impl fmt::Debug for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} with {}", self.openssl_cipher, self.openssl_digest)
    }
}

impl Suite {
    fn encrypter(&self) -> Box<dyn MessageEncrypter> {
        self.algorithm.encrypter(self.aead_key(), self.cipher_key, &[])
    }

    fn decrypter(&self) -> Box<dyn MessageDecrypter> {
        self.algorithm.decrypter(self.aead_key(), self.cipher_key)
    }

    /// Code outside of rustls can only make keys of 32 bytes.
    fn aead_key(&self) -> AeadKey {
        let mut key = [0xee; 32];
        key[..self.mac_key.len()].copy_from_slice(self.mac_key);
        key.into()
    }

    fn mac_len(&self) -> usize {
        self.mac_key.len()
    }

    /// The padding lengths that complete a plaintext of `len` bytes to whole blocks.
    fn paddings(&self, len: usize) -> impl Iterator<Item = u8> {
        let shortest = 15 - ((len + self.mac_len()) % 16) as u8;
        (shortest..=u8::MAX).step_by(16)
    }
}

/// What the MAC covers besides the plaintext.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Context {
    seq: u64,
    typ: ContentType,
    version: ProtocolVersion,
}

const CONTEXT: Context = Context {
    seq: 0x0102_0304_0506_0708,
    typ: ContentType::ApplicationData,
    version: ProtocolVersion::TLSv1_2,
};

impl Context {
    /// RFC 5246 6.2.3.1: seq_num + type + version + length, independent of the implementation.
    fn mac_header(&self, len: usize) -> Vec<u8> {
        let mut header = self.seq.to_be_bytes().to_vec();
        header.push(self.typ.into());
        header.extend(u16::from(self.version).to_be_bytes());
        header.extend((len as u16).to_be_bytes());
        header
    }
}

fn seal(encrypter: &mut dyn MessageEncrypter, context: Context, plaintext: &[u8]) -> Vec<u8> {
    let message = OutboundPlainMessage {
        typ: context.typ,
        version: context.version,
        payload: OutboundChunks::Single(plaintext),
    };
    let predicted = encrypter.encrypted_payload_len(plaintext.len());
    let record = encrypter.encrypt(message, context.seq).expect("seals");
    assert_eq!((record.typ, record.version), (context.typ, context.version));
    assert_eq!(record.payload.as_ref().len(), predicted);
    record.payload.as_ref().to_vec()
}

fn open(decrypter: &mut dyn MessageDecrypter, context: Context, record: &[u8]) -> Result<Vec<u8>, Error> {
    let mut buffer = record.to_vec();
    let message = InboundOpaqueMessage::new(context.typ, context.version, &mut buffer);
    let plain = decrypter.decrypt(message, context.seq)?;
    assert_eq!((plain.typ, plain.version), (context.typ, context.version));
    Ok(plain.payload.to_vec())
}

/// Reproducible bytes without a pattern that could hide a fault (xorshift, Marsaglia 2003).
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15 ^ len as u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..len).map(|_| next()).collect()
}
