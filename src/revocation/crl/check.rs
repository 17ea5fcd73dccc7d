//! The status of a certificate by verified CRLs (A9.3, RFC 5280 6.3.3). Pure.

use std::cmp::Ordering;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use sha2::Digest as _;

use super::number::compare;
use super::read::{Crl, CrlParseError, Entry, REMOVE_FROM_CRL};
use crate::revocation::{CertStatus, IssuedCertificate, Issuer};
use crate::x509::{Reasons, SignatureError};

/// A CRL whose signature was verified with one issuer's key.
#[derive(Debug, Clone)]
pub struct VerifiedCrl {
    crl: Arc<Crl>,
    signer: Arc<Issuer>,
    series: [u8; 32],
}

/// Why the verification of a CRL failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CrlVerifyError {
    /// The CRL has another issuer.
    #[error("CRL has another issuer")]
    OtherIssuer,
    /// The issuer's keyUsage lacks cRLSign.
    #[error("key usage of the issuer lacks cRLSign")]
    KeyUsage,
    /// The signature does not verify.
    #[error("{0}")]
    Signature(SignatureError),
    /// The entries cannot be used.
    #[error("{0}")]
    Content(CrlParseError),
}

/// The certificate in question, and the time.
#[derive(Debug, Clone, Copy)]
pub struct CrlQuery<'a> {
    /// The certificate.
    pub issued: &'a IssuedCertificate,
    /// The signers whose certificates are verified to the trust anchor of the certificate: a CA with a new
    /// key under the same name may sign its CRLs with that (RFC 5280 6.3.3 f).
    pub signers: &'a [Arc<Issuer>],
    /// The current time.
    pub now: Timestamp,
    /// The tolerated clock skew.
    pub skew: SignedDuration,
}

impl VerifiedCrl {
    /// Verifies that `issuer` signed the CRL and is authorised to.
    ///
    /// # Errors
    /// When the signature or the authorisation is missing.
    pub fn new(crl: Arc<Crl>, issuer: Arc<Issuer>) -> Result<Self, CrlVerifyError> {
        if crl.issuer != *issuer.name() {
            return Err(CrlVerifyError::OtherIssuer);
        }
        if !issuer.signs_crls() {
            return Err(CrlVerifyError::KeyUsage);
        }
        let signed = crl.signed().map_err(|_| CrlVerifyError::Signature(SignatureError::Wrong))?;
        signed.verify(issuer.key()).map_err(CrlVerifyError::Signature)?;
        crl.parse_entries().map_err(CrlVerifyError::Content)?;
        let mut series = sha2::Sha256::new();
        series.update(issuer.identity());
        series.update([u8::from(crl.base.is_some())]);
        series.update(&crl.scope_der);
        Ok(Self { series: series.finalize().into(), crl, signer: issuer })
    }

    /// SHA-256 over issuer and key, scope, and kind (complete or delta). CRLs of one series succeed one
    /// another, and their numbers grow.
    #[must_use]
    pub const fn series(&self) -> [u8; 32] {
        self.series
    }

    /// The CRL.
    #[must_use]
    pub const fn crl(&self) -> &Arc<Crl> {
        &self.crl
    }

    /// Its signer.
    #[must_use]
    pub const fn signer(&self) -> &Arc<Issuer> {
        &self.signer
    }

    fn is_fresh(&self, query: &CrlQuery<'_>) -> bool {
        let begun = query.now.checked_add(query.skew).is_ok_and(|latest| self.crl.this_update <= latest);
        let lasts = query.now.checked_sub(query.skew).is_ok_and(|earliest| earliest <= self.crl.next_update);
        begun && lasts
    }

    /// RFC 5280 5.2.4: same signer, same scope, and a base at least as new as BaseCRLNumber.
    fn is_delta_of(&self, base: &Self) -> bool {
        let Some(minimum) = &self.crl.base else { return false };
        let (Some(own), Some(number)) = (&self.crl.number, &base.crl.number) else { return false };
        base.crl.base.is_none()
            && self.signer == base.signer
            && self.crl.scope == base.crl.scope
            && compare(number, minimum) != Ordering::Less
            && compare(number, own) == Ordering::Less
    }
}

/// The status by all these CRLs together, whether it is fresh, and the CRL that decides. `None` when no CRL
/// covers the certificate.
///
/// "Not listed" means good only when fresh CRLs cover every reason.
#[must_use]
pub fn evaluate<'a>(
    query: &CrlQuery<'_>,
    crls: &'a [VerifiedCrl],
) -> Option<(CertStatus, bool, &'a VerifiedCrl)> {
    let mut covered = Reasons::NONE;
    let mut good: Option<&VerifiedCrl> = None;
    let mut stale: Option<&VerifiedCrl> = None;
    let mut revoked: Option<(Entry, bool, &VerifiedCrl)> = None;
    for base in crls.iter().filter(|list| list.crl.base.is_none()) {
        // An indirect CRL has another signer. A direct CRL must be signed by the key that issued the
        // certificate or by a verified successor of it, not by just any key of the same name.
        let issued = query.issued;
        let own = base.crl.issuer != *issued.issuer.name()
            || base.signer.key() == issued.issuer.key()
            || query.signers.contains(&base.signer);
        let reasons = base.crl.scope.covers(&base.crl.issuer, issued);
        if !own || reasons.is_empty() {
            continue;
        }
        let delta = crls.iter().filter(|delta| delta.is_delta_of(base)).max_by(|one, other| {
            compare(
                one.crl.number.as_deref().unwrap_or_default(),
                other.crl.number.as_deref().unwrap_or_default(),
            )
        });
        match find_entry(base, delta, query) {
            Some((entry, fresh)) => {
                let worse = revoked.is_none_or(|(_, known, _)| fresh && !known);
                if worse {
                    revoked = Some((entry, fresh, base));
                }
            }
            None if base.is_fresh(query) => {
                covered = covered.union(reasons);
                good = good.filter(|known| known.crl.this_update >= base.crl.this_update).or(Some(base));
            }
            None => stale = stale.or(Some(base)),
        }
    }
    if let Some((entry, fresh, list)) = revoked {
        return Some((CertStatus::Revoked { when: entry.when, reason: entry.reason }, fresh, list));
    }
    match good {
        Some(list) if covered == Reasons::ALL => Some((CertStatus::Good, true, list)),
        Some(list) => Some((CertStatus::Good, false, list)),
        None => stale.map(|list| (CertStatus::Good, false, list)),
    }
}

/// The entry that counts, and whether its CRL is fresh. An expired delta can revoke but not remove an entry.
fn find_entry(
    base: &VerifiedCrl,
    delta: Option<&VerifiedCrl>,
    query: &CrlQuery<'_>,
) -> Option<(Entry, bool)> {
    let issued = query.issued;
    let entry =
        |list: &VerifiedCrl| list.crl.entry(issued.certificate.serial.as_octets(), issued.issuer.name());
    if let Some((delta, changed)) = delta.and_then(|delta| Some((delta, entry(delta)?))) {
        let fresh = delta.is_fresh(query);
        match changed.reason {
            Some(REMOVE_FROM_CRL) if fresh => return None,
            Some(REMOVE_FROM_CRL) => {}
            _ => return Some((changed, fresh)),
        }
    }
    entry(base).map(|entry| (entry, base.is_fresh(query)))
}
