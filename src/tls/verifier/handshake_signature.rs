//! The signature of CertificateVerify. rustls would parse the whole certificate with webpki for its key.

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{CertificateDer, SubjectPublicKeyInfoDer};
use rustls::{CertificateError, DigitallySignedStruct, Error, PeerMisbehaved};

use crate::tls::raw_key;
use crate::x509::CertificateOutline;
use crate::x509::der::Malformed;

/// RFC 5246 7.4.8. In TLS 1.2 the scheme does not determine the curve.
pub(in crate::tls) fn verify_tls12(
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<HandshakeSignatureValid, Error> {
    let of_scheme = algorithms.mapping.iter().find(|(scheme, _)| *scheme == signed.scheme);
    let (_, candidates) = of_scheme.ok_or(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme)?;
    let valid = raw_key::verify(certificate, candidates, message, signed.signature())
        .map_err(|Malformed| CertificateError::BadEncoding)?;
    if valid { Ok(HandshakeSignatureValid::assertion()) } else { Err(CertificateError::BadSignature.into()) }
}

/// RFC 8446 4.4.3.
pub(in crate::tls) fn verify_tls13(
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<HandshakeSignatureValid, Error> {
    let outline = CertificateOutline::read(certificate).map_err(|Malformed| CertificateError::BadEncoding)?;
    let key = SubjectPublicKeyInfoDer::from(outline.public_key);
    verify_tls13_signature_with_raw_key(message, &key, signed, algorithms)
}
