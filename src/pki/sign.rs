//! Signing of certificate requests.

use rcgen::{DistinguishedName, DnType, DnValue, SanType, SubjectPublicKeyInfo};
use x509_parser::asn1_rs::Tag;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer as _;
use x509_parser::x509::{AttributeTypeAndValue, X509Name};

use super::authority::Authority;
use super::certify::{self, StatusUrls, Validity};
use super::error::PkiError;
use super::file;
use super::key::KeyFamily;
use super::role::Role;
use super::test_pki::TestPki;
use crate::x509::{KeyKind, KeyPurpose, Part, RequestFacts, SignatureError, Signed, X509Error, pem};

impl TestPki {
    /// Issues a certificate for a PKCS#10 request (the contents of a PEM or DER file), for `role` and `days`.
    /// Returns the certificate and its issuing CA in PEM.
    ///
    /// Subject and subjectAltName come from the request. The role decides the rest, whatever the request
    /// contains.
    ///
    /// # Errors
    /// When it cannot be parsed, its signature does not match its key, the key is not one of A0, or the
    /// subject of a device or gateway names no device (A8).
    pub fn sign(&self, request: &[u8], role: Role, days: u32) -> Result<String, PkiError> {
        self.sign_for(request, role, &role.purposes(), days)
    }

    /// The same for a server that is no client: serverAuth alone.
    ///
    /// # Errors
    /// As [`TestPki::sign`].
    pub fn sign_server(&self, request: &[u8], days: u32) -> Result<String, PkiError> {
        self.sign_for(request, Role::Platform, &[KeyPurpose::ServerAuth], days)
    }

    fn sign_for(
        &self,
        request: &[u8],
        role: Role,
        purposes: &[KeyPurpose],
        days: u32,
    ) -> Result<String, PkiError> {
        let der = pem::request(request)?;
        let facts = RequestFacts::read(&der)?;
        let (_, parsed) = X509CertificationRequest::from_der(&der).map_err(|_| unreadable())?;
        verify(&der, &facts)?;
        if role != Role::Platform {
            facts.subject.device_id()?;
        }
        let info = &parsed.certification_request_info;
        let key =
            SubjectPublicKeyInfo::from_der(info.subject_pki.raw).map_err(PkiError::make("a certificate"))?;
        let family = match facts.key {
            KeyKind::Rsa { .. } => KeyFamily::Rsa,
            _ => KeyFamily::Ecc,
        };
        let authority = Authority::issuing(role, family);
        let names = names(&facts)?;
        let params = certify::end_entity(
            subject(&info.subject)?,
            family,
            purposes,
            names,
            Validity::days_from(self.clock.now(), days)?,
            &StatusUrls::new(&self.base_url, authority),
        )?;
        let certificate = params.signed_by(&key, &self.issuer(authority)?);
        let certificate = certificate.map_err(PkiError::make("a certificate"))?;
        Ok(certificate.pem() + &file::read(&self.certificate(authority))?)
    }
}

/// The alternative names of the request, each of its own kind.
fn names(facts: &RequestFacts) -> Result<Vec<SanType>, PkiError> {
    let refused = |name: &String| PkiError::SubjectAltName(name.clone());
    let of_kind = |name: &String| match name.split_once(':') {
        Some(("IP", address)) => address.parse().map(SanType::IpAddress).map_err(|_| refused(name)),
        Some(("DNS", host)) => match certify::alt_name(host)? {
            kind @ SanType::DnsName(_) => Ok(kind),
            // An address, or a URI, that is called a DNS name.
            _ => Err(refused(name)),
        },
        Some(("URI", uri)) => match certify::alt_name(uri)? {
            kind @ SanType::URI(_) => Ok(kind),
            _ => Err(refused(name)),
        },
        _ => Err(refused(name)),
    };
    facts.extensions.alternative_names.iter().map(of_kind).collect()
}

/// Proof of possession: the requester must hold the key (RFC 2986 section 3).
fn verify(der: &[u8], facts: &RequestFacts) -> Result<(), PkiError> {
    let signed = Signed::read(der).map_err(|_| unreadable())?;
    signed.verify(&facts.public_key).map_err(|error| match error {
        SignatureError::Algorithm(key, algorithm) => PkiError::RequestKey(key, algorithm),
        SignatureError::Identifier | SignatureError::Wrong => PkiError::RequestSignature,
    })
}

/// The requester's subject, attribute by attribute.
fn subject(name: &X509Name<'_>) -> Result<DistinguishedName, PkiError> {
    let mut subject = DistinguishedName::new();
    for attribute in name.iter_attributes() {
        let refused = || PkiError::Attribute(attribute.attr_type().to_string());
        let arcs: Vec<u64> = attribute.attr_type().iter().ok_or_else(refused)?.collect();
        let kind = DnType::from_oid(&arcs);
        // rcgen holds one value per type: a second would silently replace the first.
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
