//! The outer shape that certificates, CRLs and basic OCSP responses have in common.

use x509_parser::prelude::FromDer as _;
use x509_parser::x509::AlgorithmIdentifier;

use super::algorithm::SignatureAlgorithm;
use super::der::{BIT_STRING, Element, Malformed, Reader, SEQUENCE};
use super::signature::{PublicKey, SignatureError};

/// What is signed, how, and the signature; each exactly as it was received.
#[derive(Debug, Clone, Copy)]
pub struct Signed<'a> {
    /// The bytes that are signed: a whole element.
    pub message: &'a [u8],
    /// The AlgorithmIdentifier in DER.
    pub algorithm: &'a [u8],
    /// The signature.
    pub signature: &'a [u8],
}

impl<'a> Signed<'a> {
    /// Reads a whole SIGNED structure.
    ///
    /// # Errors
    /// When the bytes are not exactly one.
    pub fn read(der: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Element::whole(der, SEQUENCE)?.reader();
        let signed = Self::take(&mut reader)?;
        reader.finish()?;
        Ok(signed)
    }

    /// Reads the three elements and leaves what follows.
    ///
    /// # Errors
    /// When they are not there.
    pub fn take(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        Ok(Self {
            message: reader.expect(SEQUENCE)?.raw,
            algorithm: reader.expect(SEQUENCE)?.raw,
            signature: reader.expect(BIT_STRING)?.bit_string_octets()?,
        })
    }

    /// How it is signed.
    #[must_use]
    pub fn signature_algorithm(&self) -> Option<SignatureAlgorithm> {
        let (rest, identifier) = AlgorithmIdentifier::from_der(self.algorithm).ok()?;
        rest.is_empty().then(|| SignatureAlgorithm::from_identifier(&identifier))
    }

    /// Verifies the signature.
    ///
    /// # Errors
    /// When it is not `key`'s, or of a kind that does not count.
    pub fn verify(&self, key: &PublicKey) -> Result<(), SignatureError> {
        key.verify(self.algorithm, self.message, self.signature)
    }
}
