//! CA certificates that have been read once.
//!
//! A device shows the same issuing CA each time it connects; reading a certificate costs some hundredths of a
//! handshake. What is kept is what stood in a path that was valid up to its root, by all of its bytes.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use crate::revocation::Issuer;
use crate::x509::{CertificateFacts, X509Error};

/// CA certificates that are kept at most; beyond that it begins anew.
const MOST: usize = 1024;

/// What has been read.
#[derive(Debug, Default)]
pub(super) struct CaCache(RwLock<HashMap<Vec<u8>, CaCertificate>>);

/// A CA certificate, and the same CA as the issuer of what is below it.
#[derive(Debug, Clone)]
pub(super) struct CaCertificate {
    pub(super) facts: Arc<CertificateFacts>,
    pub(super) issuer: Arc<Issuer>,
}

impl CaCache {
    /// Reads a CA certificate of a path that webpki has found to be valid.
    pub(super) fn read(&self, der: &[u8]) -> Result<CaCertificate, X509Error> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner).get(der).cloned();
        if let Some(authority) = known {
            return Ok(authority);
        }
        let facts = Arc::new(CertificateFacts::read(der)?);
        let issuer = Arc::new(Issuer::from_certificate(&facts));
        let authority = CaCertificate { facts, issuer };
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(der.to_vec(), authority.clone());
        Ok(authority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Clock;
    use crate::pki::{Authority as Name, TestPki};
    use crate::x509::pem;

    #[test]
    fn a_certificate_is_read_once_and_others_are_others() {
        let folder = tempfile::tempdir().unwrap();
        let pki = TestPki::init(folder.path(), "http://127.0.0.1:9", &Clock::system()).unwrap();
        let der = |name| pem::certificates(&std::fs::read(pki.certificate(name)).unwrap()).unwrap().remove(0);
        let (ecc, rsa) = (der(Name::ComponentCaEcc), der(Name::ComponentCaRsa));
        let authorities = CaCache::default();
        let first = authorities.read(&ecc).unwrap();
        assert_eq!(*first.facts, CertificateFacts::read(&ecc).unwrap());
        assert_eq!(*first.issuer, Issuer::from_certificate(&first.facts));
        assert!(Arc::ptr_eq(&first.facts, &authorities.read(&ecc).unwrap().facts));
        assert_ne!(authorities.read(&rsa).unwrap().facts, first.facts);
        assert!(authorities.read(b"no certificate").is_err());
    }
}
