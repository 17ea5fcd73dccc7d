//! What makes a response count (A9.3, RFC 6960 3.2).

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::response::{BasicResponse, Responder, ResponseStatus, SingleResponse};
use crate::revocation::{CertStatus, IssuedCertificate};
use crate::x509::der::Malformed;
use crate::x509::{CertificateFacts, KeyPurpose, Signed};

/// What a response is held against.
#[derive(Debug, Clone, Copy)]
pub struct Expectation<'a> {
    /// The certificate that was asked about.
    pub issued: &'a IssuedCertificate,
    /// Signers that are configured for its issuer.
    pub signers: &'a [Arc<CertificateFacts>],
    /// The nonce of the request.
    pub nonce: NonceRule<'a>,
    /// The time.
    pub now: Timestamp,
    /// How far clocks may be apart.
    pub skew: SignedDuration,
    /// How old an answer may be, whatever its nextUpdate says.
    pub max_age: Option<SignedDuration>,
    /// How long an answer without nextUpdate counts.
    pub default_lifetime: SignedDuration,
}

/// What is expected of the nonce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NonceRule<'a> {
    /// None was sent, or the response is a kept one: there is nothing to compare with.
    Any,
    /// If there is one, it is this.
    Same(&'a [u8]),
    /// There is one, and it is this.
    Required(&'a [u8]),
}

/// What an accepted response says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedResponse {
    /// About the certificate.
    pub status: CertStatus,
    /// Whether it counts now.
    pub fresh: bool,
    /// When it was known to be so.
    pub this_update: Timestamp,
    /// What the response says of the next.
    pub next_update: Option<Timestamp>,
    /// Until when it counts, with all limits.
    pub expires: Timestamp,
    /// Who signed.
    pub responder: String,
    /// The end of the certificate of whoever signed in the issuer's place; none when the issuer did.
    pub signer_expires: Option<Timestamp>,
    /// The delegate that signed, if its own status is still to be looked up in a CRL: it has no
    /// id-pkix-ocsp-nocheck (RFC 6960 4.2.2.2.1).
    pub unchecked_delegate: Option<Arc<CertificateFacts>>,
}

/// UndeterminedReason a response does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OcspError {
    /// Not a basic response in DER.
    #[error("not a basic OCSP response in DER")]
    Malformed,
    /// The responder answers with an error.
    #[error("the responder answers {}", .0.name())]
    Status(ResponseStatus),
    /// It is about other certificates.
    #[error("the response is not about the certificate that was asked about")]
    OtherCertificate,
    /// No candidate fits its ResponderID.
    #[error("neither the issuer nor a delegate of the issuer fits the ResponderID")]
    Responder,
    /// The candidate may not sign.
    #[error("the signer is not check_delegate: {0}")]
    Signer(DelegateFault),
    /// The signature is wrong.
    #[error("the signature of the response is wrong")]
    Signature,
    /// A critical extension that is not understood.
    #[error("the response has a critical extension that is not understood")]
    CriticalExtension,
    /// The nonce of another request.
    #[error("the nonce is not that of the request")]
    Nonce,
    /// No nonce, and one is required.
    #[error("the response has no nonce")]
    NonceMissing,
}

/// What a delegate lacks (RFC 6960 4.2.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DelegateFault {
    /// It was issued by somebody else.
    #[error("it was not issued by the key that issued the certificate")]
    Issuer,
    /// id-kp-OCSPSigning is missing.
    #[error("its extended key usage lacks OCSPSigning")]
    Purpose,
    /// Its keyUsage does not let it sign.
    #[error("its key usage lacks digitalSignature")]
    KeyUsage,
    /// It has expired, or is not valid yet.
    #[error("it is not within its validity")]
    Validity,
    /// A critical extension that is not understood.
    #[error("it has a critical extension that is not understood")]
    CriticalExtension,
}

impl From<Malformed> for OcspError {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

/// Reads a response and holds it against what is expected. An answer that is not fresh is returned as such: it can
/// still revoke.
///
/// # Errors
/// When the response does not count at all.
pub fn verify(response: &[u8], expected: &Expectation<'_>) -> Result<VerifiedResponse, OcspError> {
    let basic = BasicResponse::read(response)?.map_err(OcspError::Status)?;
    let single = worst_entry(&basic.responses, expected.issued).ok_or(OcspError::OtherCertificate)?;
    if basic.unknown_critical || single.unknown_critical {
        return Err(OcspError::CriticalExtension);
    }
    check_nonce(basic.nonce, expected.nonce)?;
    let signer = signer(&basic, expected, single)?;
    let lifetime =
        single.next_update.or_else(|| single.this_update.checked_add(expected.default_lifetime).ok());
    let limits = [lifetime, expected.max_age.and_then(|age| single.this_update.checked_add(age).ok())];
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

/// Of several entries about the certificate, the worst counts, and of equal ones the newest.
fn worst_entry<'a>(
    responses: &'a [SingleResponse],
    issued: &IssuedCertificate,
) -> Option<&'a SingleResponse> {
    let about = responses.iter().filter(|single| single.id.names(issued));
    about.max_by_key(|single| {
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
}

/// The one who signed: the issuer, one configured for it, or a delegate of its own key.
fn signer(
    basic: &BasicResponse<'_>,
    expected: &Expectation<'_>,
    single: &SingleResponse,
) -> Result<Signer, OcspError> {
    let issuer = &expected.issued.issuer;
    let fits = |name: &[u8], key_hash: &[u8]| match basic.responder {
        Responder::Name(responder) => responder == name,
        Responder::KeyHash(responder) => responder == key_hash,
    };
    let mut refused = OcspError::Responder;
    if fits(issuer.name(), &issuer.key_hash()) {
        match basic.signed.verify(issuer.key()) {
            Ok(()) => {
                let name = expected.issued.certificate.issuer.to_string();
                return Ok(Signer { name, expires: None, unchecked: None });
            }
            Err(_) => refused = OcspError::Signature,
        }
    }
    for configured in
        expected.signers.iter().filter(|signer| fits(signer.subject.as_der(), &key_hash(signer)))
    {
        match basic.signed.verify(&configured.public_key) {
            Ok(()) if is_valid_signer(configured, expected, basic, single) => {
                return Ok(Signer {
                    name: configured.subject.to_string(),
                    expires: Some(configured.not_after),
                    unchecked: None,
                });
            }
            Ok(()) => refused = OcspError::Signer(DelegateFault::Validity),
            Err(_) => refused = OcspError::Signature,
        }
    }
    for der in &basic.certificates {
        let Ok(delegate) = CertificateFacts::read(der) else { continue };
        if !fits(delegate.subject.as_der(), &key_hash(&delegate)) {
            continue;
        }
        // Entitled first: whoever is not costs no verification of the response.
        match check_delegate(der, &delegate, expected, basic, single) {
            Err(lack) => refused = OcspError::Signer(lack),
            Ok(()) if basic.signed.verify(&delegate.public_key).is_err() => refused = OcspError::Signature,
            Ok(()) => {
                let name = delegate.subject.to_string();
                let expires = Some(delegate.not_after);
                let unchecked = (!delegate.ocsp_no_check).then(|| Arc::new(delegate));
                return Ok(Signer { name, expires, unchecked });
            }
        }
    }
    Err(refused)
}

fn key_hash(certificate: &CertificateFacts) -> Vec<u8> {
    crate::revocation::Issuer::from_certificate(certificate).key_hash()
}

fn check_delegate(
    der: &[u8],
    delegate: &CertificateFacts,
    expected: &Expectation<'_>,
    basic: &BasicResponse<'_>,
    single: &SingleResponse,
) -> Result<(), DelegateFault> {
    let issuer = &expected.issued.issuer;
    // anyExtendedKeyUsage does not delegate: RFC 6960 4.2.2.2 wants this purpose by name.
    if !delegate.purposes.contains(&KeyPurpose::OcspSigning) {
        return Err(DelegateFault::Purpose);
    }
    if delegate.key_usage.is_some_and(|usage| !usage.digital_signature) {
        return Err(DelegateFault::KeyUsage);
    }
    if delegate.unknown_critical {
        return Err(DelegateFault::CriticalExtension);
    }
    if !is_valid_signer(delegate, expected, basic, single) {
        return Err(DelegateFault::Validity);
    }
    let issued = delegate.issuer.as_der() == issuer.name()
        && Signed::read(der).is_ok_and(|signed| signed.verify(issuer.key()).is_ok());
    if issued { Ok(()) } else { Err(DelegateFault::Issuer) }
}

/// In its validity now, as far as clocks agree: a delegate's certificate may be minutes old. What it said of a
/// revocation while it was valid, it said for good.
fn is_valid_signer(
    signer: &CertificateFacts,
    expected: &Expectation<'_>,
    basic: &BasicResponse<'_>,
    single: &SingleResponse,
) -> bool {
    let revoked = matches!(single.status, CertStatus::Revoked { .. });
    let at = |now: Timestamp| {
        let begun = now.checked_add(expected.skew).is_ok_and(|latest| signer.not_before <= latest);
        let lasts = now.checked_sub(expected.skew).is_ok_and(|earliest| earliest <= signer.not_after);
        begun && lasts
    };
    at(expected.now) || (revoked && at(basic.produced_at))
}
