//! ECDSA keys that sign with every digest of TLS 1.2.
//!
//! In TLS 1.2 the scheme 0x0503 is ECDSA with SHA-384, on whichever curve the key is (RFC 5246 section
//! 7.4.1.4.1). TLS 1.3 ties the digest to the curve, and the keys of rustls do so in both versions: a client
//! that verifies SHA-384 alone could not be served from a key on P-256.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest::{self, Digest};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
};
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::sign::{Signer, SigningKey};
use rustls::{Error, SignatureAlgorithm, SignatureScheme};

use crate::tls::status_request_v2::is_tls12_handshake;

/// A key on P-256 or P-384.
pub(super) struct EcKey {
    /// The same key in rustls, which signs with the digest of the curve.
    inner: Arc<dyn SigningKey>,
    pair: Arc<EcdsaKeyPair>,
    /// The digest of the curve.
    own: &'static digest::Algorithm,
}

struct EcSigner {
    pair: Arc<EcdsaKeyPair>,
    own: &'static digest::Algorithm,
    scheme: SignatureScheme,
    digest: &'static digest::Algorithm,
}

impl EcKey {
    /// The key in `der`, which `inner` has loaded; `inner` if it is of another kind.
    pub(super) fn extend(inner: Arc<dyn SigningKey>, der: &[u8]) -> Arc<dyn SigningKey> {
        for (algorithm, own) in CURVES {
            if let Ok(pair) = EcdsaKeyPair::from_private_key_der(algorithm, der) {
                return Arc::new(Self { inner, pair: Arc::new(pair), own });
            }
        }
        inner
    }

    fn other_signer(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        let (scheme, digest) = DIGESTS.into_iter().find(|(scheme, _)| offered.contains(scheme))?;
        Some(Box::new(EcSigner { pair: Arc::clone(&self.pair), own: self.own, scheme, digest }))
    }
}

impl SigningKey for EcKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        let own = self.inner.choose_scheme(offered);
        own.or_else(|| if is_tls12_handshake() { self.other_signer(offered) } else { None })
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        self.inner.public_key()
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.inner.algorithm()
    }
}

impl Signer for EcSigner {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let failed = |_| Error::General("signing failed".to_owned());
        let hash = fitted(digest::digest(self.digest, message).as_ref(), self.own.output_len());
        let hash = Digest::import_less_safe(&hash, self.own).map_err(failed)?;
        Ok(self.pair.sign_digest(&hash).map_err(failed)?.as_ref().to_vec())
    }

    fn scheme(&self) -> SignatureScheme {
        self.scheme
    }
}

/// The number that ECDSA signs for a digest, in as many octets as the order of the curve has: the leftmost
/// ones of a longer digest (FIPS 186-5 section 6.4.1), zeros before a shorter one.
fn fitted(digest: &[u8], length: usize) -> Vec<u8> {
    let mut number = vec![0; length.saturating_sub(digest.len())];
    number.extend(digest.iter().take(length));
    number
}

impl fmt::Debug for EcKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EcKey").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl fmt::Debug for EcSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EcSigner").field("scheme", &self.scheme).finish_non_exhaustive()
    }
}

const CURVES: [(&EcdsaSigningAlgorithm, &digest::Algorithm); 2] =
    [(&ECDSA_P256_SHA256_ASN1_SIGNING, &digest::SHA256), (&ECDSA_P384_SHA384_ASN1_SIGNING, &digest::SHA384)];
/// The schemes of ECDSA as TLS 1.2 means them.
const DIGESTS: [(SignatureScheme, &digest::Algorithm); 3] = [
    (SignatureScheme::ECDSA_NISTP384_SHA384, &digest::SHA384),
    (SignatureScheme::ECDSA_NISTP256_SHA256, &digest::SHA256),
    (SignatureScheme::ECDSA_NISTP521_SHA512, &digest::SHA512),
];

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{
        ECDSA_P256_SHA384_ASN1, ECDSA_P256_SHA512_ASN1, ECDSA_P384_SHA256_ASN1, ECDSA_P384_SHA512_ASN1,
        KeyPair as _, UnparsedPublicKey, VerificationAlgorithm,
    };
    use rustls::pki_types::PrivateKeyDer;

    use super::*;

    #[test]
    fn a_key_signs_with_the_digests_of_other_curves() {
        use SignatureScheme as S;
        type Case = (S, &'static dyn VerificationAlgorithm);
        let p256: [Case; 2] = [
            (S::ECDSA_NISTP384_SHA384, &ECDSA_P256_SHA384_ASN1),
            (S::ECDSA_NISTP521_SHA512, &ECDSA_P256_SHA512_ASN1),
        ];
        let p384: [Case; 2] = [
            (S::ECDSA_NISTP256_SHA256, &ECDSA_P384_SHA256_ASN1),
            (S::ECDSA_NISTP521_SHA512, &ECDSA_P384_SHA512_ASN1),
        ];
        for (kind, cases) in [(&rcgen::PKCS_ECDSA_P256_SHA256, p256), (&rcgen::PKCS_ECDSA_P384_SHA384, p384)]
        {
            let der = rcgen::KeyPair::generate_for(kind).unwrap().serialize_der();
            let provider = rustls::crypto::aws_lc_rs::default_provider();
            let private = PrivateKeyDer::try_from(der.clone()).unwrap();
            let inner = provider.key_provider.load_private_key(private).unwrap();
            let (algorithm, own) = CURVES
                .into_iter()
                .find(|(algorithm, _)| EcdsaKeyPair::from_private_key_der(algorithm, &der).is_ok())
                .unwrap();
            let pair = Arc::new(EcdsaKeyPair::from_private_key_der(algorithm, &der).unwrap());
            let key = EcKey { inner, pair, own };
            for (scheme, verification) in cases {
                let signature = key.other_signer(&[scheme]).unwrap().sign(b"message").unwrap();
                let public = UnparsedPublicKey::new(verification, key.pair.public_key().as_ref());
                public.verify(b"message", &signature).unwrap();
                assert!(public.verify(b"massage", &signature).is_err());
                assert!(key.choose_scheme(&[scheme]).is_none(), "outside of a TLS 1.2 handshake");
            }
        }
    }
}
