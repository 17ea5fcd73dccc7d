//! Rewrites the encrypted flight of a server in TLS 1.3 (RFC 8446 section 4): EncryptedExtensions to
//! Finished.

use rustls::crypto::cipher::{
    AeadKey, Iv, MessageDecrypter, MessageEncrypter, OutboundChunks, OutboundOpaqueMessage,
    OutboundPlainMessage, Tls13AeadAlgorithm, UnsupportedOperationError,
};
use rustls::{ConnectionTrafficSecrets, ContentType, Error};

use super::client::{CLIENT, StatusReader};
use super::rewriter::REWRITER;

/// The record protection of a suite. A flight that has to be rewritten passes through [`FlightEncrypter`].
/// All other records, application data above all, have the unchanged protection of rustls.
pub(in crate::tls) struct FlightProtection(pub(in crate::tls) &'static dyn Tls13AeadAlgorithm);

impl Tls13AeadAlgorithm for FlightProtection {
    fn encrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageEncrypter> {
        let encrypter = self.0.encrypter(key, iv);
        if REWRITER.try_with(|rewriter| rewriter.borrow_mut().wraps_next_encrypter()).unwrap_or(false) {
            Box::new(FlightEncrypter { encrypter, passed: 0 })
        } else {
            encrypter
        }
    }

    fn decrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageDecrypter> {
        let decrypter = self.0.decrypter(key, iv);
        if CLIENT.try_with(|client| client.borrow_mut().reads_with_next_decrypter()).unwrap_or(false) {
            Box::new(StatusReader::new(decrypter))
        } else {
            decrypter
        }
    }

    fn key_len(&self) -> usize {
        self.0.key_len()
    }

    fn extract_keys(
        &self,
        key: AeadKey,
        iv: Iv,
    ) -> Result<ConnectionTrafficSecrets, UnsupportedOperationError> {
        self.0.extract_keys(key, iv)
    }

    fn fips(&self) -> bool {
        self.0.fips()
    }
}

struct FlightEncrypter {
    encrypter: Box<dyn MessageEncrypter>,
    /// Handshake bytes so far.
    passed: usize,
}

impl MessageEncrypter for FlightEncrypter {
    fn encrypt(
        &mut self,
        record: OutboundPlainMessage<'_>,
        sequence: u64,
    ) -> Result<OutboundOpaqueMessage, Error> {
        if record.typ != ContentType::Handshake {
            return self.encrypter.encrypt(record, sequence);
        }
        let mut payload = record.payload.to_vec();
        let length = payload.len();
        // A handshake in `accept` always has a rewriter. Without the replacement, the client would refuse the
        // flight.
        let _ = REWRITER.try_with(|rewriter| {
            let rewriter = rewriter.borrow();
            rewriter
                .replacements()
                .iter()
                .for_each(|replacement| replacement.apply(self.passed, &mut payload));
            if self.passed == 0 {
                rewriter.acknowledge(&mut payload);
            }
        });
        self.passed += length;
        let payload = OutboundChunks::Single(&payload);
        self.encrypter.encrypt(OutboundPlainMessage { payload, ..record }, sequence)
    }

    fn encrypted_payload_len(&self, payload_len: usize) -> usize {
        self.encrypter.encrypted_payload_len(payload_len)
    }
}
