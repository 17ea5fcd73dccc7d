//! The encrypted flight of a server in TLS 1.3 (RFC 8446 section 4): EncryptedExtensions to Finished.

use rustls::crypto::cipher::{
    AeadKey, Iv, MessageDecrypter, MessageEncrypter, OutboundChunks, OutboundOpaqueMessage,
    OutboundPlainMessage, Tls13AeadAlgorithm, UnsupportedOperationError,
};
use rustls::{ConnectionTrafficSecrets, ContentType, Error};

use super::rewriter::REWRITER;

/// The record protection of a suite. The flight of a server that has something else to say than rustls passes
/// through [`FlightEncrypter`]; everything else, application data first of all, has rustls' own.
pub(in crate::tls) struct FlightProtection(pub(in crate::tls) &'static dyn Tls13AeadAlgorithm);

impl Tls13AeadAlgorithm for FlightProtection {
    fn encrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageEncrypter> {
        let encrypter = self.0.encrypter(key, iv);
        if REWRITER.try_with(|splice| splice.borrow_mut().seals()).unwrap_or(false) {
            Box::new(FlightEncrypter { encrypter, passed: 0 })
        } else {
            encrypter
        }
    }

    fn decrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageDecrypter> {
        self.0.decrypter(key, iv)
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
    /// Handshake bytes that have passed.
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
        // Never without, in a handshake that began in one of ours; the client would refuse what is not
        // replaced.
        let _ = REWRITER.try_with(|splice| {
            let splice = splice.borrow();
            splice.replacements().iter().for_each(|replacement| replacement.put(self.passed, &mut payload));
        });
        self.passed += payload.len();
        let payload = OutboundChunks::Single(&payload);
        self.encrypter.encrypt(OutboundPlainMessage { payload, ..record }, sequence)
    }

    fn encrypted_payload_len(&self, payload_len: usize) -> usize {
        self.encrypter.encrypted_payload_len(payload_len)
    }
}
