//! Signatures of certificates.

use rustls::pki_types::SignatureVerificationAlgorithm;

use crate::model::Refusal;
use crate::x509::Signed;
use crate::x509::der::{BIT_STRING, Element, Malformed, Reader, SEQUENCE};

/// Verifies the signature with the algorithm that the certificate names and the key is for. `public_key` is
/// the content of a SubjectPublicKeyInfo.
///
/// # Errors
/// When it is wrong, none of the algorithms fits, or an identifier is malformed.
pub(super) fn verify<A: SignatureVerificationAlgorithm>(
    algorithms: &[A],
    public_key: &[u8],
    signed: &Signed<'_>,
) -> Result<(), Refusal> {
    let malformed = |_: Malformed| Refusal::MalformedCertificate;
    let mut key = Reader::new(public_key);
    let kind = key.expect(SEQUENCE).map_err(malformed)?.content;
    let bits = key.expect(BIT_STRING).and_then(|bits| bits.bit_string_octets()).map_err(malformed)?;
    let identifier = Element::whole(signed.algorithm, SEQUENCE).map_err(malformed)?.content;
    let fits = |algorithm: &&A| {
        algorithm.signature_alg_id().as_ref() == identifier && algorithm.public_key_alg_id().as_ref() == kind
    };
    let algorithm = algorithms.iter().find(fits).ok_or(Refusal::UnacceptableSignature)?;
    algorithm.verify_signature(bits, signed.message, signed.signature).map_err(|_| Refusal::BadSignature)
}
