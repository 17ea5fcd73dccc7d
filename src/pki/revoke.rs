//! Revocation of certificates, and publication of CRLs.

use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp};
use rcgen::{CertificateRevocationListParams, KeyIdMethod, RevokedCertParams, SerialNumber};

use super::authority::Authority;
use super::certify;
use super::error::PkiError;
use super::file::{self, Access};
use super::index::{Index, LockedIndex, Revoked};
use super::reason::RevocationReason;
use super::test_pki::TestPki;
use crate::x509::{CertificateFacts, Serial, pem};

/// A recorded revocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// The CA that issued the certificate.
    pub issuer: Authority,
    /// The serial number of the certificate.
    pub serial: Serial,
}

impl TestPki {
    /// Revokes the first certificate in `certificate` (the contents of a PEM or DER file) as of now. CRLs
    /// published later contain it.
    ///
    /// # Errors
    /// When it cannot be parsed, this PKI did not issue it, or it is already revoked.
    pub fn revoke(&self, certificate: &[u8], reason: RevocationReason) -> Result<Revocation, PkiError> {
        let certificates = pem::certificates(certificate)?;
        let facts =
            certificates.first().map_or(Err(PkiError::Foreign), |der| Ok(CertificateFacts::read(der)?))?;
        let issuer = self.issuer_of(&facts)?;
        let mut locked = LockedIndex::open(&self.dir)?;
        let octets = facts.serial.as_octets();
        if locked.index.revoked.iter().any(|entry| entry.issuer == issuer && entry.serial == octets) {
            return Err(PkiError::AlreadyRevoked(facts.serial));
        }
        let revoked_at = self.clock.now().as_second();
        locked.index.revoked.push(Revoked { issuer, serial: octets.to_vec(), reason, revoked_at });
        locked.store()?;
        Ok(Revocation { issuer, serial: facts.serial })
    }

    /// Publishes a CRL of every CA, valid for `days`, under the next CRL number.
    ///
    /// # Errors
    /// When the files cannot be read or written, or the validity ends beyond the year 9999.
    pub fn publish_crls(&self, days: u32) -> Result<Vec<PathBuf>, PkiError> {
        let mut locked = LockedIndex::open(&self.dir)?;
        locked.index.crl_number = locked.index.crl_number.saturating_add(1);
        // Stored before the first CRL is published: a number may be skipped but never used twice.
        locked.store()?;
        let now = self.clock.now();
        let publish = |authority| {
            let crl = crl(authority, &locked.index, now, days)?.signed_by(&self.issuer(authority)?);
            let path = self.crl(authority);
            file::replace(&path, crl.map_err(PkiError::make("a CRL"))?.der(), Access::Public)?;
            Ok(path)
        };
        Authority::ALL.into_iter().map(publish).collect()
    }

    /// Names are the same in every test PKI; the key identifier differs.
    fn issuer_of(&self, facts: &CertificateFacts) -> Result<Authority, PkiError> {
        for authority in Authority::ALL {
            let contents = file::read(&self.certificate(authority))?;
            let ders = pem::certificates(contents.as_bytes())?;
            for der in ders {
                let candidate = CertificateFacts::read(&der)?;
                if candidate.subject.as_der() == facts.issuer.as_der()
                    && facts.authority_key_id.is_some()
                    && candidate.subject_key_id == facts.authority_key_id
                {
                    return Ok(authority);
                }
            }
        }
        Err(PkiError::Foreign)
    }
}

fn crl(
    authority: Authority,
    index: &Index,
    now: Timestamp,
    days: u32,
) -> Result<CertificateRevocationListParams, PkiError> {
    let refused = || PkiError::Validity(days);
    if days == 0 {
        return Err(refused());
    }
    let next = now.checked_add(SignedDuration::from_hours(i64::from(days) * 24)).map_err(|_| refused())?;
    let revoked = index.revoked.iter().filter(|entry| entry.issuer == authority).map(|entry| {
        let revoked_at = Timestamp::from_second(entry.revoked_at).ok().and_then(certify::moment);
        Ok(RevokedCertParams {
            serial_number: SerialNumber::from_slice(&entry.serial),
            revocation_time: revoked_at.ok_or(PkiError::RevocationTime(entry.revoked_at))?,
            reason_code: Some(entry.reason.into()),
            invalidity_date: None,
        })
    });
    let (this_update, next_update) = certify::moment(now).zip(certify::moment(next)).ok_or_else(refused)?;
    Ok(CertificateRevocationListParams {
        this_update,
        next_update,
        crl_number: SerialNumber::from(index.crl_number),
        // None: a CRL without it covers all certificates of its issuer. With it, OpenSSL's -crl_check_all
        // would find no CRL for a root, which names no distribution point.
        issuing_distribution_point: None,
        revoked_certs: revoked.collect::<Result<_, PkiError>>()?,
        key_identifier_method: KeyIdMethod::Sha256,
    })
}
