//! Signatures with the key of a certificate, without a look at the rest of the certificate.

use rustls::pki_types::{CertificateDer, SignatureVerificationAlgorithm};

use crate::x509::CertificateOutline;
use crate::x509::der::{BIT_STRING, Element, Malformed, SEQUENCE};

/// Whether the key of `certificate` made the signature, with the one of `algorithms` that is for such keys.
///
/// # Errors
/// When the certificate is malformed.
pub(super) fn verify(
    certificate: &CertificateDer<'_>,
    algorithms: &[&dyn SignatureVerificationAlgorithm],
    message: &[u8],
    signature: &[u8],
) -> Result<bool, Malformed> {
    let outline = CertificateOutline::read(certificate)?;
    let mut key = Element::whole(outline.public_key, SEQUENCE)?.reader();
    let kind = key.expect(SEQUENCE)?.content;
    let bits = key.expect(BIT_STRING)?.bit_string_octets()?;
    let algorithm = algorithms.iter().find(|algorithm| algorithm.public_key_alg_id().as_ref() == kind);
    Ok(algorithm.is_some_and(|algorithm| algorithm.verify_signature(bits, message, signature).is_ok()))
}
