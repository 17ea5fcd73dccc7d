//! Certificates.

use std::ops::Deref;

use jiff::Timestamp;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;
use x509_parser::time::ASN1Time;

use super::algorithm::{KeyKind, SignatureAlgorithm};
use super::error::{Part, X509Error};
use super::extensions::Extensions;
use super::name::{DistinguishedName, NameError};
use super::serial::Serial;
use super::signature::PublicKey;
use super::time::NO_EXPIRY;
use crate::model::{DeviceId, Fingerprint};

/// The contents of a certificate (RFC 5280). It dereferences to its extensions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFacts {
    /// The subject.
    pub subject: DistinguishedName,
    /// The issuer.
    pub issuer: DistinguishedName,
    /// The serial number, unique for the issuer.
    pub serial: Serial,
    /// The first second of the validity.
    pub not_before: Timestamp,
    /// The last second of the validity.
    pub not_after: Timestamp,
    /// The kind of the subject's key.
    pub key: KeyKind,
    /// The subject's key, for the verification of signatures.
    pub public_key: PublicKey,
    /// The algorithm of the issuer's signature.
    pub signature_algorithm: SignatureAlgorithm,
    /// The extensions.
    pub extensions: Extensions,
    /// SHA-256 over the DER of the certificate.
    pub fingerprint: Fingerprint,
}

impl CertificateFacts {
    /// Parses one certificate in DER.
    ///
    /// # Errors
    /// When the bytes are not exactly one certificate, the certificate is ambiguous, or a relevant extension
    /// is malformed.
    pub fn read(der: &[u8]) -> Result<Self, X509Error> {
        let structure = || X509Error::Structure(Part::Certificate);
        let (rest, certificate) = X509Certificate::from_der(der).map_err(|_| structure())?;
        if !rest.is_empty() {
            return Err(structure());
        }
        if certificate.signature_algorithm != certificate.tbs_certificate.signature {
            return Err(X509Error::AlgorithmMismatch(Part::Certificate));
        }
        let public_key =
            PublicKey::from_spki(certificate.public_key()).ok_or(X509Error::PublicKey(Part::Certificate))?;
        Ok(Self {
            subject: DistinguishedName::from_parsed(certificate.subject()),
            issuer: DistinguishedName::from_parsed(certificate.issuer()),
            serial: Serial::from_octets(certificate.raw_serial()),
            not_before: timestamp(certificate.validity().not_before, Part::Certificate)?,
            not_after: timestamp(certificate.validity().not_after, Part::Certificate)?,
            key: public_key.kind(),
            public_key,
            signature_algorithm: SignatureAlgorithm::from_identifier(&certificate.signature_algorithm),
            extensions: Extensions::from_parsed(certificate.extensions())?,
            fingerprint: Fingerprint::sha256(der),
        })
    }

    /// The identifier of the device or gateway in the subject (A8).
    ///
    /// # Errors
    /// Unless the subject has exactly one Common Name, and it is a device identifier.
    pub fn device_id(&self) -> Result<DeviceId, NameError> {
        self.subject.device_id()
    }

    /// Whether `now` lies within its validity.
    #[must_use]
    pub fn is_valid_at(&self, now: Timestamp) -> bool {
        // Both limits are whole seconds, and the last second is part of the validity.
        self.not_before <= now && now.as_second() <= self.not_after.as_second()
    }
}

impl Deref for CertificateFacts {
    type Target = Extensions;

    fn deref(&self) -> &Extensions {
        &self.extensions
    }
}

pub(super) fn timestamp(time: ASN1Time, part: Part) -> Result<Timestamp, X509Error> {
    let second = time.timestamp().min(NO_EXPIRY.as_second());
    Timestamp::from_second(second).map_err(|_| X509Error::Time(part))
}
