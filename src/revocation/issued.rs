//! A certificate with the issuer that signed it: the subject of every revocation check.

use std::sync::Arc;

use sha1::Digest as _;

use crate::model::{Fingerprint, KeyHash};
use crate::x509::{CertificateFacts, ComparableName, PublicKey};

/// A certificate of a validated path, with its issuer.
#[derive(Debug, Clone)]
pub struct IssuedCertificate {
    /// The certificate.
    pub certificate: Arc<CertificateFacts>,
    /// The issuer whose key verified its signature.
    pub issuer: Arc<Issuer>,
}

/// The issuer of a certificate: a CA of the path, or the trust anchor.
#[derive(Debug, Clone)]
pub struct Issuer {
    name: ComparableName,
    key: PublicKey,
    signs_crls: bool,
    identity: [u8; 32],
    /// Its certificate in the path; none for a trust anchor of which only name and key are known.
    certificate: Option<Fingerprint>,
}

/// The digest algorithm of a CertID (RFC 6960 4.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CertIdHash {
    /// SHA-1: here an identifier, not a signature; every responder supports it (RFC 5019 2.1.1).
    Sha1,
    /// SHA-256.
    Sha256,
}

impl Issuer {
    /// The issuer that this CA certificate describes.
    #[must_use]
    pub fn from_certificate(certificate: &CertificateFacts) -> Self {
        let name = certificate.subject.comparable();
        let signs_crls = certificate.key_usage.is_none_or(|usage| usage.crl_sign);
        let issuer = Self::new(name, certificate.public_key.clone(), signs_crls);
        Self { certificate: Some(certificate.fingerprint), ..issuer }
    }

    pub(super) fn new(name: ComparableName, key: PublicKey, signs_crls: bool) -> Self {
        let mut digest = sha2::Sha256::new();
        digest.update(CertIdHash::Sha256.digest(name.as_der()));
        digest.update(key.bits());
        Self { name, key, signs_crls, identity: digest.finalize().into(), certificate: None }
    }

    /// The fingerprint of its certificate, where that is known.
    pub(super) const fn certificate(&self) -> Option<Fingerprint> {
        self.certificate
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &ComparableName {
        &self.name
    }

    /// Its public key.
    #[must_use]
    pub const fn key(&self) -> &PublicKey {
        &self.key
    }

    /// Whether its keyUsage, if present, includes cRLSign.
    #[must_use]
    pub const fn signs_crls(&self) -> bool {
        self.signs_crls
    }

    /// The issuer name hash and issuer key hash of a CertID.
    #[must_use]
    pub fn hashes(&self, hash: CertIdHash) -> (Vec<u8>, Vec<u8>) {
        (hash.digest(self.name.as_der()), hash.digest(self.key.bits()))
    }

    /// SHA-1 over the key's BIT STRING: a responder's identifier by key (RFC 6960 4.2.2.3). This is not the
    /// value of the subjectKeyIdentifier extension, which is arbitrary.
    #[must_use]
    pub fn key_hash(&self) -> Vec<u8> {
        CertIdHash::Sha1.digest(self.key.bits())
    }

    /// SHA-256 over name and key. It distinguishes issuers of the same name.
    #[must_use]
    pub const fn identity(&self) -> [u8; 32] {
        self.identity
    }
}

/// A CA may have several certificates.
impl PartialEq for Issuer {
    fn eq(&self, other: &Self) -> bool {
        (self.identity, self.signs_crls) == (other.identity, other.signs_crls)
    }
}

impl Eq for Issuer {}

impl IssuedCertificate {
    /// SHA-256 over issuer, issuer's key and serial number: the key of cached responses.
    #[must_use]
    pub fn identity(&self) -> [u8; 32] {
        let mut digest = sha2::Sha256::new();
        digest.update(self.issuer.identity());
        digest.update(self.certificate.serial.as_octets());
        digest.finalize().into()
    }
}

/// The keys of the CAs in a path, the root's included.
pub fn issuer_keys(path: &[IssuedCertificate]) -> impl Iterator<Item = KeyHash> {
    path.iter().map(|issued| issued.issuer.key().hash())
}

impl CertIdHash {
    /// Both algorithms.
    pub const ALL: [Self; 2] = [Self::Sha1, Self::Sha256];

    /// The content of its OBJECT IDENTIFIER.
    pub(super) const fn oid(self) -> &'static [u8] {
        match self {
            Self::Sha1 => &[0x2b, 14, 3, 2, 26],
            Self::Sha256 => &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1],
        }
    }

    pub(super) fn digest(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha1 => sha1::Sha1::digest(bytes).to_vec(),
            Self::Sha256 => sha2::Sha256::digest(bytes).to_vec(),
        }
    }
}
