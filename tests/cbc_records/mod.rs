//! TLS 1.2 CBC records made byte by byte, right or wrong in any place, for the oracle test and the timing
//! measurements: RFC 5246 6.2.3.2 as it reads.

#![allow(dead_code, reason = "each of the three programs that share this needs a part of it")]

use aes::{Aes128, Aes256};
use aws_lc_rs::hmac;
use cbc::Encryptor;
use cbc::cipher::block_padding::NoPadding;
use cbc::cipher::{BlockModeEncrypt, KeyIvInit};
use pcd_platform::tls::provider::cbc::{AES_128_CBC_SHA256, AES_256_CBC_SHA, AES_256_CBC_SHA256};
use rustls::crypto::cipher::{
    AeadKey, InboundOpaqueMessage, MessageDecrypter, MessageEncrypter, Tls12AeadAlgorithm,
};
use rustls::{ContentType, Error, ProtocolVersion};

/// One of the three record protections, with keys.
pub(crate) struct Suite {
    pub(crate) name: &'static str,
    pub(crate) algorithm: &'static dyn Tls12AeadAlgorithm,
    pub(crate) digest: hmac::Algorithm,
    pub(crate) mac_key: &'static [u8],
    pub(crate) cipher_key: &'static [u8],
}

pub(crate) static SUITES: [Suite; 3] = [
    Suite {
        name: "AES_128_CBC_SHA256",
        algorithm: AES_128_CBC_SHA256,
        digest: hmac::HMAC_SHA256,
        mac_key: b"an HMAC-SHA-256 key, thirty-two.",
        cipher_key: b"AES-128 has 16 .",
    },
    Suite {
        name: "AES_256_CBC_SHA",
        algorithm: AES_256_CBC_SHA,
        digest: hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        mac_key: b"twenty bytes, SHA-1.",
        cipher_key: b"AES-256 has thirty-two of them .",
    },
    Suite {
        name: "AES_256_CBC_SHA256",
        algorithm: AES_256_CBC_SHA256,
        digest: hmac::HMAC_SHA256,
        mac_key: b"another HMAC-SHA-256 key, also..",
        cipher_key: b"AES-256 has thirty-two of them !",
    },
];

/// The sequence number of every record here; type and version are application_data and TLS 1.2.
pub(crate) const SEQ: u64 = 0x0102_0304_0506_0708;

/// Sequence number, type and version as the MAC covers them.
pub(crate) fn header() -> [u8; 11] {
    let mut header = [0; 11];
    header[..8].copy_from_slice(&SEQ.to_be_bytes());
    header[8] = ContentType::ApplicationData.into();
    header[9..].copy_from_slice(&u16::from(ProtocolVersion::TLSv1_2).to_be_bytes());
    header
}

impl Suite {
    pub(crate) fn encrypter(&self) -> Box<dyn MessageEncrypter> {
        self.algorithm.encrypter(self.aead_key(), self.cipher_key, &[])
    }

    pub(crate) fn decrypter(&self) -> Box<dyn MessageDecrypter> {
        self.algorithm.decrypter(self.aead_key(), self.cipher_key)
    }

    /// rustls lets others make keys of 32 bytes only; the MAC key is the beginning.
    fn aead_key(&self) -> AeadKey {
        let mut key = [0; 32];
        key[..self.mac_key.len()].copy_from_slice(self.mac_key);
        key.into()
    }

    pub(crate) fn mac_len(&self) -> usize {
        self.mac_key.len()
    }

    /// Plaintext, its MAC, and padding with the length byte `padding`.
    pub(crate) fn content(&self, plaintext: &[u8], padding: u8) -> Vec<u8> {
        let mut context = hmac::Context::with_key(&hmac::Key::new(self.digest, self.mac_key));
        context.update(&header());
        context.update(&(plaintext.len() as u16).to_be_bytes());
        context.update(plaintext);
        let mut content = plaintext.to_vec();
        content.extend(context.sign().as_ref());
        content.extend(vec![padding; usize::from(padding) + 1]);
        content
    }

    /// A record with this content, which has whole blocks.
    pub(crate) fn record(&self, content: &[u8]) -> Vec<u8> {
        let mut record = vec![0; 16];
        aws_lc_rs::rand::fill(&mut record).expect("random bytes");
        let mut blocks = content.to_vec();
        let (key, iv, buffer) = (self.cipher_key, record.as_slice(), blocks.as_mut_slice());
        match key.len() {
            16 => Encryptor::<Aes128>::new_from_slices(key, iv)
                .expect("lengths")
                .encrypt_padded::<NoPadding>(buffer, content.len()),
            _ => Encryptor::<Aes256>::new_from_slices(key, iv)
                .expect("lengths")
                .encrypt_padded::<NoPadding>(buffer, content.len()),
        }
        .expect("whole blocks");
        record.extend(blocks);
        record
    }
}

/// Decrypts a record in place and answers its plaintext.
pub(crate) fn open<'a>(
    decrypter: &mut dyn MessageDecrypter,
    record: &'a mut [u8],
) -> Result<&'a [u8], Error> {
    let message = InboundOpaqueMessage::new(ContentType::ApplicationData, ProtocolVersion::TLSv1_2, record);
    decrypter.decrypt(message, SEQ).map(|plain| plain.payload)
}

/// Bytes from aws-lc's generator.
pub(crate) fn noise(len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    aws_lc_rs::rand::fill(&mut bytes).expect("random bytes");
    bytes
}
