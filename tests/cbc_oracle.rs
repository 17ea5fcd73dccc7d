//! A3: our CBC record protection has the same opinion as aws-lc's, record by record.
//!
//! aws-lc carries BoringSSL's constant-time TLS CBC code for two of the three. It is not in aws-lc-rs, so
//! this test calls it directly, which is the only unsafe code of the project and why it has a test binary of
//! its own.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "no peer decides anything here; what cannot be is a mistake of the program"
)]

mod cbc_records;

use std::mem::MaybeUninit;
use std::ptr;

use aws_lc_sys::{
    EVP_AEAD, EVP_AEAD_CTX, EVP_AEAD_CTX_cleanup, EVP_AEAD_CTX_init_with_direction, EVP_AEAD_CTX_open,
    EVP_AEAD_CTX_seal, EVP_aead_aes_128_cbc_sha256_tls, EVP_aead_aes_256_cbc_sha1_tls, evp_aead_direction_t,
    evp_aead_direction_t_evp_aead_open, evp_aead_direction_t_evp_aead_seal,
};
use proptest::prelude::*;
use rustls::crypto::cipher::{OutboundChunks, OutboundPlainMessage};
use rustls::{ContentType, Error, ProtocolVersion};

use cbc_records::{SEQ, SUITES, Suite, header, noise, open};

/// One direction of aws-lc's AEAD for a suite. Its key is our two keys in a row, its nonce the explicit IV.
struct Oracle(Box<EVP_AEAD_CTX>);

impl Oracle {
    fn new(suite: &Suite, direction: evp_aead_direction_t) -> Self {
        let aead: unsafe extern "C" fn() -> *const EVP_AEAD = match suite.name {
            "AES_128_CBC_SHA256" => EVP_aead_aes_128_cbc_sha256_tls,
            "AES_256_CBC_SHA" => EVP_aead_aes_256_cbc_sha1_tls,
            other => panic!("aws-lc has nothing for {other}"),
        };
        let key = [suite.mac_key, suite.cipher_key].concat();
        let mut context = Box::new(MaybeUninit::<EVP_AEAD_CTX>::uninit());
        // SAFETY: the context has room for an EVP_AEAD_CTX, the key its stated length; the call initialises
        // the context if it returns 1, and only then is it taken to be initialised.
        let context = unsafe {
            let done = EVP_AEAD_CTX_init_with_direction(
                context.as_mut_ptr(),
                aead(),
                key.as_ptr(),
                key.len(),
                suite.mac_len(),
                direction,
            );
            assert_eq!(done, 1, "aws-lc takes the key");
            context.assume_init()
        };
        Self(context)
    }

    fn sealing(suite: &Suite) -> Self {
        Self::new(suite, evp_aead_direction_t_evp_aead_seal)
    }

    fn opening(suite: &Suite) -> Self {
        Self::new(suite, evp_aead_direction_t_evp_aead_open)
    }

    fn seal(&self, plaintext: &[u8]) -> Vec<u8> {
        let iv = noise(16);
        let mut out = vec![0; plaintext.len() + 16 + 32];
        let mut len = 0;
        // SAFETY: all pointers come with the length of what they point to, and `out` holds the longest
        // result.
        let done = unsafe {
            EVP_AEAD_CTX_seal(
                ptr::from_ref(&*self.0),
                out.as_mut_ptr(),
                &raw mut len,
                out.len(),
                iv.as_ptr(),
                iv.len(),
                plaintext.as_ptr(),
                plaintext.len(),
                header().as_ptr(),
                header().len(),
            )
        };
        assert_eq!(done, 1, "aws-lc seals");
        out.truncate(len);
        [iv, out].concat()
    }

    fn open(&self, record: &[u8]) -> Option<Vec<u8>> {
        let (iv, blocks) = record.split_at_checked(16)?;
        let mut out = vec![0; blocks.len()];
        let mut len = 0;
        // SAFETY: all pointers come with the length of what they point to, and the plaintext is shorter than
        // `out`.
        let done = unsafe {
            EVP_AEAD_CTX_open(
                ptr::from_ref(&*self.0),
                out.as_mut_ptr(),
                &raw mut len,
                out.len(),
                iv.as_ptr(),
                iv.len(),
                blocks.as_ptr(),
                blocks.len(),
                header().as_ptr(),
                header().len(),
            )
        };
        out.truncate(len);
        (done == 1).then_some(out)
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        // SAFETY: the context was initialised and is not used again.
        unsafe { EVP_AEAD_CTX_cleanup(ptr::from_mut(&mut *self.0)) }
    }
}

/// The suites that aws-lc has, too.
fn shared_suites() -> &'static [Suite] {
    &SUITES[..2]
}

/// Both opinions on one record.
fn opinions(suite: &Suite, record: &[u8]) -> (Result<Vec<u8>, Error>, Option<Vec<u8>>) {
    let mut buffer = record.to_vec();
    let ours = open(&mut *suite.decrypter(), &mut buffer).map(<[u8]>::to_vec);
    (ours, Oracle::opening(suite).open(record))
}

#[test]
fn each_opens_what_the_other_sealed() {
    for suite in shared_suites() {
        let mut encrypter = suite.encrypter();
        let oracle = Oracle::sealing(suite);
        for len in (0..300).chain([1000, 4096, (1 << 14) - 1, 1 << 14]) {
            let plaintext = noise(len);
            let (ours, theirs) = opinions(suite, &oracle.seal(&plaintext));
            assert_eq!((ours, theirs), (Ok(plaintext.clone()), Some(plaintext.clone())));

            let message = OutboundPlainMessage {
                typ: ContentType::ApplicationData,
                version: ProtocolVersion::TLSv1_2,
                payload: OutboundChunks::Single(&plaintext),
            };
            let record = encrypter.encrypt(message, SEQ).expect("seals");
            assert_eq!(Oracle::opening(suite).open(record.payload.as_ref()), Some(plaintext));
        }
    }
}

/// What can be inside a record, from wholly right to wholly wrong.
#[derive(Debug, Clone)]
enum Content {
    Right,
    /// One byte changed, counted from the end: padding, MAC, or the end of the plaintext.
    Wrong {
        from_end: usize,
        change: u8,
    },
    /// Nothing but one value, as a padding that goes on and on.
    Monotonous(u8),
}

fn content() -> impl Strategy<Value = Content> {
    prop_oneof![
        Just(Content::Right),
        (0..320usize, 1..=255u8).prop_map(|(from_end, change)| Content::Wrong { from_end, change }),
        any::<u8>().prop_map(Content::Monotonous),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn same_opinion_on_anything(
        suite in 0..2usize,
        len in 0..700usize,
        padding in 0..16usize,
        content in content(),
        truncate in prop_oneof![3 => Just(0usize), 1 => 0..64usize],
    ) {
        let suite = &shared_suites()[suite];
        let shortest = 15 - (len + suite.mac_len()) % 16;
        let mut bytes = suite.content(&noise(len), (shortest + 16 * padding) as u8);
        match content {
            Content::Right => {}
            Content::Wrong { from_end, change } => {
                let place = bytes.len() - 1 - from_end.min(bytes.len() - 1);
                bytes[place] ^= change;
            }
            Content::Monotonous(value) => bytes.fill(value),
        }
        let mut record = suite.record(&bytes);
        record.truncate(record.len() - truncate.min(record.len()));
        let (ours, theirs) = opinions(suite, &record);
        match theirs {
            Some(plaintext) => prop_assert_eq!(ours, Ok(plaintext)),
            None => prop_assert_eq!(ours, Err(Error::DecryptError)),
        }
    }
}
