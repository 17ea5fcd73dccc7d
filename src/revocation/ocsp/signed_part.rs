//! The part of a response that a signature vouches for, in a new encoding.
//!
//! A signature covers the ResponseData only. The network can change everything around it: the
//! parameters of the algorithm, and above all the list of certificates. Clients parse all of that, so the
//! platform staples and stores none of it as received.

use super::error::OcspError;
use super::response::{BASIC, BasicResponse};
use crate::x509::der::{
    BIT_STRING, ENUMERATED, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE, constructed, element, sequence,
};

/// An OCSPResponse (RFC 6960 4.2.1) of the signed data, the signature, and the certificate of its signer if
/// that is not the issuer.
///
/// # Errors
/// When the algorithm of the signature is not known.
pub(super) fn encode(basic: &BasicResponse<'_>, certificate: Option<&[u8]>) -> Result<Vec<u8>, OcspError> {
    let signed = &basic.signed;
    let algorithm = signed.signature_algorithm().and_then(|known| known.identifier());
    let algorithm = algorithm.ok_or(OcspError::Malformed)?;
    let signature = element(BIT_STRING, &[&[0], signed.signature].concat());
    let certificates = certificate.map(|der| element(constructed(0), &element(SEQUENCE, der)));
    let certificates = certificates.unwrap_or_default();
    let basic = sequence(&[signed.message, &algorithm, &signature, &certificates]);
    let bytes = sequence(&[&element(OBJECT_IDENTIFIER, BASIC), &element(OCTET_STRING, &basic)]);
    Ok(sequence(&[&element(ENUMERATED, &[0]), &element(constructed(0), &bytes)]))
}
