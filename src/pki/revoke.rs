//! Revoking certificates, and the CRLs that say so.

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

/// What was revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// Who had issued it.
    pub issuer: Authority,
    /// Its serial number.
    pub serial: Serial,
}

impl TestPki {
    /// Records that the first certificate in `certificate` (the contents of a PEM or DER file) is revoked as of now.
    /// The next CRLs say so, not those that are out already.
    ///
    /// # Errors
    /// When it is no certificate, this PKI has not issued it, or it is revoked already.
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

    /// Publishes a CRL of every authority, good for `days`, under the next CRL number.
    ///
    /// # Errors
    /// When the files cannot be read or written, or the days lead beyond the year 9999.
    pub fn publish_crls(&self, days: u32) -> Result<Vec<PathBuf>, PkiError> {
        let mut locked = LockedIndex::open(&self.dir)?;
        locked.index.crl_number = locked.index.crl_number.saturating_add(1);
        // Before the first of them is out: a number may be left out, but never be used twice.
        locked.store()?;
        let now = self.clock.now();
        let publish = |authority| {
            let crl = crl(authority, &locked.index, now, days)?.signed_by(&self.issuer(authority)?);
            let path = self.crl(authority);
            file::replace(&path, crl.map_err(PkiError::make("CRL"))?.der(), Access::Public)?;
            Ok(path)
        };
        Authority::ALL.into_iter().map(publish).collect()
    }

    /// Names are the same in every test PKI; the key identifier is what differs.
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
        // None: a CRL without it is about everything that its issuer has issued. With it, OpenSSL's -crl_check_all
        // would find no CRL for a root, which names no distribution point.
        issuing_distribution_point: None,
        revoked_certs: revoked.collect::<Result<_, PkiError>>()?,
        key_identifier_method: KeyIdMethod::Sha256,
    })
}
