//! A cache of verified signatures of CA certificates.
//!
//! A device presents the same issuing CA at each connection, and verifying a P-384 signature costs about as
//! much as the rest of a handshake. That a key signed some bytes stays true forever, whatever the trust
//! anchors are. The cache therefore holds digests over algorithm, key, signed bytes and signature. Validity,
//! constraints and revocation are checked at every handshake.

use std::collections::HashSet;
use std::sync::{PoisonError, RwLock};

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
    end_entity: &'a [u8],
}

impl SignatureCache {
    /// The algorithms with this cache, for a path whose end entity has the signed bytes `end_entity`.
    pub(super) fn algorithms<'a>(
        &'a self,
        algorithms: &[&'static dyn SignatureVerificationAlgorithm],
        end_entity: &'a [u8],
    ) -> Vec<CachingAlgorithm<'a>> {
        algorithms
            .iter()
            .map(|algorithm| CachingAlgorithm { algorithm: *algorithm, cache: self, end_entity })
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
        if message == self.end_entity {
            return self.algorithm.verify_signature(public_key, message, signature);
        }
        let digest = digest(&[self.signature_alg_id().as_ref(), public_key, message, signature]);
        if self.cache.contains(&digest) {
            return Ok(());
        }
        self.algorithm.verify_signature(public_key, message, signature)?;
        self.cache.insert(digest);
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
        let algorithms = cache.algorithms(&[webpki::aws_lc_rs::ECDSA_P256_SHA256], b"leaf");
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
    fn the_cache_stays_within_its_capacity() {
        let cache = SignatureCache::default();
        for number in 0..3 * MAX_CACHED_SIGNATURES {
            cache.insert(digest(&[&number.to_be_bytes()]));
            assert!(cache.len() <= MAX_CACHED_SIGNATURES);
        }
    }
}
