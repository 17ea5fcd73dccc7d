//! The common outer structure of certificates, CRLs and basic OCSP responses.

use x509_parser::prelude::FromDer as _;
use x509_parser::x509::AlgorithmIdentifier;

use super::algorithm::SignatureAlgorithm;
use super::der::{BIT_STRING, Element, Malformed, Reader, SEQUENCE};
use super::signature::{PublicKey, SignatureError};

/// Signed bytes, algorithm and signature, exactly as received.
#[derive(Debug, Clone, Copy)]
pub struct Signed<'a> {
    /// The signed bytes: a whole element.
    pub message: &'a [u8],
    /// The AlgorithmIdentifier in DER.
    pub algorithm: &'a [u8],
    /// The signature.
    pub signature: &'a [u8],
}

impl<'a> Signed<'a> {
    /// Parses a whole SIGNED structure.
    ///
    /// # Errors
    /// When the bytes are not exactly one.
    pub fn read(der: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Element::whole(der, SEQUENCE)?.reader();
        let signed = Self::take(&mut reader)?;
        reader.finish()?;
        Ok(signed)
    }

    /// Parses the three elements, and leaves the following ones to the caller.
    ///
    /// # Errors
    /// When one of the three is missing or malformed.
    pub fn take(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        Ok(Self {
            message: reader.expect(SEQUENCE)?.raw,
            algorithm: reader.expect(SEQUENCE)?.raw,
            signature: reader.expect(BIT_STRING)?.bit_string_octets()?,
        })
    }

    /// The signature algorithm; `None` if its identifier is malformed.
    #[must_use]
    pub fn signature_algorithm(&self) -> Option<SignatureAlgorithm> {
        let (rest, identifier) = AlgorithmIdentifier::from_der(self.algorithm).ok()?;
        rest.is_empty().then(|| SignatureAlgorithm::from_identifier(&identifier))
    }

    /// Verifies the signature.
    ///
    /// # Errors
    /// When `key` did not make it, or its algorithm is not accepted.
    pub fn verify(&self, key: &PublicKey) -> Result<(), SignatureError> {
        key.verify(self.algorithm, self.message, self.signature)
    }
}
