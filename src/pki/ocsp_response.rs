//! Encoding and signing of OCSP responses.

use jiff::Timestamp;
use rcgen::{KeyPair, SigningKey as _};

use super::error::PkiError;
use crate::revocation::CertStatus;
use crate::revocation::ocsp::{BASIC, SingleResponse, nonce_list};
use crate::x509::der::{
    self, BIT_STRING, ENUMERATED, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE, constructed, context, element,
    generalized_time, sequence,
};

/// A basic response (RFC 6960 4.2.1) before signing.
#[derive(Debug, Clone)]
pub(crate) struct OcspResponse {
    pub(crate) responder: ResponderId,
    pub(crate) produced_at: Timestamp,
    pub(crate) responses: Vec<SingleResponse>,
    pub(crate) nonce: Option<Vec<u8>>,
    /// In DER: the certificate of the delegate that signs, if any.
    pub(crate) certificates: Vec<Vec<u8>>,
}

/// ResponderID.
#[derive(Debug, Clone)]
pub(crate) enum ResponderId {
    /// By name, in DER.
    Name(Vec<u8>),
    /// By SHA-1 over the key.
    KeyHash(Vec<u8>),
}

/// An error response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OcspFailure {
    MalformedRequest = 1,
    InternalError = 2,
    Unauthorized = 6,
}

impl OcspResponse {
    /// The whole OCSPResponse in DER.
    pub(crate) fn sign(&self, key: &KeyPair) -> Result<Vec<u8>, PkiError> {
        let data = self.data();
        let signature = key.sign(&data).map_err(PkiError::make("an OCSP response"))?;
        let certificates = match self.certificates.as_slice() {
            [] => Vec::new(),
            list => element(constructed(0), &element(SEQUENCE, &list.concat())),
        };
        let signature = element(BIT_STRING, &[&[0], signature.as_slice()].concat());
        let basic = sequence(&[&data, &algorithm(key), &signature, &certificates]);
        let bytes = sequence(&[&element(OBJECT_IDENTIFIER, BASIC), &element(OCTET_STRING, &basic)]);
        Ok(sequence(&[&element(ENUMERATED, &[0]), &element(constructed(0), &bytes)]))
    }

    /// ResponseData: the signed bytes.
    pub(crate) fn data(&self) -> Vec<u8> {
        let responder = match &self.responder {
            ResponderId::Name(name) => element(constructed(1), name),
            ResponderId::KeyHash(hash) => element(constructed(2), &element(OCTET_STRING, hash)),
        };
        let responses: Vec<u8> = self.responses.iter().flat_map(single).collect();
        let extensions =
            self.nonce.as_deref().map_or_else(Vec::new, |nonce| element(constructed(1), &nonce_list(nonce)));
        let responses = element(SEQUENCE, &responses);
        sequence(&[&responder, &generalized_time(self.produced_at), &responses, &extensions])
    }
}

impl OcspFailure {
    /// The whole OCSPResponse in DER. Error responses are not signed.
    pub(crate) fn to_der(self) -> Vec<u8> {
        sequence(&[&element(ENUMERATED, &[self as u8])])
    }
}

fn single(response: &SingleResponse) -> Vec<u8> {
    let status = match response.status {
        CertStatus::Good => element(context(0), &[]),
        CertStatus::Unknown => element(context(2), &[]),
        CertStatus::Revoked { when, reason } => {
            let reason =
                reason.map_or_else(Vec::new, |code| element(constructed(0), &element(ENUMERATED, &[code])));
            element(constructed(1), &[generalized_time(when), reason].concat())
        }
    };
    let next =
        response.next_update.map_or_else(Vec::new, |time| element(constructed(0), &generalized_time(time)));
    sequence(&[&response.id.to_der(), &status, &generalized_time(response.this_update), &next])
}

/// The AlgorithmIdentifier with which a key of this PKI signs.
pub(crate) fn algorithm(key: &KeyPair) -> Vec<u8> {
    let oid: (&[u8], &[u8]) = if key.is_compatible(&rcgen::PKCS_RSA_SHA256) {
        (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11], &[der::NULL, 0])
    } else if key.is_compatible(&rcgen::PKCS_ECDSA_P384_SHA384) {
        (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3], &[])
    } else if key.is_compatible(&rcgen::PKCS_ECDSA_P521_SHA512) {
        (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 4], &[])
    } else {
        (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2], &[])
    };
    sequence(&[&element(OBJECT_IDENTIFIER, oid.0), oid.1])
}
