//! A cache of parsed CA certificates.
//!
//! A device presents the same issuing CA at each connection, and parsing a certificate takes a few percent of
//! the time of a handshake. The cache holds certificates of paths that were valid up to their root, keyed by
//! all of their bytes.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use crate::revocation::Issuer;
use crate::x509::{CertificateFacts, Part, PathExtensions, X509Error};

/// Parsed CA certificates by their DER.
#[derive(Debug, Default)]
pub(super) struct CaCache(RwLock<HashMap<Vec<u8>, CaCertificate>>);

/// A CA certificate, and the same CA as the issuer of the certificates below it.
#[derive(Debug, Clone)]
pub(super) struct CaCertificate {
    pub(super) facts: Arc<CertificateFacts>,
    pub(super) issuer: Arc<Issuer>,
    pub(super) extensions: Arc<PathExtensions>,
}

impl CaCache {
    /// The cached certificates.
    pub(super) fn certificates(&self) -> Vec<CertificateFacts> {
        let cache = self.0.read().unwrap_or_else(PoisonError::into_inner);
        cache.values().map(|certificate| CertificateFacts::clone(&certificate.facts)).collect()
    }

    /// Parses a CA certificate, or takes it from the cache.
    pub(super) fn read(&self, der: &[u8]) -> Result<CaCertificate, X509Error> {
        let cached = self.0.read().unwrap_or_else(PoisonError::into_inner).get(der).cloned();
        if let Some(certificate) = cached {
            return Ok(certificate);
        }
        let facts = Arc::new(CertificateFacts::read(der)?);
        let issuer = Arc::new(Issuer::from_certificate(&facts));
        let extensions = PathExtensions::read(der).map_err(|_| X509Error::Structure(Part::Certificate))?;
        Ok(CaCertificate { facts, issuer, extensions: Arc::new(extensions) })
    }

    /// Keeps a CA certificate of a path that is valid up to its root.
    pub(super) fn insert(&self, der: &[u8], certificate: &CaCertificate) {
        if self.0.read().unwrap_or_else(PoisonError::into_inner).contains_key(der) {
            return;
        }
        let mut cache = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if cache.len() >= MAX_CACHED_CERTIFICATES {
            cache.clear();
        }
        cache.insert(der.to_vec(), certificate.clone());
    }
}

/// Capacity of the cache. A full cache is emptied.
const MAX_CACHED_CERTIFICATES: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Clock;
    use crate::pki::{Authority, TestPki};
    use crate::x509::pem;

    #[test]
    fn each_certificate_is_parsed_once() {
        let folder = tempfile::tempdir().unwrap();
        let pki = TestPki::init(folder.path(), "http://127.0.0.1:9", &Clock::system()).unwrap();
        let der = |name| pem::certificates(&std::fs::read(pki.certificate(name)).unwrap()).unwrap().remove(0);
        let (ecc, rsa) = (der(Authority::ComponentCaEcc), der(Authority::ComponentCaRsa));
        let cache = CaCache::default();
        let first = cache.read(&ecc).unwrap();
        assert_eq!(*first.facts, CertificateFacts::read(&ecc).unwrap());
        assert_eq!(*first.issuer, Issuer::from_certificate(&first.facts));
        assert!(!Arc::ptr_eq(&first.facts, &cache.read(&ecc).unwrap().facts), "not of a valid path yet");
        cache.insert(&ecc, &first);
        assert!(Arc::ptr_eq(&first.facts, &cache.read(&ecc).unwrap().facts));
        assert_ne!(cache.read(&rsa).unwrap().facts, first.facts);
        assert!(cache.read(b"no certificate").is_err());
    }
}
