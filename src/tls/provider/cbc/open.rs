//! The receiving side: decrypts and authenticates records.

use cbc::Decryptor;
use cbc::cipher::array::Array;
use cbc::cipher::{BlockModeDecrypt, InnerIvInit};
use rustls::Error;
use rustls::crypto::cipher::{InboundOpaqueMessage, InboundPlainMessage, MessageDecrypter, make_tls12_aad};

use super::cipher::{Aes, BLOCK_LEN, MAC_HEADER_LEN, MAX_CIPHERTEXT_LEN, MAX_PLAINTEXT_LEN};
use super::hash::BlockHash;
use super::hmac::HmacKey;
use super::trailer::Trailer;

/// Opens records.
pub(super) struct Decrypter<C, H: BlockHash> {
    pub(super) mac: HmacKey<H>,
    pub(super) cipher: C,
}

impl<C: Aes, H: BlockHash> MessageDecrypter for Decrypter<C, H> {
    fn decrypt<'a>(
        &mut self,
        mut msg: InboundOpaqueMessage<'a>,
        seq: u64,
    ) -> Result<InboundPlainMessage<'a>, Error> {
        let (typ, version) = (msg.typ, msg.version);
        let header = |len: u16| make_tls12_aad(seq, typ, version, len.into());
        let len = self.open(&mut msg.payload, header)?;
        Ok(msg.into_plain_message_range(BLOCK_LEN..BLOCK_LEN + len))
    }
}

impl<C: Aes, H: BlockHash> Decrypter<C, H> {
    /// Decrypts in place and returns the length of the plaintext, which begins after the IV. `mac_header`
    /// computes the MAC input before the plaintext from the length of the plaintext.
    ///
    /// # Errors
    ///
    /// [`Error::DecryptError`] for every fault of a record of a possible length.
    /// [`Error::PeerSentOversizedRecord`] if the record is too long, or if it is authentic and its plaintext
    /// is too long.
    fn open(
        &self,
        record: &mut [u8],
        mac_header: impl Fn(u16) -> [u8; MAC_HEADER_LEN],
    ) -> Result<usize, Error> {
        // The length of the record is public: it is visible on the network.
        if record.len() > MAX_CIPHERTEXT_LEN {
            return Err(Error::PeerSentOversizedRecord);
        }
        let (iv, body) = record.split_first_chunk_mut::<BLOCK_LEN>().ok_or(Error::DecryptError)?;
        let (blocks, partial) = Array::slice_as_chunks_mut(body);
        if !partial.is_empty() {
            return Err(Error::DecryptError);
        }
        Decryptor::inner_iv_init(&self.cipher, &(*iv).into()).decrypt_blocks(blocks);
        let trailer = Trailer::locate(body, H::DIGEST_LEN).ok_or(Error::DecryptError)?;

        // From here to the decision, control flow and timing may depend on the length of the record only, and
        // not on the values in `trailer` (RFC 5246 6.2.3.2, implementation note). The MAC header replaces the
        // IV, which is no longer needed, right before the plaintext.
        let (_, mac_input) = record.split_at_mut(BLOCK_LEN - MAC_HEADER_LEN);
        let (header, _) = mac_input.split_at_mut(MAC_HEADER_LEN);
        header.copy_from_slice(&mac_header(trailer.plaintext_len()));
        let bounds = trailer.plaintext_bounds();
        let with_header = |len: u16| MAC_HEADER_LEN as u16 + len;
        let mac = self.mac.mac(
            mac_input,
            with_header(trailer.plaintext_len()),
            with_header(*bounds.start())..=with_header(*bounds.end()),
        );
        let (_, body) = record.split_at(BLOCK_LEN);
        let genuine = trailer.verify::<H>(body, mac);

        // The decision.
        if !bool::from(genuine) {
            return Err(Error::DecryptError);
        }
        let len = usize::from(trailer.plaintext_len());
        if len > MAX_PLAINTEXT_LEN {
            return Err(Error::PeerSentOversizedRecord);
        }
        Ok(len)
    }
}
