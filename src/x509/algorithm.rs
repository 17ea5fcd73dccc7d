//! The keys and signature algorithms that the platform distinguishes.

use std::fmt;

use x509_parser::asn1_rs::{Oid, oid};
use x509_parser::public_key::PublicKey;
use x509_parser::signature_algorithm::RsaSsaPssParams;
use x509_parser::x509::{AlgorithmIdentifier, SubjectPublicKeyInfo};

/// The kind and size of a public key (A0).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// RSA, with the exact length of the modulus.
    Rsa {
        /// Bits of the modulus.
        bits: usize,
    },
    /// NIST P-256 (secp256r1).
    EcP256,
    /// NIST P-384 (secp384r1).
    EcP384,
    /// NIST P-521 (secp521r1).
    EcP521,
    /// Anything else: other curves, Ed25519, DSA, post-quantum.
    Other,
}

impl KeyKind {
    /// `ecc`, `rsa` or `other`, for metric labels.
    #[must_use]
    pub const fn family(self) -> &'static str {
        match self {
            Self::Rsa { .. } => "rsa",
            Self::EcP256 | Self::EcP384 | Self::EcP521 => "ecc",
            Self::Other => "other",
        }
    }
}

/// The signature algorithm of a certificate, CRL or request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SignatureAlgorithm {
    /// RSASSA-PKCS1-v1_5.
    RsaPkcs1(Digest),
    /// RSASSA-PSS; the digest of the message, RFC 4055 3.1.
    RsaPss(Digest),
    /// ECDSA.
    Ecdsa(Digest),
    /// Ed25519, RFC 8410.
    Ed25519,
    /// Anything else.
    Other,
}

/// The digest that is signed. A0 requires SHA-256, SHA-384 or SHA-512. The older ones are listed so that
/// errors can name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Digest {
    /// MD5: broken.
    Md5,
    /// SHA-1: broken.
    Sha1,
    /// SHA-224.
    Sha224,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl KeyKind {
    /// The kind of a SubjectPublicKeyInfo. `None` if its algorithm is RSA and the key is not an RSA key.
    pub(super) fn from_spki(key: &SubjectPublicKeyInfo<'_>) -> Option<Self> {
        if key.algorithm.algorithm == EC_PUBLIC_KEY {
            let curve = key.algorithm.parameters.as_ref().and_then(|any| any.as_oid().ok());
            let known = CURVES.iter().find(|(oid, _)| curve.as_ref() == Some(oid));
            return Some(known.map_or(Self::Other, |(_, kind)| *kind));
        }
        match key.parsed() {
            Ok(PublicKey::RSA(rsa)) => Some(Self::Rsa { bits: bit_length(rsa.modulus) }),
            Ok(_) => Some(Self::Other),
            Err(_) => None,
        }
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rsa { bits } => write!(f, "RSA {bits}"),
            Self::EcP256 => f.write_str("ECC P-256"),
            Self::EcP384 => f.write_str("ECC P-384"),
            Self::EcP521 => f.write_str("ECC P-521"),
            Self::Other => f.write_str("other"),
        }
    }
}

impl SignatureAlgorithm {
    pub(super) fn from_identifier(identifier: &AlgorithmIdentifier<'_>) -> Self {
        if identifier.algorithm == RSASSA_PSS {
            return pss_digest(identifier).map_or(Self::Other, Self::RsaPss);
        }
        let known = SIGNATURES.iter().find(|(oid, _)| *oid == identifier.algorithm);
        known.map_or(Self::Other, |(_, algorithm)| *algorithm)
    }

    /// The digest, if the algorithm has a choice of digests.
    #[must_use]
    pub const fn digest(self) -> Option<Digest> {
        match self {
            Self::RsaPkcs1(digest) | Self::RsaPss(digest) | Self::Ecdsa(digest) => Some(digest),
            Self::Ed25519 | Self::Other => None,
        }
    }
}

impl fmt::Display for SignatureAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RsaPkcs1(digest) => write!(f, "RSA with {digest}"),
            Self::RsaPss(digest) => write!(f, "RSA-PSS with {digest}"),
            Self::Ecdsa(digest) => write!(f, "ECDSA with {digest}"),
            Self::Ed25519 => f.write_str("Ed25519"),
            Self::Other => f.write_str("other"),
        }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Md5 => "MD5",
            Self::Sha1 => "SHA-1",
            Self::Sha224 => "SHA-224",
            Self::Sha256 => "SHA-256",
            Self::Sha384 => "SHA-384",
            Self::Sha512 => "SHA-512",
        })
    }
}

/// The digest of RSASSA-PSS. Absent parameters mean SHA-1 (RFC 4055 3.1).
fn pss_digest(identifier: &AlgorithmIdentifier<'_>) -> Option<Digest> {
    let Some(parameters) = identifier.parameters.as_ref() else {
        return Some(Digest::Sha1);
    };
    let parameters = RsaSsaPssParams::try_from(parameters).ok()?;
    let digest = parameters.hash_algorithm_oid();
    DIGESTS.iter().find(|(oid, _)| oid == digest).map(|(_, digest)| *digest)
}

/// The length in bits of an unsigned big-endian number, without leading zeros.
fn bit_length(number: &[u8]) -> usize {
    let significant = number.iter().skip_while(|byte| **byte == 0);
    let bytes = significant.clone().count();
    let unused = significant.clone().next().map_or(0, |byte| byte.leading_zeros() as usize);
    bytes.saturating_mul(8).saturating_sub(unused)
}

const EC_PUBLIC_KEY: Oid<'static> = oid!(1.2.840.10045.2.1);
const RSASSA_PSS: Oid<'static> = oid!(1.2.840.113549.1.1.10);

const CURVES: &[(Oid<'static>, KeyKind)] = &[
    (oid!(1.2.840.10045.3.1.7), KeyKind::EcP256),
    (oid!(1.3.132.0.34), KeyKind::EcP384),
    (oid!(1.3.132.0.35), KeyKind::EcP521),
];

pub(super) const SIGNATURES: &[(Oid<'static>, SignatureAlgorithm)] = &[
    (oid!(1.2.840.113549.1.1.4), SignatureAlgorithm::RsaPkcs1(Digest::Md5)),
    (oid!(1.2.840.113549.1.1.5), SignatureAlgorithm::RsaPkcs1(Digest::Sha1)),
    (oid!(1.3.14.3.2.29), SignatureAlgorithm::RsaPkcs1(Digest::Sha1)),
    (oid!(1.2.840.113549.1.1.14), SignatureAlgorithm::RsaPkcs1(Digest::Sha224)),
    (oid!(1.2.840.113549.1.1.11), SignatureAlgorithm::RsaPkcs1(Digest::Sha256)),
    (oid!(1.2.840.113549.1.1.12), SignatureAlgorithm::RsaPkcs1(Digest::Sha384)),
    (oid!(1.2.840.113549.1.1.13), SignatureAlgorithm::RsaPkcs1(Digest::Sha512)),
    (oid!(1.2.840.10045.4.1), SignatureAlgorithm::Ecdsa(Digest::Sha1)),
    (oid!(1.2.840.10045.4.3.1), SignatureAlgorithm::Ecdsa(Digest::Sha224)),
    (oid!(1.2.840.10045.4.3.2), SignatureAlgorithm::Ecdsa(Digest::Sha256)),
    (oid!(1.2.840.10045.4.3.3), SignatureAlgorithm::Ecdsa(Digest::Sha384)),
    (oid!(1.2.840.10045.4.3.4), SignatureAlgorithm::Ecdsa(Digest::Sha512)),
    (oid!(1.3.101.112), SignatureAlgorithm::Ed25519),
];

pub(super) const DIGESTS: &[(Oid<'static>, Digest)] = &[
    (oid!(1.3.14.3.2.26), Digest::Sha1),
    (oid!(2.16.840.1.101.3.4.2.4), Digest::Sha224),
    (oid!(2.16.840.1.101.3.4.2.1), Digest::Sha256),
    (oid!(2.16.840.1.101.3.4.2.2), Digest::Sha384),
    (oid!(2.16.840.1.101.3.4.2.3), Digest::Sha512),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_a_modulus_is_in_bits() {
        assert_eq!(bit_length(&[0, 0x80, 0]), 16);
        assert_eq!(bit_length(&[0x01, 0xff]), 9);
        assert_eq!(bit_length(&[]), 0);
    }
}
