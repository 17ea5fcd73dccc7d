//! The sending side: authenticates and encrypts records.

use cbc::Encryptor;
use cbc::cipher::array::Array;
use cbc::cipher::{BlockModeEncrypt, InnerIvInit};
use rustls::Error;
use rustls::crypto::cipher::{
    MessageEncrypter, OutboundOpaqueMessage, OutboundPlainMessage, PrefixedPayload, make_tls12_aad,
};

use super::cipher::{Aes, BLOCK_LEN, MAC_HEADER_LEN, MAX_PLAINTEXT_LEN};
use super::hash::BlockHash;
use super::hmac::HmacKey;

/// Seals records.
pub(super) struct Encrypter<C, H: BlockHash> {
    pub(super) mac: HmacKey<H>,
    pub(super) cipher: C,
}

impl<C: Aes, H: BlockHash> MessageEncrypter for Encrypter<C, H> {
    fn encrypt(&mut self, msg: OutboundPlainMessage<'_>, seq: u64) -> Result<OutboundOpaqueMessage, Error> {
        let len = msg.payload.len();
        if len > MAX_PLAINTEXT_LEN {
            return Err(Error::EncryptError);
        }
        // The MAC header stands where the IV will be, so that the MAC input is contiguous.
        let mut record = PrefixedPayload::with_capacity(self.encrypted_payload_len(len));
        record.extend_from_slice(&[0; BLOCK_LEN - MAC_HEADER_LEN]);
        record.extend_from_slice(&make_tls12_aad(seq, msg.typ, msg.version, len));
        record.extend_from_chunks(&msg.payload);

        let (_, mac_input) = record.as_ref().split_at(BLOCK_LEN - MAC_HEADER_LEN);
        let mac_input_len = (MAC_HEADER_LEN + len) as u16;
        let mac = self.mac.mac(mac_input, mac_input_len, mac_input_len..=mac_input_len);
        record.extend_from_slice(mac.as_ref());

        // The shortest padding: hiding the length a little better is not worth the bytes.
        let padding_len = BLOCK_LEN - (len + H::DIGEST_LEN) % BLOCK_LEN;
        let padding = [padding_len as u8 - 1; BLOCK_LEN];
        record.extend(padding.iter().take(padding_len));

        // RFC 5246 6.2.3.2: the IV must be unpredictable. A predictable IV allows the BEAST attack.
        let mut iv = [0; BLOCK_LEN];
        aws_lc_rs::rand::fill(&mut iv).map_err(|_| Error::FailedToGetRandomBytes)?;
        let (place, body) = record.as_mut().split_at_mut(BLOCK_LEN);
        place.copy_from_slice(&iv);
        let (blocks, _) = Array::slice_as_chunks_mut(body);
        Encryptor::inner_iv_init(&self.cipher, &iv.into()).encrypt_blocks(blocks);
        Ok(OutboundOpaqueMessage::new(msg.typ, msg.version, record))
    }

    fn encrypted_payload_len(&self, payload_len: usize) -> usize {
        let blocks = (payload_len + H::DIGEST_LEN) / BLOCK_LEN + 1;
        BLOCK_LEN + blocks * BLOCK_LEN
    }
}
