//! The rules for accepting an OCSP response (A9.3, RFC 6960 3.2). Pure.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::cert_id::CertId;
use super::response::{BasicResponse, Responder, ResponseStatus, SingleResponse};
use crate::revocation::{CertIdHash, CertStatus, IssuedCertificate};
use crate::x509::der::Malformed;
use crate::x509::{CertificateFacts, KeyPurpose, Signed};

/// What a response is verified against.
#[derive(Debug, Clone, Copy)]
pub struct Expectation<'a> {
    /// The certificate in question.
    pub issued: &'a IssuedCertificate,
    /// The signers configured for its issuer.
    pub signers: &'a [Arc<CertificateFacts>],
    /// The nonce of the request.
    pub nonce: NonceRule<'a>,
    /// The current time.
    pub now: Timestamp,
    /// The tolerated clock skew.
    pub skew: SignedDuration,
    /// The maximum age, whatever nextUpdate is.
    pub max_age: Option<SignedDuration>,
    /// The lifetime of a response without nextUpdate.
    pub default_lifetime: SignedDuration,
}

/// The rule for the nonce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NonceRule<'a> {
    /// No nonce was sent, or the response comes from the cache: nothing to compare with.
    Any,
    /// A nonce, if present, must equal this one.
    Same(&'a [u8]),
    /// This nonce must be present.
    Required(&'a [u8]),
}

/// The content of an accepted response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedResponse {
    /// The status of the certificate.
    pub status: CertStatus,
    /// Whether it is fresh now.
    pub fresh: bool,
    /// thisUpdate.
    pub this_update: Timestamp,
    /// nextUpdate.
    pub next_update: Option<Timestamp>,
    /// The end of its validity, with all limits.
    pub expires: Timestamp,
    /// The name of the signer.
    pub responder: String,
    /// notAfter of the delegate or configured signer; none when the issuer signed.
    pub signer_expires: Option<Timestamp>,
    /// The delegate that signed, if its own status must be checked by CRL: it lacks id-pkix-ocsp-nocheck (RFC
    /// 6960 4.2.2.2.1).
    pub unchecked_delegate: Option<Arc<CertificateFacts>>,
}

/// Why a response is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OcspError {
    /// Not a basic response in DER.
    #[error("not a basic OCSP response in DER")]
    Malformed,
    /// An error response.
    #[error("responder returned the error {}", .0.name())]
    Status(ResponseStatus),
    /// It has no status for the certificate in question.
    #[error("response is not about the certificate in question")]
    OtherCertificate,
    /// No possible signer matches the ResponderID.
    #[error("ResponderID matches neither the issuer, nor a configured signer, nor a delegate")]
    Responder,
    /// The signer is not authorised.
    #[error("signer is not authorised: {0}")]
    Signer(DelegateFault),
    /// The signature does not verify.
    #[error("signature of the response is invalid")]
    Signature,
    /// An unknown critical extension.
    #[error("response has an unknown critical extension")]
    CriticalExtension,
    /// The nonce of another request.
    #[error("nonce differs from that of the request")]
    Nonce,
    /// The required nonce is missing.
    #[error("response has no nonce")]
    NonceMissing,
}

/// Why a delegate is not authorised (RFC 6960 4.2.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DelegateFault {
    /// Another key issued it.
    #[error("another key issued its certificate")]
    Issuer,
    /// id-kp-OCSPSigning is missing.
    #[error("its extended key usage lacks OCSPSigning")]
    Purpose,
    /// keyUsage lacks digitalSignature.
    #[error("its key usage lacks digitalSignature")]
    KeyUsage,
    /// It has expired, or is not valid yet.
    #[error("its certificate has expired or is not valid yet")]
    Validity,
    /// An unknown critical extension.
    #[error("its certificate has an unknown critical extension")]
    CriticalExtension,
}

impl From<Malformed> for OcspError {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

/// Parses and verifies a response. A response that is not fresh is returned as such: it can still revoke.
///
/// # Errors
/// When the response is rejected.
pub fn verify(response: &[u8], expected: &Expectation<'_>) -> Result<VerifiedResponse, OcspError> {
    let basic = BasicResponse::read(response)?.map_err(OcspError::Status)?;
    // The signature first: anyone may have written the rest.
    let signer = signer(&basic, expected)?;
    let ids = CertIdHash::ALL.map(|hash| CertId::for_certificate(expected.issued, hash));
    let responses = basic.responses_where(|id| ids.contains(id))?;
    let single = worst_entry(&responses).ok_or(OcspError::OtherCertificate)?;
    if signer.has_expired && !matches!(single.status, CertStatus::Revoked { .. }) {
        return Err(OcspError::Signer(DelegateFault::Validity));
    }
    if basic.unknown_critical || single.unknown_critical {
        return Err(OcspError::CriticalExtension);
    }
    check_nonce(basic.nonce, expected.nonce)?;
    let lifetime =
        single.next_update.or_else(|| single.this_update.checked_add(expected.default_lifetime).ok());
    let max_age = expected.max_age.and_then(|age| single.this_update.checked_add(age).ok());
    // A response ends with the certificate of its signer: after a restart it would not be accepted either.
    let limits = [lifetime, max_age, signer.expires];
    let expires = limits.into_iter().flatten().min().unwrap_or(single.this_update);
    let begun = expected.now.checked_add(expected.skew).is_ok_and(|latest| single.this_update <= latest);
    let lasts = expected.now.checked_sub(expected.skew).is_ok_and(|earliest| earliest <= expires);
    Ok(VerifiedResponse {
        status: single.status,
        fresh: begun && lasts,
        this_update: single.this_update,
        next_update: single.next_update,
        expires,
        responder: signer.name,
        signer_expires: signer.expires,
        unchecked_delegate: signer.unchecked,
    })
}

/// Of several entries for the certificate, the most severe; of equal ones the newest.
fn worst_entry(responses: &[SingleResponse]) -> Option<&SingleResponse> {
    responses.iter().max_by_key(|single| {
        let severity = match single.status {
            CertStatus::Good => 0,
            CertStatus::Unknown => 1,
            CertStatus::Revoked { .. } => 2,
        };
        (severity, single.this_update)
    })
}

fn check_nonce(found: Option<&[u8]>, rule: NonceRule<'_>) -> Result<(), OcspError> {
    match (rule, found) {
        (NonceRule::Any, _) | (NonceRule::Same(_), None) => Ok(()),
        (NonceRule::Required(_), None) => Err(OcspError::NonceMissing),
        (NonceRule::Same(sent) | NonceRule::Required(sent), Some(found)) => {
            if sent == found {
                Ok(())
            } else {
                Err(OcspError::Nonce)
            }
        }
    }
}

struct Signer {
    name: String,
    expires: Option<Timestamp>,
    unchecked: Option<Arc<CertificateFacts>>,
    /// Its certificate was valid when it signed, and is not now: only a revocation holds.
    has_expired: bool,
}

/// When the certificate of a signer is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Validity {
    Now,
    /// At producedAt only.
    WhenSigned,
    Never,
}

/// The signer whose signature verifies: the issuer, a configured signer, or a delegate of the issuer's key.
/// One whose certificate is valid now is preferred.
fn signer(basic: &BasicResponse<'_>, expected: &Expectation<'_>) -> Result<Signer, OcspError> {
    let issuer = &expected.issued.issuer;
    let fits = |name: &[u8], key_hash: &[u8]| match basic.responder {
        Responder::Name(responder) => responder == name,
        Responder::KeyHash(responder) => responder == key_hash,
    };
    let mut refused = OcspError::Responder;
    let mut expired = None;
    if fits(issuer.name(), &issuer.key_hash()) {
        match basic.signed.verify(issuer.key()) {
            Ok(()) => {
                let name = expected.issued.certificate.issuer.to_string();
                return Ok(Signer { name, expires: None, unchecked: None, has_expired: false });
            }
            Err(_) => refused = OcspError::Signature,
        }
    }
    for configured in
        expected.signers.iter().filter(|signer| fits(signer.subject.as_der(), &key_hash(signer)))
    {
        match (validity(configured, expected, basic), basic.signed.verify(&configured.public_key)) {
            (_, Err(_)) => refused = OcspError::Signature,
            (Validity::Never, Ok(())) => refused = OcspError::Signer(DelegateFault::Validity),
            (validity, Ok(())) => match Signer::new(configured, validity) {
                valid @ Signer { has_expired: false, .. } => return Ok(valid),
                late => expired = expired.or(Some(late)),
            },
        }
    }
    for der in &basic.certificates {
        let Ok(delegate) = CertificateFacts::read(der) else { continue };
        if !fits(delegate.subject.as_der(), &key_hash(&delegate)) {
            continue;
        }
        // Authorisation first: an unauthorised certificate costs no verification of the response.
        match check_delegate(der, &delegate, expected, basic) {
            Err(lack) => refused = OcspError::Signer(lack),
            Ok(_) if basic.signed.verify(&delegate.public_key).is_err() => refused = OcspError::Signature,
            Ok(validity) => {
                let mut signer = Signer::new(&delegate, validity);
                signer.unchecked = (!delegate.ocsp_no_check).then(|| Arc::new(delegate));
                if !signer.has_expired {
                    return Ok(signer);
                }
                expired = expired.or(Some(signer));
            }
        }
    }
    expired.ok_or(refused)
}

impl Signer {
    fn new(certificate: &CertificateFacts, validity: Validity) -> Self {
        Self {
            name: certificate.subject.to_string(),
            expires: Some(certificate.not_after),
            unchecked: None,
            has_expired: validity != Validity::Now,
        }
    }
}

fn key_hash(certificate: &CertificateFacts) -> Vec<u8> {
    crate::revocation::Issuer::from_certificate(certificate).key_hash()
}

fn check_delegate(
    der: &[u8],
    delegate: &CertificateFacts,
    expected: &Expectation<'_>,
    basic: &BasicResponse<'_>,
) -> Result<Validity, DelegateFault> {
    let issuer = &expected.issued.issuer;
    // anyExtendedKeyUsage does not delegate: RFC 6960 4.2.2.2 requires this purpose.
    if !delegate.purposes.contains(&KeyPurpose::OcspSigning) {
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
    let issued = delegate.issuer.as_der() == issuer.name()
        && Signed::read(der).is_ok_and(|signed| signed.verify(issuer.key()).is_ok());
    if issued { Ok(validity) } else { Err(DelegateFault::Issuer) }
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
