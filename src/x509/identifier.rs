//! AlgorithmIdentifiers in the one form that every verifier reads.

use super::algorithm::{DIGESTS, Digest, SIGNATURES, SignatureAlgorithm};
use super::der::{INTEGER, NULL, OBJECT_IDENTIFIER, constructed, element, sequence};

impl SignatureAlgorithm {
    /// Its AlgorithmIdentifier in DER, with the parameters of RFC 4055 and RFC 5758: NULL for RSA, none for
    /// ECDSA, and a salt as long as the digest for RSASSA-PSS. `None` for an algorithm that is not known.
    #[must_use]
    pub fn identifier(self) -> Option<Vec<u8>> {
        let parameters = match self {
            Self::RsaPkcs1(_) => vec![NULL, 0],
            Self::RsaPss(digest) => return pss(digest),
            Self::Ecdsa(_) | Self::Ed25519 => Vec::new(),
            Self::Other => return None,
        };
        let (oid, _) = SIGNATURES.iter().find(|(_, algorithm)| *algorithm == self)?;
        Some(sequence(&[&element(OBJECT_IDENTIFIER, oid.as_bytes()), &parameters]))
    }
}

/// RFC 4055 3.1.
fn pss(digest: Digest) -> Option<Vec<u8>> {
    let (oid, _) = DIGESTS.iter().find(|(_, own)| *own == digest)?;
    let salt = match digest {
        Digest::Sha256 => 32,
        Digest::Sha384 => 48,
        Digest::Sha512 => 64,
        Digest::Md5 | Digest::Sha1 | Digest::Sha224 => return None,
    };
    let hash = sequence(&[&element(OBJECT_IDENTIFIER, oid.as_bytes()), &[NULL, 0]]);
    let mask = sequence(&[&element(OBJECT_IDENTIFIER, MGF1), &hash]);
    let parameters = sequence(&[
        &element(constructed(0), &hash),
        &element(constructed(1), &mask),
        &element(constructed(2), &element(INTEGER, &[salt])),
    ]);
    Some(sequence(&[&element(OBJECT_IDENTIFIER, RSASSA_PSS), &parameters]))
}

/// 1.2.840.113549.1.1.10.
const RSASSA_PSS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 10];
/// id-mgf1, 1.2.840.113549.1.1.8.
const MGF1: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 8];

#[cfg(test)]
mod tests {
    use x509_parser::prelude::FromDer as _;
    use x509_parser::x509::AlgorithmIdentifier;

    use super::*;

    #[test]
    fn every_identifier_is_read_as_its_algorithm() {
        let digests = [Digest::Sha256, Digest::Sha384, Digest::Sha512];
        let kinds: [fn(Digest) -> SignatureAlgorithm; 3] =
            [SignatureAlgorithm::RsaPkcs1, SignatureAlgorithm::RsaPss, SignatureAlgorithm::Ecdsa];
        let algorithms = kinds.iter().flat_map(|kind| digests.map(kind)).chain([SignatureAlgorithm::Ed25519]);
        for algorithm in algorithms {
            let der = algorithm.identifier().unwrap();
            let (rest, read) = AlgorithmIdentifier::from_der(&der).unwrap();
            assert!(rest.is_empty());
            assert_eq!(SignatureAlgorithm::from_identifier(&read), algorithm);
        }
        assert_eq!(SignatureAlgorithm::Other.identifier(), None);
    }
}
