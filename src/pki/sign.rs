//! Signing somebody else's request.

use aws_lc_rs::signature::{self as aws, UnparsedPublicKey, VerificationAlgorithm};
use rcgen::{DistinguishedName, DnType, DnValue, SubjectPublicKeyInfo};
use x509_parser::asn1_rs::Tag;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer as _;
use x509_parser::x509::{AttributeTypeAndValue, X509Name};

use super::authority::{Authority, KeyFamily};
use super::certify::{self, StatusUrls, Validity};
use super::error::PkiError;
use super::file;
use super::order::Role;
use super::test_pki::TestPki;
use crate::x509::{Digest, KeyKind, Part, RequestFacts, SignatureAlgorithm, X509Error, pem};

impl TestPki {
    /// Certifies the key of a PKCS#10 request (the contents of a PEM or DER file) for `role`, for `days`, and returns
    /// the certificate and its issuing CA in PEM.
    ///
    /// Subject and subjectAltName are the requester's; everything else the role decides, whatever the request asks
    /// for.
    ///
    /// # Errors
    /// When it is no request, is not signed with the key that it names, holds a key that A0 does not name, or, for a
    /// device or gateway, names none (A8).
    pub fn sign(&self, request: &[u8], role: Role, days: u32) -> Result<String, PkiError> {
        let der = pem::request(request)?;
        let facts = RequestFacts::read(&der)?;
        let (_, parsed) = X509CertificationRequest::from_der(&der).map_err(|_| unreadable())?;
        verify(&parsed, &facts)?;
        if role != Role::Platform {
            facts.subject.device_id()?;
        }
        let info = &parsed.certification_request_info;
        let key =
            SubjectPublicKeyInfo::from_der(info.subject_pki.raw).map_err(PkiError::make("certificate"))?;
        let family = match facts.key {
            KeyKind::Rsa { .. } => KeyFamily::Rsa,
            _ => KeyFamily::Ecc,
        };
        let authority = Authority::issuing(role, family);
        let names = facts.extensions.dns_names.iter().cloned();
        let names: Vec<String> =
            names.chain(facts.extensions.ip_addresses.iter().map(ToString::to_string)).collect();
        let params = certify::end_entity(
            subject(&info.subject)?,
            family,
            &role.purposes(),
            &names,
            Validity::days_from(self.clock.now(), days)?,
            &StatusUrls::of(&self.base_url, authority),
        )?;
        let certificate = params.signed_by(&key, &self.issuer(authority)?);
        let certificate = certificate.map_err(PkiError::make("certificate"))?;
        Ok(certificate.pem() + &file::read(&self.certificate(authority))?)
    }
}

/// Whoever sends a request must hold the key (RFC 2986 section 3).
fn verify(request: &X509CertificationRequest<'_>, facts: &RequestFacts) -> Result<(), PkiError> {
    let algorithm = verification(facts.key, facts.signature_algorithm);
    let algorithm = algorithm.ok_or(PkiError::RequestKey(facts.key, facts.signature_algorithm))?;
    let info = &request.certification_request_info;
    UnparsedPublicKey::new(algorithm, &info.subject_pki.subject_public_key.data)
        .verify(info.raw, &request.signature_value.data)
        .map_err(|_| PkiError::RequestSignature)
}

/// A0: RSA up to 4096 bits, three curves, SHA-256 and up.
fn verification(key: KeyKind, signature: SignatureAlgorithm) -> Option<&'static dyn VerificationAlgorithm> {
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

/// The requester's subject, attribute by attribute.
fn subject(name: &X509Name<'_>) -> Result<DistinguishedName, PkiError> {
    let mut subject = DistinguishedName::new();
    for attribute in name.iter_attributes() {
        let refused = || PkiError::Attribute(attribute.attr_type().to_string());
        let arcs: Vec<u64> = attribute.attr_type().iter().ok_or_else(refused)?.collect();
        let kind = DnType::from_oid(&arcs);
        // rcgen keeps one value of each type: a second would silently take the place of the first.
        if subject.get(&kind).is_some() {
            return Err(refused());
        }
        subject.push(kind, value(attribute).ok_or_else(refused)?);
    }
    Ok(subject)
}

fn value(attribute: &AttributeTypeAndValue<'_>) -> Option<DnValue> {
    let text = attribute.as_str().ok()?;
    match attribute.attr_value().tag() {
        Tag::Utf8String => Some(DnValue::Utf8String(text.to_owned())),
        Tag::PrintableString => text.try_into().ok().map(DnValue::PrintableString),
        Tag::Ia5String => text.try_into().ok().map(DnValue::Ia5String),
        _ => None,
    }
}

const fn unreadable() -> PkiError {
    PkiError::X509(X509Error::Structure(Part::Request))
}
