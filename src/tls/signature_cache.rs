//! Signatures of CA certificates that have been verified once.
//!
//! A device shows the same issuing CA each time it connects, and verifying a P-384 signature costs about as much as the
//! rest of a handshake. That a key signed some bytes stays true: what is remembered is the digest of algorithm, key,
//! bytes and signature, whatever the trust anchors are. Validity, constraints and revocation are looked at every time.

use std::collections::HashSet;
use std::sync::{PoisonError, RwLock};

use rustls::pki_types::{AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm};
use sha2::Digest as _;

use super::ca_cache::CaCache;

/// CA certificates that are remembered at most; beyond that it begins anew.
const MOST: usize = 1024;

/// The digests of what has been verified, and the CA certificates that have been read.
#[derive(Debug, Default)]
pub(super) struct SignatureCache(RwLock<HashSet<[u8; 32]>>, CaCache);

/// An algorithm that asks its memory first, unless it is about the end entity: those are many, and each comes seldom.
#[derive(Debug)]
pub(super) struct CachingAlgorithm<'a> {
    algorithm: &'static dyn SignatureVerificationAlgorithm,
    memory: &'a SignatureCache,
    end_entity: &'a [u8],
}

impl SignatureCache {
    /// The algorithms with this memory, for a path that begins with `end_entity` (the signed bytes of it).
    pub(super) fn algorithms<'a>(
        &'a self,
        algorithms: &[&'static dyn SignatureVerificationAlgorithm],
        end_entity: &'a [u8],
    ) -> Vec<CachingAlgorithm<'a>> {
        algorithms
            .iter()
            .map(|algorithm| CachingAlgorithm { algorithm: *algorithm, memory: self, end_entity })
            .collect()
    }

    /// The CA certificates that have been read.
    pub(super) const fn authorities(&self) -> &CaCache {
        &self.1
    }

    fn knows(&self, digest: &[u8; 32]) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).contains(digest)
    }

    fn keep(&self, digest: [u8; 32]) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(digest);
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
        if self.memory.knows(&digest) {
            return Ok(());
        }
        self.algorithm.verify_signature(public_key, message, signature)?;
        self.memory.keep(digest);
        Ok(())
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        self.algorithm.public_key_alg_id()
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.algorithm.signature_alg_id()
    }
}

/// Each part with its length before it, so that no two lists of parts are the same bytes.
fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut digest = sha2::Sha256::new();
    for part in parts {
        digest.update(part.len().to_be_bytes());
        digest.update(part);
    }
    digest.finalize().into()
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};

    use super::*;

    #[test]
    fn only_what_was_verified_is_remembered_and_nothing_of_end_entities() {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        let public = key.public_key().as_ref();
        let sign = |message: &[u8]| key.sign(&SystemRandom::new(), message).unwrap();
        let memory = SignatureCache::default();
        let algorithms = memory.algorithms(&[webpki::aws_lc_rs::ECDSA_P256_SHA256], b"leaf");
        let verify = |message: &[u8], signature: &[u8]| {
            algorithms[0].verify_signature(public, message, signature).is_ok()
        };
        let (ca, leaf) = (sign(b"ca"), sign(b"leaf"));
        assert!(!verify(b"ca", leaf.as_ref()));
        assert_eq!(memory.len(), 0);
        assert!(verify(b"ca", ca.as_ref()) && verify(b"ca", ca.as_ref()));
        assert_eq!(memory.len(), 1);
        assert!(!verify(b"cb", ca.as_ref()), "other bytes with a signature that is known");
        assert!(verify(b"leaf", leaf.as_ref()));
        assert_eq!(memory.len(), 1);
    }

    #[test]
    fn it_remembers_so_many_and_no_more() {
        let memory = SignatureCache::default();
        for number in 0..3 * MOST {
            memory.keep(digest(&[&number.to_be_bytes()]));
            assert!(memory.len() <= MOST);
        }
    }
}
