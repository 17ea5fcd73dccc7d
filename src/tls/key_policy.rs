//! The keys and signatures that are accepted in certificates of devices and of the platform (A0).

use crate::x509::{Digest, KeyKind, SignatureAlgorithm};

/// Whether the key is on a NIST curve, or RSA with a modulus of `rsa_bits` (from, to; both inclusive).
pub(super) const fn accepts_key(key: KeyKind, rsa_bits: (usize, usize)) -> bool {
    match key {
        KeyKind::Rsa { bits } => rsa_bits.0 <= bits && bits <= rsa_bits.1,
        KeyKind::EcP256 | KeyKind::EcP384 | KeyKind::EcP521 => true,
        KeyKind::Other => false,
    }
}

/// Whether the signature is RSA or ECDSA over SHA-256, SHA-384 or SHA-512.
pub(super) const fn accepts_signature(algorithm: SignatureAlgorithm) -> bool {
    matches!(algorithm.digest(), Some(Digest::Sha256 | Digest::Sha384 | Digest::Sha512))
}
