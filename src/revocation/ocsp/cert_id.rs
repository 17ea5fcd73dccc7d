//! CertID: the identifier of a certificate in requests and responses.

use crate::revocation::{CertIdHash, IssuedCertificate};
use crate::x509::Serial;
use crate::x509::der::{
    Element, INTEGER, Malformed, NULL, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE, element, sequence,
};

/// CertID, RFC 6960 4.1.1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertId {
    /// The content of the digest's OBJECT IDENTIFIER.
    pub hash: Vec<u8>,
    /// The digest of the issuer's name in DER.
    pub issuer_name: Vec<u8>,
    /// The digest of the issuer's key.
    pub issuer_key: Vec<u8>,
    /// The content of the serial number, in its shortest form.
    pub serial: Vec<u8>,
}

impl CertId {
    /// The CertID of a certificate, computed from its real issuer.
    #[must_use]
    pub fn for_certificate(issued: &IssuedCertificate, hash: CertIdHash) -> Self {
        let (issuer_name, issuer_key) = issued.issuer.hashes(hash);
        let serial = issued.certificate.serial.as_octets().to_vec();
        Self { hash: hash.oid().to_vec(), issuer_name, issuer_key, serial }
    }

    /// Whether it identifies this certificate, by either digest.
    #[must_use]
    pub fn names(&self, issued: &IssuedCertificate) -> bool {
        CertIdHash::ALL
            .iter()
            .any(|hash| hash.oid() == self.hash && *self == Self::for_certificate(issued, *hash))
    }

    /// The CertID in DER.
    #[must_use]
    pub fn to_der(&self) -> Vec<u8> {
        let algorithm = sequence(&[&element(OBJECT_IDENTIFIER, &self.hash), &[NULL, 0]]);
        sequence(&[
            &algorithm,
            &element(OCTET_STRING, &self.issuer_name),
            &element(OCTET_STRING, &self.issuer_key),
            &element(INTEGER, &self.serial),
        ])
    }

    pub(super) fn read(element: &Element<'_>) -> Result<Self, Malformed> {
        let mut reader = element.reader();
        let mut algorithm = reader.expect(SEQUENCE)?.reader();
        let hash = algorithm.expect(OBJECT_IDENTIFIER)?.content.to_vec();
        if algorithm.optional(NULL)?.is_some_and(|parameters| !parameters.content.is_empty()) {
            return Err(Malformed);
        }
        algorithm.finish()?;
        let issuer_name = reader.expect(OCTET_STRING)?.content.to_vec();
        let issuer_key = reader.expect(OCTET_STRING)?.content.to_vec();
        let serial = reader.expect(INTEGER)?.content.to_vec();
        reader.finish()?;
        if serial.is_empty() || serial.len() > MAX_SERIAL_OCTETS {
            return Err(Malformed);
        }
        Ok(Self { hash, issuer_name, issuer_key, serial: Serial::shortest(&serial).to_vec() })
    }
}

/// RFC 5280 4.1.2.2 allows 20 octets. Some CAs exceed it.
const MAX_SERIAL_OCTETS: usize = 64;
