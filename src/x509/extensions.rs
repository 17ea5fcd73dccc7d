//! The certificate extensions that decisions of the platform depend on.

use std::collections::HashSet;
use std::fmt;
use std::net::IpAddr;

use x509_parser::asn1_rs::{FromDer as _, Oid, oid};
use x509_parser::extensions::{
    AuthorityInfoAccess, ExtendedKeyUsage, GeneralName, ParsedExtension, SubjectAlternativeName,
    X509Extension,
};

use super::distribution::CrlDistributionPoint;
use super::error::X509Error;
use crate::model::hexadecimal;

/// The extensions of a certificate, or those requested in a certificate request. The field of an absent
/// extension is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extensions {
    /// basicConstraints: whether the subject is a CA.
    pub is_ca: bool,
    /// basicConstraints: the maximum number of intermediate CAs below this one.
    pub path_length: Option<u32>,
    /// keyUsage; `None` leaves the key unrestricted.
    pub key_usage: Option<KeyUsage>,
    /// extKeyUsage; empty leaves the key unrestricted.
    pub purposes: Vec<KeyPurpose>,
    /// subjectAltName: DNS names.
    pub dns_names: Vec<String>,
    /// The URIs of subjectAltName.
    pub uris: Vec<String>,
    /// subjectAltName: IP addresses.
    pub ip_addresses: Vec<IpAddr>,
    /// subjectAltName: every name of whatever kind, with the kind before it, as `URI:https://ehr.example`;
    /// DNS names in lower case.
    pub alternative_names: Vec<String>,
    /// authorityInfoAccess: the URLs of OCSP responders (A9.2), in the certificate's order.
    pub ocsp_urls: Vec<String>,
    /// cRLDistributionPoints (A9.2).
    pub crl_distribution_points: Vec<CrlDistributionPoint>,
    /// freshestCRL: the distribution points of delta CRLs (RFC 5280 4.2.1.15).
    pub freshest_crl: Vec<CrlDistributionPoint>,
    /// id-pkix-ocsp-nocheck: this signer of OCSP responses needs no revocation check (RFC 6960 4.2.2.2.1).
    pub ocsp_no_check: bool,
    /// Whether there is an unknown critical extension.
    pub unknown_critical: bool,
    /// TLS feature (RFC 7633): the server must staple (status_request or status_request_v2).
    pub must_staple: bool,
    /// subjectKeyIdentifier.
    pub subject_key_id: Option<Vec<u8>>,
    /// The key identifier of authorityKeyIdentifier.
    pub authority_key_id: Option<Vec<u8>>,
}

/// keyUsage (RFC 5280 4.2.1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyUsage {
    /// The key may sign handshakes.
    pub digital_signature: bool,
    /// The key may be used for RSA key exchange.
    pub key_encipherment: bool,
    /// The key may sign certificates.
    pub key_cert_sign: bool,
    /// The key may sign CRLs.
    pub crl_sign: bool,
}

/// A purpose of extKeyUsage (RFC 5280 4.2.1.12).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum KeyPurpose {
    /// anyExtendedKeyUsage.
    Any,
    /// id-kp-serverAuth.
    ServerAuth,
    /// id-kp-clientAuth.
    ClientAuth,
    /// id-kp-OCSPSigning.
    OcspSigning,
    /// Any other, by its object identifier.
    Other(String),
}

impl Extensions {
    pub(super) fn from_parsed<'a>(
        extensions: impl IntoIterator<Item = &'a X509Extension<'a>>,
    ) -> Result<Self, X509Error> {
        let mut facts = Self::default();
        let mut seen = HashSet::new();
        for extension in extensions {
            if !seen.insert(&extension.oid) {
                return Err(X509Error::DuplicateExtension(extension.oid.to_string()));
            }
            facts.add(extension).ok_or_else(|| X509Error::Extension(extension.oid.to_string()))?;
        }
        Ok(facts)
    }

    /// Adds an extension; `None` if it is malformed.
    fn add(&mut self, extension: &X509Extension<'_>) -> Option<()> {
        match extension.parsed_extension() {
            ParsedExtension::BasicConstraints(constraints) => {
                self.is_ca = constraints.ca;
                self.path_length = constraints.path_len_constraint;
            }
            ParsedExtension::KeyUsage(usage) => {
                self.key_usage = Some(KeyUsage {
                    digital_signature: usage.digital_signature(),
                    key_encipherment: usage.key_encipherment(),
                    key_cert_sign: usage.key_cert_sign(),
                    crl_sign: usage.crl_sign(),
                });
            }
            ParsedExtension::ExtendedKeyUsage(usage) => self.purposes = purposes(usage)?,
            ParsedExtension::SubjectAlternativeName(names) => self.add_names(names)?,
            ParsedExtension::AuthorityInfoAccess(access) => self.ocsp_urls = ocsp_urls(access),
            ParsedExtension::CRLDistributionPoints(_) => {
                self.crl_distribution_points = CrlDistributionPoint::read_all(extension.value).ok()?;
            }
            _ if extension.oid == FRESHEST_CRL => {
                self.freshest_crl = CrlDistributionPoint::read_all(extension.value).ok()?;
            }
            ParsedExtension::UnsupportedExtension { oid } if *oid == OCSP_NO_CHECK => {
                self.ocsp_no_check = true
            }
            ParsedExtension::SubjectKeyIdentifier(id) => self.subject_key_id = Some(id.0.to_vec()),
            ParsedExtension::AuthorityKeyIdentifier(id) => {
                self.authority_key_id = id.key_identifier.as_ref().map(|id| id.0.to_vec());
            }
            ParsedExtension::UnsupportedExtension { oid } if *oid == TLS_FEATURE => {
                self.must_staple = tls_features(extension.value)?.iter().any(|id| STAPLING.contains(id));
            }
            // Other malformed extensions are ignored: no decision depends on them, so they are no reason for
            // a refusal.
            ParsedExtension::ParseError { .. } if RELIED_UPON.contains(&extension.oid) => return None,
            _ => self.unknown_critical |= extension.critical && !RELIED_UPON.contains(&extension.oid),
        }
        Some(())
    }

    fn add_names(&mut self, names: &SubjectAlternativeName<'_>) -> Option<()> {
        for name in &names.general_names {
            self.alternative_names.push(with_kind(name)?);
            match name {
                GeneralName::DNSName(name) => self.dns_names.push((*name).to_owned()),
                GeneralName::URI(uri) => self.uris.push((*uri).to_owned()),
                GeneralName::IPAddress(octets) => self.ip_addresses.push(ip_address(octets)?),
                GeneralName::Invalid(..) => return None,
                _ => {}
            }
        }
        Some(())
    }

    /// Every URL of every distribution point, in the certificate's order.
    pub fn crl_urls(&self) -> impl Iterator<Item = &str> {
        self.crl_distribution_points.iter().flat_map(CrlDistributionPoint::urls)
    }
}

impl KeyPurpose {
    /// The purpose with this object identifier.
    #[must_use]
    pub fn from_oid(oid: &str) -> Self {
        match oid {
            "2.5.29.37.0" => Self::Any,
            "1.3.6.1.5.5.7.3.1" => Self::ServerAuth,
            "1.3.6.1.5.5.7.3.2" => Self::ClientAuth,
            "1.3.6.1.5.5.7.3.9" => Self::OcspSigning,
            other => Self::Other(other.to_owned()),
        }
    }
}

impl fmt::Display for KeyPurpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Any => "any",
            Self::ServerAuth => "serverAuth",
            Self::ClientAuth => "clientAuth",
            Self::OcspSigning => "OCSPSigning",
            Self::Other(oid) => oid,
        })
    }
}

impl fmt::Display for KeyUsage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = [
            (self.digital_signature, "digitalSignature"),
            (self.key_encipherment, "keyEncipherment"),
            (self.key_cert_sign, "keyCertSign"),
            (self.crl_sign, "cRLSign"),
        ];
        let names: Vec<&str> = named.into_iter().filter(|(set, _)| *set).map(|(_, name)| name).collect();
        f.write_str(&names.join(", "))
    }
}

/// The purposes of the key; `None` if the list is empty. SIZE (1..MAX) forbids an empty list, and a parser
/// that treats it as absent would allow every purpose.
fn purposes(usage: &ExtendedKeyUsage<'_>) -> Option<Vec<KeyPurpose>> {
    let known = [
        (usage.any, KeyPurpose::Any),
        (usage.server_auth, KeyPurpose::ServerAuth),
        (usage.client_auth, KeyPurpose::ClientAuth),
        (usage.ocsp_signing, KeyPurpose::OcspSigning),
        (usage.code_signing, KeyPurpose::Other("1.3.6.1.5.5.7.3.3".to_owned())),
        (usage.email_protection, KeyPurpose::Other("1.3.6.1.5.5.7.3.4".to_owned())),
        (usage.time_stamping, KeyPurpose::Other("1.3.6.1.5.5.7.3.8".to_owned())),
    ];
    let known = known.into_iter().filter(|(set, _)| *set).map(|(_, purpose)| purpose);
    let other = usage.other.iter().map(|oid| KeyPurpose::Other(oid.to_string()));
    let purposes: Vec<KeyPurpose> = known.chain(other).collect();
    (!purposes.is_empty()).then_some(purposes)
}

/// A name with its kind; `None` if it is malformed. Of kinds that no decision depends on, the bytes.
fn with_kind(name: &GeneralName<'_>) -> Option<String> {
    Some(match name {
        GeneralName::DNSName(name) => format!("DNS:{}", name.to_ascii_lowercase()),
        GeneralName::URI(uri) => format!("URI:{uri}"),
        GeneralName::IPAddress(octets) => format!("IP:{}", ip_address(octets)?),
        GeneralName::RFC822Name(mailbox) => format!("email:{mailbox}"),
        GeneralName::DirectoryName(name) => format!("directoryName:{}", hexadecimal::encode(name.as_raw())),
        GeneralName::OtherName(kind, value) => format!("otherName:{kind}:{}", hexadecimal::encode(value)),
        GeneralName::RegisteredID(id) => format!("registeredID:{id}"),
        GeneralName::X400Address(any) => format!("x400Address:{}", hexadecimal::encode(any.data)),
        GeneralName::EDIPartyName(any) => format!("ediPartyName:{}", hexadecimal::encode(any.data)),
        GeneralName::Invalid(..) => return None,
    })
}

fn ip_address(octets: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(octets).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from)).ok()
}

fn ocsp_urls(access: &AuthorityInfoAccess<'_>) -> Vec<String> {
    let ocsp = access.iter().filter(|description| description.access_method == OCSP);
    ocsp.filter_map(|description| url(&description.access_location)).collect()
}

fn url(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::URI(url) => Some((*url).to_owned()),
        _ => None,
    }
}

/// Numbers of TLS extensions, from a SEQUENCE OF INTEGER (RFC 7633 4.1).
fn tls_features(der: &[u8]) -> Option<Vec<u16>> {
    let (rest, features) = Vec::<u16>::from_der(der).ok()?;
    rest.is_empty().then_some(features)
}

/// The parsed extensions of certificates and CRLs (cRLNumber, reasonCode). A malformed one is an error.
const RELIED_UPON: &[Oid<'static>] = &[
    oid!(2.5.29.14),
    oid!(2.5.29.15),
    oid!(2.5.29.17),
    oid!(2.5.29.19),
    oid!(2.5.29.20),
    oid!(2.5.29.21),
    oid!(2.5.29.31),
    oid!(2.5.29.35),
    oid!(2.5.29.37),
    oid!(1.3.6.1.5.5.7.1.1),
];
const FRESHEST_CRL: Oid<'static> = oid!(2.5.29.46);
const OCSP_NO_CHECK: Oid<'static> = oid!(1.3.6.1.5.5.7.48.1.5);
const TLS_FEATURE: Oid<'static> = oid!(1.3.6.1.5.5.7.1.24);
const OCSP: Oid<'static> = oid!(1.3.6.1.5.5.7.48.1);
/// status_request (RFC 6066) and status_request_v2 (RFC 6961).
const STAPLING: [u16; 2] = [5, 17];
