//! RFC 5246 6.2.3.2 written down as it reads, without a thought for timing.

use aes::{Aes128, Aes256};
use cbc::cipher::block_padding::NoPadding;
use cbc::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use cbc::{Decryptor, Encryptor};

use super::super::cipher::Aes;
use super::{Context, Suite};

/// Whose HMAC and AES-CBC the reference uses.
pub(super) trait Primitives {
    fn hmac(&self, suite: &Suite, message: &[u8]) -> Vec<u8>;
    fn cbc_encrypt(&self, suite: &Suite, iv: &[u8], blocks: &[u8]) -> Vec<u8>;
    fn cbc_decrypt(&self, suite: &Suite, iv: &[u8], blocks: &[u8]) -> Vec<u8>;

    fn mac(&self, suite: &Suite, context: Context, plaintext: &[u8]) -> Vec<u8> {
        let mut input = context.mac_header(plaintext.len());
        input.extend(plaintext);
        self.hmac(suite, &input)
    }

    /// `content` is plaintext, MAC and padding, or whatever a test wants there instead.
    fn wrap(&self, suite: &Suite, content: &[u8]) -> Vec<u8> {
        let mut record = super::noise(16);
        let blocks = self.cbc_encrypt(suite, &record, content);
        record.extend(blocks);
        record
    }

    /// A correct record whose padding length byte is `padding`.
    fn seal(&self, suite: &Suite, context: Context, plaintext: &[u8], padding: u8) -> Vec<u8> {
        let mut content = plaintext.to_vec();
        content.extend(self.mac(suite, context, plaintext));
        content.extend(vec![padding; usize::from(padding) + 1]);
        self.wrap(suite, &content)
    }

    /// Plaintext and padding length byte of a correct record.
    fn open(&self, suite: &Suite, context: Context, record: &[u8]) -> Option<(Vec<u8>, u8)> {
        let (iv, blocks) = record.split_at_checked(16)?;
        let content = self.cbc_decrypt(suite, iv, blocks);
        let padding = *content.last()?;
        let rest = content.len().checked_sub(usize::from(padding) + 1)?;
        let (rest, padding_bytes) = content.split_at(rest);
        let (plaintext, mac) = rest.split_at(rest.len().checked_sub(suite.mac_len())?);
        let good = padding_bytes.iter().all(|byte| *byte == padding);
        (good && mac == self.mac(suite, context, plaintext)).then(|| (plaintext.to_vec(), padding))
    }
}

/// HMAC of aws-lc and the plain use of the block ciphers, for tests that need many records.
pub(super) struct InProcess;

impl Primitives for InProcess {
    fn hmac(&self, suite: &Suite, message: &[u8]) -> Vec<u8> {
        let key = aws_lc_rs::hmac::Key::new(suite.aws_digest, suite.mac_key);
        aws_lc_rs::hmac::sign(&key, message).as_ref().to_vec()
    }

    fn cbc_encrypt(&self, suite: &Suite, iv: &[u8], blocks: &[u8]) -> Vec<u8> {
        match suite.cipher_key.len() {
            16 => encrypt::<Aes128>(suite.cipher_key, iv, blocks),
            _ => encrypt::<Aes256>(suite.cipher_key, iv, blocks),
        }
    }

    fn cbc_decrypt(&self, suite: &Suite, iv: &[u8], blocks: &[u8]) -> Vec<u8> {
        match suite.cipher_key.len() {
            16 => decrypt::<Aes128>(suite.cipher_key, iv, blocks),
            _ => decrypt::<Aes256>(suite.cipher_key, iv, blocks),
        }
    }
}

fn encrypt<C: Aes>(key: &[u8], iv: &[u8], blocks: &[u8]) -> Vec<u8> {
    let mut buffer = blocks.to_vec();
    Encryptor::<C>::new_from_slices(key, iv)
        .expect("lengths")
        .encrypt_padded::<NoPadding>(&mut buffer, blocks.len())
        .expect("whole blocks");
    buffer
}

fn decrypt<C: Aes>(key: &[u8], iv: &[u8], blocks: &[u8]) -> Vec<u8> {
    let mut buffer = blocks.to_vec();
    Decryptor::<C>::new_from_slices(key, iv)
        .expect("lengths")
        .decrypt_padded::<NoPadding>(&mut buffer)
        .expect("whole blocks");
    buffer
}
