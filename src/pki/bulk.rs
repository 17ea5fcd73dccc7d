//! Certificates in bulk, for simulated devices: in memory, with keys from a pool.

use rcgen::{Issuer, KeyPair};
use zeroize::Zeroizing;

use super::authority::Authority;
use super::certify::{self, StatusUrls, Validity};
use super::error::PkiError;
use super::file;
use super::key::{self, KeyFamily, KeyType};
use super::role::Role;
use super::test_pki::TestPki;
use crate::x509::{CertificateFacts, pem};

/// Issues certificates of one key family to devices and gateways. Each certificate has a name of its own; the
/// keys repeat, because a new RSA key takes longer than a hundred certificates.
#[derive(Debug)]
pub struct BulkIssuer {
    issuer: Issuer<'static, KeyPair>,
    family: KeyFamily,
    issuing_ca: Vec<u8>,
    urls: StatusUrls,
    keys: Vec<KeyPair>,
    clock: crate::model::Clock,
}

/// A certificate in memory.
#[derive(Debug, Clone)]
pub struct BulkCertificate {
    /// The certificate and its issuing CA (A4, B16), DER.
    pub chain: Vec<Vec<u8>>,
    /// The position of its key in [`BulkIssuer::keys`].
    pub key: usize,
}

/// When a certificate is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BulkValidity {
    /// Since a few minutes ago, for so many days.
    Days(u32),
    /// It ended yesterday.
    Expired,
}

impl TestPki {
    /// An issuer with a pool of `keys` new keys, at least one.
    ///
    /// # Errors
    /// When the files of the issuing CA cannot be used.
    pub fn bulk_issuer(&self, family: KeyFamily, keys: usize) -> Result<BulkIssuer, PkiError> {
        let authority = Authority::issuing(Role::Device, family);
        let issuing_ca = pem::certificates(file::read(&self.certificate(authority))?.as_bytes())?;
        let keys = (0..keys.max(1)).map(|_| key::generate(KeyType::from(family)));
        Ok(BulkIssuer {
            issuer: self.issuer(authority)?,
            family,
            issuing_ca: issuing_ca.into_iter().next().ok_or(PkiError::Foreign)?,
            urls: StatusUrls::new(&self.base_url, authority),
            keys: keys.collect::<Result<_, _>>()?,
            clock: self.clock.clone(),
        })
    }

    /// Whether this program made all of its CAs: their subjects say so.
    ///
    /// # Errors
    /// When a certificate of a CA cannot be read.
    pub fn is_made_here(&self) -> Result<bool, PkiError> {
        for authority in Authority::ALL {
            let contents = file::read(&self.certificate(authority))?;
            let ders = pem::certificates(contents.as_bytes())?;
            let subject = |der: &Vec<u8>| CertificateFacts::read(der).map(|facts| facts.subject.to_string());
            let Some(subject) = ders.first().map(subject).transpose()? else { return Ok(false) };
            if !subject.contains(certify::TEST_ORGANIZATION) || !subject.contains(authority.common_name()) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl BulkIssuer {
    /// A certificate for this Common Name; `number` chooses the key.
    ///
    /// # Errors
    /// When the certificate cannot be made.
    pub fn issue(
        &self,
        common_name: &str,
        role: Role,
        number: usize,
        validity: BulkValidity,
    ) -> Result<BulkCertificate, PkiError> {
        let now = self.clock.now();
        let validity = match validity {
            BulkValidity::Days(days) => Validity::days_from(now, days)?,
            BulkValidity::Expired => {
                let start = now.checked_sub(EXPIRED_SINCE).map_err(|_| PkiError::Validity(1))?;
                Validity::days(start, 1)?
            }
        };
        let subject = certify::subject(&[common_name.to_owned()])?;
        let params =
            certify::end_entity(subject, self.family, &role.purposes(), Vec::new(), validity, &self.urls)?;
        let key = number % self.keys.len();
        let pair = self.keys.get(key).ok_or(PkiError::Random)?;
        let certificate = params.signed_by(pair, &self.issuer);
        let certificate = certificate.map_err(PkiError::make("a certificate"))?;
        Ok(BulkCertificate { chain: vec![certificate.der().to_vec(), self.issuing_ca.clone()], key })
    }

    /// The keys of the pool, PKCS#8 DER.
    pub fn keys(&self) -> impl Iterator<Item = Zeroizing<Vec<u8>>> {
        self.keys.iter().map(|pair| Zeroizing::new(pair.serialize_der()))
    }
}

/// When an expired certificate began; it was valid for a day.
const EXPIRED_SINCE: jiff::SignedDuration = jiff::SignedDuration::from_hours(48);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Clock;

    #[test]
    fn certificates_in_bulk_have_names_of_their_own_and_share_keys() {
        let dir = tempfile::tempdir().unwrap();
        let clock = Clock::system();
        let pki = TestPki::init(&dir.path().join("pki"), "http://127.0.0.1:9", &clock).unwrap();
        assert!(pki.is_made_here().unwrap());
        let issuer = pki.bulk_issuer(KeyFamily::Ecc, 2).unwrap();
        assert_eq!(issuer.keys().count(), 2);
        let issue = |number, validity| {
            let name = format!("DEVICE-{number}");
            let made = issuer.issue(&name, Role::Device, number, validity).unwrap();
            let facts = CertificateFacts::read(&made.chain[0]).unwrap();
            assert!(facts.subject.to_string().contains(&name), "{}", facts.subject);
            assert_eq!(made.chain.len(), 2, "A4, B16: the issuing CA is in the chain");
            (made.key, facts.serial, facts.not_after)
        };
        let (first, second) = (issue(0, BulkValidity::Days(30)), issue(1, BulkValidity::Days(30)));
        assert_eq!((first.0, second.0, issue(2, BulkValidity::Days(30)).0), (0, 1, 0));
        assert_ne!(first.1, second.1, "serial numbers");
        assert!(first.2 > clock.now());
        assert!(issue(3, BulkValidity::Expired).2 < clock.now());
    }

    #[test]
    fn a_pki_with_a_ca_of_another_name_is_not_made_here() {
        let dir = tempfile::tempdir().unwrap();
        let pki = TestPki::init(&dir.path().join("pki"), "http://127.0.0.1:9", &Clock::system()).unwrap();
        let key = KeyPair::generate().unwrap();
        let other = rcgen::CertificateParams::new([]).unwrap().self_signed(&key).unwrap();
        std::fs::write(pki.certificate(Authority::ComponentCaRsa), other.pem()).unwrap();
        assert!(!pki.is_made_here().unwrap());
    }
}
