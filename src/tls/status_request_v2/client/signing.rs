//! The key of a client: CertificateVerify of TLS 1.2 signs the messages as they are on the wire (RFC 5246
//! section 7.4.8).

use std::sync::Arc;

use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::sign::{Signer, SigningKey};
use rustls::{Error, SignatureAlgorithm, SignatureScheme};

use super::handshake::CLIENT;
use crate::tls::status_request_v2::hello::CLIENT_HELLO;

/// A key whose signatures are over the real messages.
#[derive(Debug)]
pub(in crate::tls) struct WireKey(pub(in crate::tls) Arc<dyn SigningKey>);

#[derive(Debug)]
struct WireSigner(Box<dyn Signer>);

impl SigningKey for WireKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        Some(Box::new(WireSigner(self.0.choose_scheme(offered)?)))
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        self.0.public_key()
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.0.algorithm()
    }
}

impl Signer for WireSigner {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        // In TLS 1.3 the signed bytes begin with spaces (RFC 8446 section 4.4.3), and contain a hash that is
        // right already.
        if message.first() != Some(&CLIENT_HELLO) {
            return self.0.sign(message);
        }
        match CLIENT.try_with(|client| client.borrow().all_on_wire(message)) {
            Ok(real) => self.0.sign(&real),
            Err(_) => self.0.sign(message),
        }
    }

    fn scheme(&self) -> SignatureScheme {
        self.0.scheme()
    }
}
