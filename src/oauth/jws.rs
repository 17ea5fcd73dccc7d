//! A signed JWT in compact form (RFC 7515), with the certificates of its key.
//!
//! The key is that of the first certificate of `x5c`, and nothing else: `jwk`, `jku` and `kid` are not read.
//! Four algorithms exist here, each of one kind of key, so that neither `none` nor a MAC can be chosen.

use aws_lc_rs::signature::{self as aws, UnparsedPublicKey, VerificationAlgorithm};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::refused::AssertionFault;
use crate::x509::{CertificateFacts, KeyKind};

/// A JWT whose signature is not verified yet.
#[derive(Debug)]
pub(super) struct Jws<'a> {
    /// What is signed.
    signed: &'a str,
    payload: &'a str,
    signature: Vec<u8>,
    algorithm: Algorithm,
    /// The certificates, that of the key first, in DER.
    pub(super) chain: Vec<Vec<u8>>,
    /// The first of them.
    pub(super) leaf: CertificateFacts,
}

/// A signature algorithm (RFC 7518 section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Algorithm {
    Rs256,
    Rs384,
    Es256,
    Es384,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    x5c: Vec<String>,
    /// RFC 7515 section 4.1.11: what is not understood must be refused, and nothing of it is.
    crit: Option<IgnoredAny>,
    /// RFC 7797: the payload would not be in base64.
    b64: Option<IgnoredAny>,
    /// RFC 7516: it would be encrypted.
    enc: Option<IgnoredAny>,
}

impl Algorithm {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "RS256" => Self::Rs256,
            "RS384" => Self::Rs384,
            "ES256" => Self::Es256,
            "ES384" => Self::Es384,
            _ => return None,
        })
    }

    /// The verification with a key of this kind, if the algorithm is one for it.
    fn verification(self, key: KeyKind) -> Option<&'static dyn VerificationAlgorithm> {
        Some(match (self, key) {
            (Self::Rs256, KeyKind::Rsa { bits: 2048..=4096 }) => &aws::RSA_PKCS1_2048_8192_SHA256,
            (Self::Rs384, KeyKind::Rsa { bits: 2048..=4096 }) => &aws::RSA_PKCS1_2048_8192_SHA384,
            (Self::Es256, KeyKind::EcP256) => &aws::ECDSA_P256_SHA256_FIXED,
            (Self::Es384, KeyKind::EcP384) => &aws::ECDSA_P384_SHA384_FIXED,
            _ => return None,
        })
    }
}

impl<'a> Jws<'a> {
    /// Examines size, form, algorithm and certificates, in this order; nothing is computed with a key yet.
    pub(super) fn read(text: &'a str) -> Result<Self, AssertionFault> {
        if text.len() > MAX_BYTES {
            return Err(AssertionFault::Size);
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(AssertionFault::Form)?;
        let (header, payload) = signed.split_once('.').ok_or(AssertionFault::Form)?;
        if payload.contains('.') {
            return Err(AssertionFault::Form);
        }
        let header = decoded(header)?;
        let header: Header = serde_json::from_slice(&header).map_err(|_| AssertionFault::Form)?;
        if header.crit.is_some() || header.b64.is_some() || header.enc.is_some() {
            return Err(AssertionFault::Form);
        }
        let algorithm = Algorithm::named(&header.alg).ok_or(AssertionFault::Algorithm)?;
        let signature = decoded(signature)?;
        let (chain, leaf) = certificates(&header.x5c).ok_or(AssertionFault::Certificates)?;
        algorithm.verification(leaf.key).ok_or(AssertionFault::Key)?;
        Ok(Self { signed, payload, signature, algorithm, chain, leaf })
    }

    /// The payload, when the key of the certificate has signed it.
    pub(super) fn verify(&self) -> Result<Vec<u8>, AssertionFault> {
        let verification = self.algorithm.verification(self.leaf.key).ok_or(AssertionFault::Key)?;
        UnparsedPublicKey::new(verification, self.leaf.public_key.bits())
            .verify(self.signed.as_bytes(), &self.signature)
            .map_err(|_| AssertionFault::Signature)?;
        decoded(self.payload)
    }
}

fn certificates(x5c: &[String]) -> Option<(Vec<Vec<u8>>, CertificateFacts)> {
    if x5c.len() > MAX_CERTIFICATES {
        return None;
    }
    let chain: Vec<Vec<u8>> = x5c.iter().map(|text| STANDARD.decode(text).ok()).collect::<Option<_>>()?;
    let leaf = CertificateFacts::read(chain.first()?).ok()?;
    Some((chain, leaf))
}

/// RFC 7515 section 2: base64url without padding.
fn decoded(text: &str) -> Result<Vec<u8>, AssertionFault> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| AssertionFault::Form)
}

/// Bytes of a JWT.
const MAX_BYTES: usize = 16 << 10;
/// Certificates of a JWT.
const MAX_CERTIFICATES: usize = 8;
