//! Reads the server's Certificate of TLS 1.3 from the decrypted records.

use rustls::crypto::cipher::{InboundOpaqueMessage, InboundPlainMessage, MessageDecrypter};
use rustls::{ContentType, Error};

use super::handshake::CLIENT;
use super::messages::certificate_entries;
use crate::tls::status_request_v2::messages::CERTIFICATE;
use crate::tls::status_request_v2::wire::Reader;

/// The decrypter of the server's flight. It passes every record on unchanged.
pub(in crate::tls::status_request_v2) struct StatusReader {
    decrypter: Box<dyn MessageDecrypter>,
    /// The messages up to Certificate, until it is complete; `None` when there is nothing more to read.
    received: Option<Vec<u8>>,
}

impl StatusReader {
    pub(in crate::tls::status_request_v2) fn new(decrypter: Box<dyn MessageDecrypter>) -> Self {
        Self { decrypter, received: Some(Vec::new()) }
    }

    fn read(&mut self, content: &[u8]) {
        let Some(mut received) = self.received.take() else { return };
        received.extend_from_slice(content);
        let mut rest = Reader::new(&received);
        let mut begin = 0;
        while let Some((kind, _)) = rest.message() {
            let end = received.len() - rest.rest().len();
            if kind == CERTIFICATE {
                let entries = received.get(begin..end).and_then(certificate_entries);
                let _ = CLIENT.try_with(|client| client.borrow_mut().note_entries(entries));
                return;
            }
            begin = end;
        }
        received.drain(..begin);
        // rustls refuses a longer message.
        if received.len() <= MAX_MESSAGE {
            self.received = Some(received);
        }
    }
}

impl MessageDecrypter for StatusReader {
    fn decrypt<'a>(
        &mut self,
        record: InboundOpaqueMessage<'a>,
        sequence: u64,
    ) -> Result<InboundPlainMessage<'a>, Error> {
        let plain = self.decrypter.decrypt(record, sequence)?;
        if plain.typ == ContentType::Handshake {
            self.read(plain.payload);
        }
        Ok(plain)
    }
}

/// The longest handshake message that rustls accepts, with its head, and a record more.
const MAX_MESSAGE: usize = 0xffff + 4 + (1 << 14);
