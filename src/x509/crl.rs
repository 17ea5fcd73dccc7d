//! Certificate revocation lists.

use jiff::Timestamp;
use x509_parser::extensions::{ParsedExtension, X509Extension};
use x509_parser::prelude::FromDer as _;
use x509_parser::revocation_list::{CertificateRevocationList, RevokedCertificate};

use super::algorithm::SignatureAlgorithm;
use super::certificate::timestamp;
use super::error::{Part, X509Error};
use super::extensions::Extensions;
use super::name::DistinguishedName;
use super::serial::Serial;

/// The contents of a CRL (RFC 5280 section 5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CrlFacts {
    /// The issuer of the CRL.
    pub issuer: DistinguishedName,
    /// The key identifier of authorityKeyIdentifier, which identifies the issuer's signing key.
    pub authority_key_id: Option<Vec<u8>>,
    /// The time of issue.
    pub this_update: Timestamp,
    /// The latest time of issue of the next CRL.
    pub next_update: Option<Timestamp>,
    /// cRLNumber, as the content octets of its INTEGER without leading zeros.
    pub number: Option<Vec<u8>>,
    /// The algorithm of the issuer's signature.
    pub signature_algorithm: SignatureAlgorithm,
    /// The revoked certificates, in the order of the CRL.
    pub revoked: Vec<RevokedEntry>,
}

/// One revoked certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevokedEntry {
    /// The certificate's serial number.
    pub serial: Serial,
    /// The time of the revocation.
    pub revoked_at: Timestamp,
    /// reasonCode (RFC 5280 5.3.1).
    pub reason: Option<u8>,
}

impl CrlFacts {
    /// Parses one CRL in DER.
    ///
    /// # Errors
    /// When the bytes are not exactly one CRL, or a relevant extension is malformed.
    pub fn read(der: &[u8]) -> Result<Self, X509Error> {
        let structure = || X509Error::Structure(Part::Crl);
        let (rest, crl) = CertificateRevocationList::from_der(der).map_err(|_| structure())?;
        if !rest.is_empty() {
            return Err(structure());
        }
        if crl.signature_algorithm != crl.tbs_cert_list.signature {
            return Err(X509Error::AlgorithmMismatch(Part::Crl));
        }
        let extensions = Extensions::from_parsed(crl.extensions())?;
        Ok(Self {
            issuer: DistinguishedName::from_parsed(crl.issuer()),
            authority_key_id: extensions.authority_key_id,
            this_update: timestamp(crl.last_update(), Part::Crl)?,
            next_update: crl.next_update().map(|time| timestamp(time, Part::Crl)).transpose()?,
            number: crl.crl_number().map(x509_parser::num_bigint::BigUint::to_bytes_be),
            signature_algorithm: SignatureAlgorithm::from_identifier(&crl.signature_algorithm),
            revoked: crl
                .iter_revoked_certificates()
                .map(RevokedEntry::from_parsed)
                .collect::<Result<_, _>>()?,
        })
    }
}

impl RevokedEntry {
    fn from_parsed(entry: &RevokedCertificate<'_>) -> Result<Self, X509Error> {
        Extensions::from_parsed(entry.extensions())?;
        Ok(Self {
            serial: Serial::from_octets(entry.raw_serial()),
            revoked_at: timestamp(entry.revocation_date, Part::Crl)?,
            reason: entry.extensions().iter().find_map(reason),
        })
    }
}

fn reason(extension: &X509Extension<'_>) -> Option<u8> {
    match extension.parsed_extension() {
        ParsedExtension::ReasonCode(code) => Some(code.0),
        _ => None,
    }
}
