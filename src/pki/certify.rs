//! The parameters of certificates: the extensions that RFC 5280 and the specification require.

use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, CrlDistributionPoint, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose, SanType, SerialNumber,
};
use time::OffsetDateTime;

use super::authority::Authority;
use super::error::PkiError;
use super::extension;
use super::key::KeyFamily;
use super::role::Role;
use crate::x509::KeyPurpose;

/// The validity of a certificate.
#[derive(Debug, Clone, Copy)]
pub(super) struct Validity {
    not_before: OffsetDateTime,
    not_after: OffsetDateTime,
}

/// The URLs for the status of a certificate.
#[derive(Debug, Clone, Default)]
pub(super) struct StatusUrls {
    pub(super) ocsp: Vec<String>,
    pub(super) crl: Vec<String>,
}

impl Validity {
    /// `days`, beginning at `start`.
    pub(super) fn days(start: Timestamp, days: u32) -> Result<Self, PkiError> {
        let refused = || PkiError::Validity(days);
        if days == 0 {
            return Err(refused());
        }
        let end =
            start.checked_add(SignedDuration::from_hours(i64::from(days) * 24)).map_err(|_| refused())?;
        let (not_before, not_after) = moment(start).zip(moment(end)).ok_or_else(refused)?;
        Ok(Self { not_before, not_after })
    }

    /// `days`, beginning a few minutes ago: the clocks of devices are often behind.
    pub(super) fn days_from(now: Timestamp, days: u32) -> Result<Self, PkiError> {
        let start = now.checked_sub(BACKDATING).map_err(|_| PkiError::Validity(days))?;
        Self::days(start, days)
    }
}

impl StatusUrls {
    /// The URLs of this PKI for certificates that `issuer` issues.
    pub(super) fn new(base_url: &str, issuer: Authority) -> Self {
        Self {
            ocsp: vec![format!("{base_url}/ocsp")],
            crl: vec![format!("{base_url}/crl/{}.crl", issuer.name())],
        }
    }
}

/// A time as rcgen wants it; `None` beyond the year 9999.
pub(super) fn moment(time: Timestamp) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp(time.as_second()).ok()
}

/// The certificate of an authority.
pub(super) fn authority(
    authority: Authority,
    validity: Validity,
    urls: &StatusUrls,
) -> Result<CertificateParams, PkiError> {
    let mut params = basic(subject(&[authority.common_name().to_owned()])?, validity, urls)?;
    // An issuing CA issues no other CA.
    let constraint = if authority.parent().is_some() {
        BasicConstraints::Constrained(0)
    } else {
        BasicConstraints::Unconstrained
    };
    params.is_ca = IsCa::Ca(constraint);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.use_authority_key_identifier_extension = authority.parent().is_some();
    Ok(params)
}

/// The certificate of a device, gateway or platform.
pub(super) fn end_entity(
    subject: DistinguishedName,
    family: KeyFamily,
    purposes: &[KeyPurpose],
    names: Vec<SanType>,
    validity: Validity,
    urls: &StatusUrls,
) -> Result<CertificateParams, PkiError> {
    let mut params = basic(subject, validity, urls)?;
    params.is_ca = IsCa::ExplicitNoCa;
    params.use_authority_key_identifier_extension = true;
    params.key_usages = match family {
        KeyFamily::Ecc => vec![KeyUsagePurpose::DigitalSignature],
        // The specification has no suite with RSA key transport, but RFC 5246 7.4.2 clients expect the bit.
        KeyFamily::Rsa => vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment],
    };
    params.extended_key_usages = purposes.iter().map(purpose).collect::<Result<_, _>>()?;
    params.subject_alt_names = names;
    Ok(params)
}

/// Alternative names, the kind of each by its form.
pub(super) fn alt_names(names: &[String]) -> Result<Vec<SanType>, PkiError> {
    names.iter().map(|name| alt_name(name)).collect()
}

/// The names of a platform on this machine, and `more`.
pub(super) fn platform_names(role: Role, more: &[String]) -> Vec<String> {
    let own: &[&str] = if role == Role::Platform { &["localhost", "127.0.0.1", "::1"] } else { &[] };
    let own = own.iter().copied().filter(|name| !more.iter().any(|other| other == name));
    own.map(str::to_owned).chain(more.iter().cloned()).collect()
}

/// A subject of this PKI, with these Common Names.
pub(super) fn subject(common_names: &[String]) -> Result<DistinguishedName, PkiError> {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::OrganizationName, TEST_ORGANIZATION);
    // rcgen holds one value per type; the second name uses the same type by its number.
    let types = [DnType::CommonName, DnType::CustomDnType(vec![2, 5, 4, 3])];
    if common_names.len() > types.len() {
        return Err(PkiError::CommonNames(common_names.len()));
    }
    for (kind, name) in types.into_iter().zip(common_names) {
        subject.push(kind, name.as_str());
    }
    Ok(subject)
}

/// A DNS name, an IP address, or a URI with `://`.
pub(super) fn alt_name(name: &str) -> Result<SanType, PkiError> {
    if let Ok(address) = name.parse::<IpAddr>() {
        return Ok(SanType::IpAddress(address));
    }
    let refused = || PkiError::SubjectAltName(name.to_owned());
    if name.contains("://") {
        let is_plain = name.bytes().all(|byte| byte.is_ascii_graphic());
        let uri = is_plain.then(|| name.try_into().ok()).flatten();
        return uri.map(SanType::URI).ok_or_else(refused);
    }
    let host = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'*' | b'_');
    if name.is_empty() || !name.bytes().all(host) {
        return Err(refused());
    }
    Ok(SanType::DnsName(name.try_into().map_err(|_| refused())?))
}

fn basic(
    subject: DistinguishedName,
    validity: Validity,
    urls: &StatusUrls,
) -> Result<CertificateParams, PkiError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = subject;
    params.serial_number = Some(serial()?);
    params.not_before = validity.not_before;
    params.not_after = validity.not_after;
    if !urls.crl.is_empty() {
        params.crl_distribution_points = vec![CrlDistributionPoint { uris: urls.crl.clone() }];
    }
    if !urls.ocsp.is_empty() {
        params.custom_extensions.push(extension::ocsp_access(&urls.ocsp));
    }
    Ok(params)
}

/// Sixteen random octets, positive and without a leading zero (RFC 5280 4.1.2.2).
fn serial() -> Result<SerialNumber, PkiError> {
    let mut octets = [0_u8; 16];
    aws_lc_rs::rand::fill(&mut octets).map_err(|_| PkiError::Random)?;
    if let Some(first) = octets.first_mut() {
        *first = (*first & 0x7f) | 0x40;
    }
    Ok(SerialNumber::from_slice(&octets))
}

fn purpose(purpose: &KeyPurpose) -> Result<ExtendedKeyUsagePurpose, PkiError> {
    Ok(match purpose {
        KeyPurpose::Any => ExtendedKeyUsagePurpose::Any,
        KeyPurpose::ServerAuth => ExtendedKeyUsagePurpose::ServerAuth,
        KeyPurpose::ClientAuth => ExtendedKeyUsagePurpose::ClientAuth,
        KeyPurpose::OcspSigning => ExtendedKeyUsagePurpose::OcspSigning,
        KeyPurpose::Other(oid) => ExtendedKeyUsagePurpose::Other(
            object_identifier(oid).ok_or_else(|| PkiError::ObjectIdentifier(oid.clone()))?,
        ),
    })
}

/// X.660: the first arc is 0, 1 or 2; below 0 and 1 there are forty.
fn object_identifier(text: &str) -> Option<Vec<u64>> {
    let arcs = text.split('.').map(str::parse).collect::<Result<Vec<u64>, _>>().ok()?;
    match arcs.as_slice() {
        [0 | 1, 0..40, ..] | [2, 0..40, ..] => Some(arcs),
        _ => None,
    }
}

/// O of the subject of each CA, and of each certificate whose order names no other, of a test PKI.
pub const TEST_ORGANIZATION: &str = "pcd-platform test PKI";

const BACKDATING: SignedDuration = SignedDuration::from_mins(5);
