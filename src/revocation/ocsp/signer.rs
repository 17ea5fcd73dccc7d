//! The signer of an OCSP response: the issuer, a configured signer, or a delegate (RFC 6960 4.2.2.2). Pure.

use std::sync::Arc;

use jiff::Timestamp;

use super::error::{DelegateFault, OcspError};
use super::expectation::Expectation;
use super::response::{BasicResponse, Responder};
use crate::model::Fingerprint;
use crate::revocation::Issuer;
use crate::x509::der::{Element, INTEGER, Malformed, SEQUENCE, constructed};
use crate::x509::{CertificateFacts, CertificateOutline, ComparableName, KeyPurpose, SignatureError, Signed};

/// The signer whose signature verified.
pub(super) struct Signer<'a> {
    pub(super) name: String,
    /// The end of its certificate; none for the issuer itself.
    pub(super) expires: Option<Timestamp>,
    /// A delegate whose own status must be checked.
    pub(super) unchecked: Option<Arc<CertificateFacts>>,
    /// Its certificate was valid when it signed, and is not now: only a revocation holds.
    pub(super) has_expired: bool,
    /// Its certificate as the response contains it: the only one that a verifier of the response needs.
    /// Some clients do not verify a response of the issuer without it (wolfSSL).
    pub(super) certificate: Option<&'a [u8]>,
}

/// When the certificate of a signer is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Validity {
    Now,
    /// At producedAt only.
    WhenSigned,
    Never,
}

impl<'a> Signer<'a> {
    /// The signer whose signature verifies: the issuer, a configured signer, or a delegate of the issuer's
    /// key. One whose certificate is valid now is preferred.
    pub(super) fn find(basic: &BasicResponse<'a>, expected: &Expectation<'_>) -> Result<Self, OcspError> {
        check_certificates(basic, expected)?;
        let issuer = &expected.issued.issuer;
        let mut refused = OcspError::Responder;
        let mut expired = None;
        if is_responder(basic, issuer.name(), &issuer.key_hash()) {
            match basic.signed.verify(issuer.key()) {
                Ok(()) => {
                    let name = expected.issued.certificate.issuer.to_string();
                    let (expires, unchecked) = (None, None);
                    let certificate = certificate_in(basic, issuer.certificate());
                    return Ok(Self { name, expires, unchecked, has_expired: false, certificate });
                }
                Err(error) => refused = refused.or_nearer(error.into()),
            }
        }
        let configured = expected.signers.iter().map(|signer| configured(signer, basic, expected));
        let delegates = basic.certificates.iter().map(|der| delegate(der, basic, expected));
        for candidate in configured.chain(delegates) {
            match candidate {
                Ok(None) => {}
                Ok(Some(valid)) if !valid.has_expired => return Ok(valid),
                Ok(Some(late)) => expired = expired.or(Some(late)),
                Err(error) => refused = refused.or_nearer(error),
            }
        }
        expired.ok_or(refused)
    }

    fn new(certificate: &CertificateFacts, validity: Validity, der: Option<&'a [u8]>) -> Self {
        Self {
            name: certificate.subject.to_string(),
            expires: Some(certificate.not_after),
            unchecked: None,
            has_expired: validity != Validity::Now,
            certificate: der,
        }
    }
}

/// Each element of the list is a certificate of a reasonable size, also those that are not needed. They are
/// not signed, so nothing more is known about them.
fn check_certificates(basic: &BasicResponse<'_>, expected: &Expectation<'_>) -> Result<(), OcspError> {
    let count = basic.certificates.len();
    if count > expected.max_certificates {
        return Err(OcspError::TooManyCertificates(count));
    }
    for der in &basic.certificates {
        if der.len() > MAX_CERTIFICATE_BYTES {
            return Err(OcspError::Signer(DelegateFault::TooLarge));
        }
        CertificateOutline::read(der).map_err(|_| OcspError::Signer(DelegateFault::Malformed))?;
    }
    Ok(())
}

/// The certificate with this fingerprint, if the response contains it.
fn certificate_in<'a>(basic: &BasicResponse<'a>, fingerprint: Option<Fingerprint>) -> Option<&'a [u8]> {
    let fingerprint = fingerprint?;
    basic.certificates.iter().copied().find(|der| Fingerprint::sha256(der) == fingerprint)
}

fn is_responder(basic: &BasicResponse<'_>, name: &ComparableName, key_hash: &[u8]) -> bool {
    match basic.responder {
        Responder::Name(responder) => name.matches(responder),
        Responder::KeyHash(responder) => responder == key_hash,
    }
}

/// Whether the ResponderID is that of a certificate.
fn is_responder_certificate(basic: &BasicResponse<'_>, certificate: &CertificateFacts) -> bool {
    let issuer = Issuer::from_certificate(certificate);
    is_responder(basic, issuer.name(), &issuer.key_hash())
}

/// A configured signer; none if the response names another one.
fn configured<'a>(
    signer: &CertificateFacts,
    basic: &BasicResponse<'a>,
    expected: &Expectation<'_>,
) -> Result<Option<Signer<'a>>, OcspError> {
    if !is_responder_certificate(basic, signer) {
        return Ok(None);
    }
    basic.signed.verify(&signer.public_key)?;
    match validity(signer, expected, basic) {
        Validity::Never => Err(OcspError::Signer(DelegateFault::Validity)),
        validity => {
            let own = certificate_in(basic, Some(signer.fingerprint));
            Ok(Some(Signer::new(signer, validity, own)))
        }
    }
}

/// A delegate, by a certificate of the response; none if the response names another one.
fn delegate<'a>(
    der: &'a [u8],
    basic: &BasicResponse<'_>,
    expected: &Expectation<'_>,
) -> Result<Option<Signer<'a>>, OcspError> {
    let delegate = CertificateFacts::read(der).map_err(|_| OcspError::Signer(DelegateFault::Malformed))?;
    // Some responders add the certificate of the issuer itself. It is no delegate, and its key was tried.
    let is_issuer = delegate.public_key == *expected.issued.issuer.key() && !may_sign_ocsp(&delegate);
    if is_issuer || !is_responder_certificate(basic, &delegate) {
        return Ok(None);
    }
    // Authorisation first: an unauthorised certificate costs no verification of the response.
    let validity = check_delegate(der, &delegate, expected, basic).map_err(OcspError::Signer)?;
    basic.signed.verify(&delegate.public_key)?;
    let mut signer = Signer::new(&delegate, validity, Some(der));
    signer.unchecked = (!delegate.ocsp_no_check).then(|| Arc::new(delegate));
    Ok(Some(signer))
}

/// anyExtendedKeyUsage does not delegate: RFC 6960 4.2.2.2 requires this purpose.
fn may_sign_ocsp(certificate: &CertificateFacts) -> bool {
    certificate.purposes.contains(&KeyPurpose::OcspSigning)
}

fn check_delegate(
    der: &[u8],
    delegate: &CertificateFacts,
    expected: &Expectation<'_>,
    basic: &BasicResponse<'_>,
) -> Result<Validity, DelegateFault> {
    let issuer = &expected.issued.issuer;
    if !may_sign_ocsp(delegate) {
        return Err(DelegateFault::Purpose);
    }
    if delegate.key_usage.is_some_and(|usage| !usage.digital_signature) {
        return Err(DelegateFault::KeyUsage);
    }
    if delegate.unknown_critical {
        return Err(DelegateFault::CriticalExtension);
    }
    let validity = validity(delegate, expected, basic);
    if validity == Validity::Never {
        return Err(DelegateFault::Validity);
    }
    if !issuer.name().matches(delegate.issuer.as_der()) {
        return Err(DelegateFault::Issuer);
    }
    let signed = Signed::read(der).map_err(|_| DelegateFault::Malformed)?;
    if signed_algorithm(&signed) != Ok(signed.algorithm) {
        return Err(DelegateFault::Malformed);
    }
    match signed.verify(issuer.key()) {
        Ok(()) => Ok(validity),
        Err(SignatureError::Wrong) => Err(DelegateFault::Issuer),
        Err(error) => Err(DelegateFault::SignatureAlgorithm(error)),
    }
}

/// The algorithm inside the signed part of a certificate. The one beside it is not signed, and must be the
/// same (RFC 5280 4.1.1.2).
fn signed_algorithm<'a>(certificate: &Signed<'a>) -> Result<&'a [u8], Malformed> {
    let mut fields = Element::whole(certificate.message, SEQUENCE)?.reader();
    fields.optional(constructed(0))?;
    fields.expect(INTEGER)?;
    Ok(fields.expect(SEQUENCE)?.raw)
}

/// Within its validity now, give or take the skew: a delegate's certificate may be minutes old. A revocation
/// that it signed while valid holds for good.
fn validity(signer: &CertificateFacts, expected: &Expectation<'_>, basic: &BasicResponse<'_>) -> Validity {
    let at = |now: Timestamp| {
        let begun = now.checked_add(expected.skew).is_ok_and(|latest| signer.not_before <= latest);
        let lasts = now.checked_sub(expected.skew).is_ok_and(|earliest| earliest <= signer.not_after);
        begun && lasts
    };
    if at(expected.now) {
        Validity::Now
    } else if at(basic.produced_at) {
        Validity::WhenSigned
    } else {
        Validity::Never
    }
}

/// A certificate is parsed before the signature is verified: it holds the key. A delegate's has 1 to 3 KB.
const MAX_CERTIFICATE_BYTES: usize = 16 << 10;
