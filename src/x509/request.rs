//! PKCS#10 certificate requests (RFC 2986).

use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::cri_attributes::ParsedCriAttribute;
use x509_parser::prelude::FromDer as _;

use super::algorithm::{KeyKind, SignatureAlgorithm};
use super::error::{Part, X509Error};
use super::extensions::Extensions;
use super::name::DistinguishedName;

/// What we read in a certificate request. Its signature, which proves that the requester holds the key, is
/// left to whoever signs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestFacts {
    /// The name that is asked for.
    pub subject: DistinguishedName,
    /// The key that is to be certified.
    pub key: KeyKind,
    /// How the request is signed.
    pub signature_algorithm: SignatureAlgorithm,
    /// The extensions that are asked for.
    pub extensions: Extensions,
}

impl RequestFacts {
    /// Reads one request in DER.
    ///
    /// # Errors
    /// When the bytes are not exactly one request, or an extension that is relied upon is malformed.
    pub fn read(der: &[u8]) -> Result<Self, X509Error> {
        let structure = || X509Error::Structure(Part::Request);
        let (rest, request) = X509CertificationRequest::from_der(der).map_err(|_| structure())?;
        if !rest.is_empty() {
            return Err(structure());
        }
        let info = &request.certification_request_info;
        let requested = info.iter_attributes().filter_map(|attribute| match attribute.parsed_attribute() {
            ParsedCriAttribute::ExtensionRequest(request) => Some(&request.extensions),
            _ => None,
        });
        Ok(Self {
            subject: DistinguishedName::from_parsed(&info.subject),
            key: KeyKind::from_spki(&info.subject_pki).ok_or(X509Error::PublicKey(Part::Request))?,
            signature_algorithm: SignatureAlgorithm::from_identifier(&request.signature_algorithm),
            extensions: Extensions::from_parsed(requested.flatten())?,
        })
    }
}
