//! Maps the signature schemes of TLS to PKCS#11 mechanisms.
//!
//! Tokens get the digest, not the message: all tokens support the mechanisms for digests (CKM_RSA_PKCS,
//! CKM_RSA_PKCS_PSS, CKM_ECDSA), and a slow token has the least work.

use aws_lc_rs::digest::{self, digest};
use cryptoki::mechanism::rsa::{PkcsMgfType, PkcsPssParams};
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::types::Ulong;
use pkcs8::der::Encode as _;
use pkcs8::der::asn1::UintRef;
use rustls::SignatureScheme;

/// The NIST curves (A0).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Curve {
    P256,
    P384,
    P521,
}

impl Curve {
    /// From CKA_EC_PARAMS: the object identifier in DER (RFC 5480 2.1.1.1).
    pub(super) fn from_ec_params(parameters: &[u8]) -> Option<Self> {
        match parameters {
            b"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07" => Some(Self::P256),
            b"\x06\x05\x2b\x81\x04\x00\x22" => Some(Self::P384),
            b"\x06\x05\x2b\x81\x04\x00\x23" => Some(Self::P521),
            _ => None,
        }
    }
}

/// A signature scheme of TLS that tokens support.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Scheme {
    padding: Padding,
    hash: Hash,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Padding {
    Pkcs1,
    Pss,
    Ecdsa(Curve),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

use Hash::{Sha256, Sha384, Sha512};
use Padding::{Ecdsa, Pkcs1, Pss};

const fn scheme(padding: Padding, hash: Hash) -> Scheme {
    Scheme { padding, hash }
}

impl Scheme {
    /// The schemes of a key, in order of preference: for a curve the hash of its size, for `None` those of
    /// RSA.
    pub(super) const fn for_key(curve: Option<Curve>) -> &'static [Self] {
        match curve {
            None => {
                const {
                    &[
                        scheme(Pss, Sha512),
                        scheme(Pss, Sha384),
                        scheme(Pss, Sha256),
                        scheme(Pkcs1, Sha512),
                        scheme(Pkcs1, Sha384),
                        scheme(Pkcs1, Sha256),
                    ]
                }
            }
            Some(Curve::P256) => const { &[scheme(Ecdsa(Curve::P256), Sha256)] },
            Some(Curve::P384) => const { &[scheme(Ecdsa(Curve::P384), Sha384)] },
            Some(Curve::P521) => const { &[scheme(Ecdsa(Curve::P521), Sha512)] },
        }
    }

    pub(super) const fn in_tls(self) -> SignatureScheme {
        match (self.padding, self.hash) {
            (Pkcs1, Sha256) => SignatureScheme::RSA_PKCS1_SHA256,
            (Pkcs1, Sha384) => SignatureScheme::RSA_PKCS1_SHA384,
            (Pkcs1, Sha512) => SignatureScheme::RSA_PKCS1_SHA512,
            (Pss, Sha256) => SignatureScheme::RSA_PSS_SHA256,
            (Pss, Sha384) => SignatureScheme::RSA_PSS_SHA384,
            (Pss, Sha512) => SignatureScheme::RSA_PSS_SHA512,
            (Ecdsa(Curve::P256), _) => SignatureScheme::ECDSA_NISTP256_SHA256,
            (Ecdsa(Curve::P384), _) => SignatureScheme::ECDSA_NISTP384_SHA384,
            (Ecdsa(Curve::P521), _) => SignatureScheme::ECDSA_NISTP521_SHA512,
        }
    }

    pub(super) fn mechanism(self) -> Mechanism<'static> {
        match self.padding {
            Pkcs1 => Mechanism::RsaPkcs,
            Pss => Mechanism::RsaPkcsPss(self.hash.pss()),
            Ecdsa(_) => Mechanism::Ecdsa,
        }
    }

    /// The input for the token: the digest, for PKCS #1 in a DigestInfo with the name of the hash (RFC 8017
    /// 9.2).
    pub(super) fn input(self, message: &[u8]) -> Vec<u8> {
        let digest = digest(self.hash.algorithm(), message);
        match self.padding {
            Pkcs1 => [self.hash.digest_info(), digest.as_ref()].concat(),
            Pss | Ecdsa(_) => digest.as_ref().to_vec(),
        }
    }

    /// The signature in the form of TLS. ECDSA signatures of tokens are r followed by s; those of TLS are a
    /// SEQUENCE of two INTEGERs (RFC 3279 2.2.3).
    pub(super) fn output(self, signature: Vec<u8>) -> Option<Vec<u8>> {
        match self.padding {
            Pkcs1 | Pss => Some(signature),
            Ecdsa(_) => {
                let (r, s) = signature.split_at_checked(signature.len() / 2)?;
                [UintRef::new(r).ok()?, UintRef::new(s).ok()?].to_der().ok()
            }
        }
    }
}

impl Hash {
    const fn algorithm(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        }
    }

    /// RFC 8017 9.2, note 1.
    const fn digest_info(self) -> &'static [u8] {
        match self {
            Self::Sha256 => b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20",
            Self::Sha384 => b"\x30\x41\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x02\x05\x00\x04\x30",
            Self::Sha512 => b"\x30\x51\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x03\x05\x00\x04\x40",
        }
    }

    /// The same hash for message and mask, and a salt of its length (RFC 8446 4.2.3).
    fn pss(self) -> PkcsPssParams {
        let (hash_alg, mgf, salt) = match self {
            Self::Sha256 => (MechanismType::SHA256, PkcsMgfType::MGF1_SHA256, 32),
            Self::Sha384 => (MechanismType::SHA384, PkcsMgfType::MGF1_SHA384, 48),
            Self::Sha512 => (MechanismType::SHA512, PkcsMgfType::MGF1_SHA512, 64),
        };
        PkcsPssParams { hash_alg, mgf, s_len: Ulong::new(salt) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r_and_s_become_der_integers() {
        let ecdsa = scheme(Ecdsa(Curve::P256), Sha256);
        // An INTEGER is signed: leading zeros are dropped, and a number whose first bit is set gets one.
        assert_eq!(ecdsa.output(vec![0, 1, 0x80, 2]).unwrap(), [0x30, 8, 2, 1, 1, 2, 3, 0, 0x80, 2]);
        assert_eq!(ecdsa.output(vec![0, 0]).unwrap(), [0x30, 6, 2, 1, 0, 2, 1, 0]);
        let long = ecdsa.output(vec![0x01; 132]).unwrap();
        assert_eq!(long.get(..5).unwrap(), [0x30, 0x81, 0x88, 2, 66]);
    }

    #[test]
    fn the_schemes_are_distinct() {
        let all =
            [None, Some(Curve::P256), Some(Curve::P384), Some(Curve::P521)].map(Scheme::for_key).concat();
        let mut names: Vec<u16> = all.iter().map(|scheme| scheme.in_tls().into()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), 9);
        for scheme in all {
            let length = scheme.hash.algorithm().output_len();
            let prefix = if scheme.padding == Pkcs1 { 19 } else { 0 };
            assert_eq!(scheme.input(b"").len(), length + prefix);
        }
    }
}
