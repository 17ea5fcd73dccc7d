//! A cache of verified signatures of CA certificates.
//!
//! A device presents the same issuing CA at each connection, and verifying a P-384 signature costs about as
//! much as the rest of a handshake. That a key signed some bytes stays true forever, whatever the trust
//! anchors are. The cache therefore holds digests over algorithm, key, signed bytes and signature. Validity,
//! constraints and revocation are checked at every handshake.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError, RwLock};

use rustls::pki_types::{AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm};
use sha2::Digest as _;

/// Digests of verified signatures.
#[derive(Debug, Default)]
pub(super) struct SignatureCache(RwLock<HashSet<[u8; 32]>>);

/// A signature algorithm that consults the cache first. It bypasses the cache for the end entity: end
/// entities are many, and each appears seldom.
#[derive(Debug)]
pub(super) struct CachingAlgorithm<'a> {
    algorithm: &'static dyn SignatureVerificationAlgorithm,
    cache: &'a SignatureCache,
    failures: &'a FailedSignatures,
    end_entity: &'a [u8],
}

/// The signatures that failed while one chain was verified. webpki verifies a signature again on each
/// candidate path, and a client chooses how many there are. This bounds the work: each failed signature is
/// verified once, and after [`MAX_FAILED_SIGNATURES`] of them none is verified.
#[derive(Debug, Default)]
pub(super) struct FailedSignatures(Mutex<Vec<[u8; 32]>>);

impl FailedSignatures {
    /// Whether this signature must not be verified.
    fn excludes(&self, digest: &[u8; 32]) -> bool {
        let failed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        failed.len() >= MAX_FAILED_SIGNATURES || failed.contains(digest)
    }

    fn insert(&self, digest: [u8; 32]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(digest);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

impl SignatureCache {
    /// The algorithms with this cache, for a path whose end entity has the signed bytes `end_entity`.
    pub(super) fn algorithms<'a>(
        &'a self,
        algorithms: &[&'static dyn SignatureVerificationAlgorithm],
        failures: &'a FailedSignatures,
        end_entity: &'a [u8],
    ) -> Vec<CachingAlgorithm<'a>> {
        algorithms
            .iter()
            .map(|algorithm| CachingAlgorithm { algorithm: *algorithm, cache: self, failures, end_entity })
            .collect()
    }

    fn contains(&self, digest: &[u8; 32]) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).contains(digest)
    }

    fn insert(&self, digest: [u8; 32]) {
        let mut digests = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if digests.len() >= MAX_CACHED_SIGNATURES {
            digests.clear();
        }
        digests.insert(digest);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.read().unwrap_or_else(PoisonError::into_inner).len()
    }
}

impl SignatureVerificationAlgorithm for CachingAlgorithm<'_> {
    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        let digest = digest(&[self.signature_alg_id().as_ref(), public_key, message, signature]);
        let is_cacheable = message != self.end_entity;
        if is_cacheable && self.cache.contains(&digest) {
            return Ok(());
        }
        if self.failures.excludes(&digest) {
            return Err(InvalidSignature);
        }
        if let Err(invalid) = self.algorithm.verify_signature(public_key, message, signature) {
            self.failures.insert(digest);
            return Err(invalid);
        }
        if is_cacheable {
            self.cache.insert(digest);
        }
        Ok(())
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        self.algorithm.public_key_alg_id()
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.algorithm.signature_alg_id()
    }
}

/// Hashes each part after its length, so that different lists of parts never hash the same bytes.
fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut digest = sha2::Sha256::new();
    for part in parts {
        digest.update(part.len().to_be_bytes());
        digest.update(part);
    }
    digest.finalize().into()
}

/// Capacity of the cache. A full cache is emptied.
const MAX_CACHED_SIGNATURES: usize = 1024;
/// Failed signatures that are verified for one chain. A CA and a root that both changed their keys and kept
/// their names cause three.
pub(super) const MAX_FAILED_SIGNATURES: usize = 4;

#[cfg(test)]
mod tests {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};

    use super::*;

    #[test]
    fn only_verified_signatures_are_cached_and_none_of_end_entities() {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        let public = key.public_key().as_ref();
        let sign = |message: &[u8]| key.sign(&SystemRandom::new(), message).unwrap();
        let cache = SignatureCache::default();
        let failures = FailedSignatures::default();
        let algorithms = cache.algorithms(&[webpki::aws_lc_rs::ECDSA_P256_SHA256], &failures, b"leaf");
        let verify = |message: &[u8], signature: &[u8]| {
            algorithms[0].verify_signature(public, message, signature).is_ok()
        };
        let (ca, leaf) = (sign(b"ca"), sign(b"leaf"));
        assert!(!verify(b"ca", leaf.as_ref()));
        assert_eq!(cache.len(), 0);
        assert!(verify(b"ca", ca.as_ref()) && verify(b"ca", ca.as_ref()));
        assert_eq!(cache.len(), 1);
        assert!(!verify(b"cb", ca.as_ref()), "other bytes with a cached signature");
        assert!(verify(b"leaf", leaf.as_ref()));
        assert_eq!(cache.len(), 1);
    }

    #[test]
    fn a_failed_signature_is_verified_once_and_a_few_exhaust_the_budget() {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        let public = key.public_key().as_ref();
        let signature = key.sign(&SystemRandom::new(), b"good").unwrap();
        let (cache, failures) = (SignatureCache::default(), FailedSignatures::default());
        let algorithms = cache.algorithms(&[webpki::aws_lc_rs::ECDSA_P256_SHA256], &failures, b"leaf");
        let verify =
            |message: &[u8]| algorithms[0].verify_signature(public, message, signature.as_ref()).is_ok();
        for number in 0..MAX_FAILED_SIGNATURES {
            assert_eq!(failures.len(), number);
            assert!(!verify(&[number as u8]) && !verify(&[number as u8]));
        }
        assert!(!verify(b"good") && !verify(b"another"), "the budget is exhausted");
        assert_eq!(failures.len(), MAX_FAILED_SIGNATURES);
        let next = FailedSignatures::default();
        let algorithms = cache.algorithms(&[webpki::aws_lc_rs::ECDSA_P256_SHA256], &next, b"leaf");
        assert!(algorithms[0].verify_signature(public, b"good", signature.as_ref()).is_ok());
    }

    #[test]
    fn the_cache_stays_within_its_capacity() {
        let cache = SignatureCache::default();
        for number in 0..3 * MAX_CACHED_SIGNATURES {
            cache.insert(digest(&[&number.to_be_bytes()]));
            assert!(cache.len() <= MAX_CACHED_SIGNATURES);
        }
    }
}
