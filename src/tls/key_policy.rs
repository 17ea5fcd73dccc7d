//! Which keys and signatures are accepted in certificates, anybody's (A0).

use crate::x509::{Digest, KeyKind, SignatureAlgorithm};

/// RSA with as many bits as `rsa_bits` says, from and to, or a NIST curve.
pub(super) const fn key(key: KeyKind, rsa_bits: (usize, usize)) -> bool {
    match key {
        KeyKind::Rsa { bits } => rsa_bits.0 <= bits && bits <= rsa_bits.1,
        KeyKind::EcP256 | KeyKind::EcP384 | KeyKind::EcP521 => true,
        KeyKind::Other => false,
    }
}

/// RSA or ECDSA over SHA-256, SHA-384 or SHA-512.
pub(super) const fn signature(algorithm: SignatureAlgorithm) -> bool {
    matches!(algorithm.digest(), Some(Digest::Sha256 | Digest::Sha384 | Digest::Sha512))
}
