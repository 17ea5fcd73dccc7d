//! The rules for accepting an OCSP response (A9.3, RFC 6960 3.2). Pure.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;

use super::cert_id::CertId;
use super::error::{DelegateFault, OcspError};
use super::expectation::{Expectation, NonceRule};
use super::response::{BasicResponse, SingleResponse};
use super::signed_part;
use super::signer::Signer;
use crate::revocation::{CertIdHash, CertStatus};
use crate::x509::CertificateFacts;

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

/// Parses and verifies a response. A response that is not fresh is returned as such: it can still revoke.
///
/// # Errors
/// When the response is rejected.
pub fn verify(response: &[u8], expected: &Expectation<'_>) -> Result<VerifiedResponse, OcspError> {
    accept(response, expected).map(|(answer, _)| answer)
}

/// As [`verify`], with the response to store or to staple: in a new encoding, without anything that the
/// signature does not vouch for.
///
/// # Errors
/// When the response is rejected.
pub(in crate::revocation) fn accept(
    response: &[u8],
    expected: &Expectation<'_>,
) -> Result<(VerifiedResponse, Bytes), OcspError> {
    let basic = BasicResponse::read(response)?.map_err(OcspError::Status)?;
    // The signature first: anyone may have written the rest.
    let signer = Signer::find(&basic, expected)?;
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
    let der = signed_part::encode(&basic, signer.certificate)?;
    if der.len() > MAX_STORED_BYTES && !matches!(single.status, CertStatus::Revoked { .. }) {
        return Err(OcspError::TooLarge(MAX_STORED_BYTES));
    }
    let lifetime =
        single.next_update.or_else(|| single.this_update.checked_add(expected.default_lifetime).ok());
    let max_age = expected.max_age.and_then(|age| single.this_update.checked_add(age).ok());
    // A response ends with the certificate of its signer: after a restart it would not be accepted either.
    let limits = [lifetime, max_age, signer.expires];
    let expires = limits.into_iter().flatten().min().unwrap_or(single.this_update);
    let begun = expected.now.checked_add(expected.skew).is_ok_and(|latest| single.this_update <= latest);
    let lasts = expected.now.checked_sub(expected.skew).is_ok_and(|earliest| earliest <= expires);
    let answer = VerifiedResponse {
        status: single.status,
        fresh: begun && lasts,
        this_update: single.this_update,
        next_update: single.next_update,
        expires,
        responder: signer.name,
        signer_expires: signer.expires,
        unchecked_delegate: signer.unchecked,
    };
    Ok((answer, der.into()))
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

/// Bytes of an accepted response, as it is stored for each device. A revocation may be larger: it is not
/// ignored.
const MAX_STORED_BYTES: usize = 64 << 10;
