//! Verification of signatures over received bytes.

use aws_lc_rs::signature::{self as aws, UnparsedPublicKey, VerificationAlgorithm};
use x509_parser::prelude::FromDer as _;
use x509_parser::x509::{AlgorithmIdentifier, SubjectPublicKeyInfo};

use super::algorithm::{Digest, KeyKind, SignatureAlgorithm};
use crate::model::KeyHash;

/// The public key of a certificate or trust anchor.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PublicKey {
    kind: KeyKind,
    bits: Vec<u8>,
    hash: KeyHash,
}

/// The signature is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// A0 forbids the combination: it requires SHA-256 or better, RSA with 2048 to 4096 bits, or one of three
    /// curves.
    #[error("a {1} signature of a key of kind {0} is not accepted")]
    Algorithm(KeyKind, SignatureAlgorithm),
    /// The AlgorithmIdentifier is malformed.
    #[error("the identifier of the signature algorithm is malformed")]
    Identifier,
    /// Another key made the signature, or the bytes were changed.
    #[error("the signature is wrong")]
    Wrong,
}

impl PublicKey {
    /// Parses a SubjectPublicKeyInfo in DER; `None` if the bytes are anything else.
    #[must_use]
    pub fn read(der: &[u8]) -> Option<Self> {
        let (rest, key) = SubjectPublicKeyInfo::from_der(der).ok()?;
        if !rest.is_empty() {
            return None;
        }
        Self::from_spki(&key)
    }

    pub(super) fn from_spki(key: &SubjectPublicKeyInfo<'_>) -> Option<Self> {
        Some(Self {
            kind: KeyKind::from_spki(key)?,
            bits: key.subject_public_key.data.to_vec(),
            hash: KeyHash::sha256(key.raw),
        })
    }

    /// Its kind and size.
    #[must_use]
    pub const fn kind(&self) -> KeyKind {
        self.kind
    }

    /// The value of the BIT STRING, without tag, length and count of unused bits. OCSP hashes this value
    /// (RFC 6960 4.1.1).
    #[must_use]
    pub fn bits(&self) -> &[u8] {
        &self.bits
    }

    /// SHA-256 over the whole SubjectPublicKeyInfo.
    #[must_use]
    pub const fn hash(&self) -> KeyHash {
        self.hash
    }

    /// Verifies a signature over `message`. `algorithm` is its AlgorithmIdentifier in DER.
    ///
    /// # Errors
    /// When it is wrong, or its algorithm is not accepted.
    pub fn verify(&self, algorithm: &[u8], message: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
        let (rest, identifier) =
            AlgorithmIdentifier::from_der(algorithm).map_err(|_| SignatureError::Identifier)?;
        if !rest.is_empty() {
            return Err(SignatureError::Identifier);
        }
        let algorithm = SignatureAlgorithm::from_identifier(&identifier);
        let verification = verification_algorithm(self.kind, algorithm)
            .ok_or(SignatureError::Algorithm(self.kind, algorithm))?;
        UnparsedPublicKey::new(verification, &self.bits)
            .verify(message, signature)
            .map_err(|_| SignatureError::Wrong)
    }
}

/// The verification algorithm for a key and a signature, if A0 allows the combination: RSA with 2048 to 4096
/// bits or three curves, SHA-256 or better.
fn verification_algorithm(
    key: KeyKind,
    signature: SignatureAlgorithm,
) -> Option<&'static dyn VerificationAlgorithm> {
    use SignatureAlgorithm::{Ecdsa, RsaPkcs1, RsaPss};
    Some(match (key, signature) {
        (KeyKind::EcP256, Ecdsa(Digest::Sha256)) => &aws::ECDSA_P256_SHA256_ASN1,
        (KeyKind::EcP256, Ecdsa(Digest::Sha384)) => &aws::ECDSA_P256_SHA384_ASN1,
        (KeyKind::EcP256, Ecdsa(Digest::Sha512)) => &aws::ECDSA_P256_SHA512_ASN1,
        (KeyKind::EcP384, Ecdsa(Digest::Sha256)) => &aws::ECDSA_P384_SHA256_ASN1,
        (KeyKind::EcP384, Ecdsa(Digest::Sha384)) => &aws::ECDSA_P384_SHA384_ASN1,
        (KeyKind::EcP384, Ecdsa(Digest::Sha512)) => &aws::ECDSA_P384_SHA512_ASN1,
        (KeyKind::EcP521, Ecdsa(Digest::Sha256)) => &aws::ECDSA_P521_SHA256_ASN1,
        (KeyKind::EcP521, Ecdsa(Digest::Sha384)) => &aws::ECDSA_P521_SHA384_ASN1,
        (KeyKind::EcP521, Ecdsa(Digest::Sha512)) => &aws::ECDSA_P521_SHA512_ASN1,
        (KeyKind::Rsa { bits: 2048..=4096 }, RsaPkcs1(Digest::Sha256)) => &aws::RSA_PKCS1_2048_8192_SHA256,
        (KeyKind::Rsa { bits: 2048..=4096 }, RsaPkcs1(Digest::Sha384)) => &aws::RSA_PKCS1_2048_8192_SHA384,
        (KeyKind::Rsa { bits: 2048..=4096 }, RsaPkcs1(Digest::Sha512)) => &aws::RSA_PKCS1_2048_8192_SHA512,
        (KeyKind::Rsa { bits: 2048..=4096 }, RsaPss(Digest::Sha256)) => &aws::RSA_PSS_2048_8192_SHA256,
        (KeyKind::Rsa { bits: 2048..=4096 }, RsaPss(Digest::Sha384)) => &aws::RSA_PSS_2048_8192_SHA384,
        (KeyKind::Rsa { bits: 2048..=4096 }, RsaPss(Digest::Sha512)) => &aws::RSA_PSS_2048_8192_SHA512,
        _ => return None,
    })
}
