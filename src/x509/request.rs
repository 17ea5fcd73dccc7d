//! PKCS#10 certificate requests (RFC 2986).

use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::cri_attributes::ParsedCriAttribute;
use x509_parser::prelude::FromDer as _;

use super::algorithm::{KeyKind, SignatureAlgorithm};
use super::error::{Part, X509Error};
use super::extensions::Extensions;
use super::name::DistinguishedName;
use super::signature::PublicKey;

/// The contents of a certificate request. The issuing CA verifies its signature, which proves possession of
/// the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestFacts {
    /// The requested subject.
    pub subject: DistinguishedName,
    /// The kind of the key to be certified.
    pub key: KeyKind,
    /// The key to be certified.
    pub public_key: PublicKey,
    /// The algorithm of the request's signature.
    pub signature_algorithm: SignatureAlgorithm,
    /// The requested extensions.
    pub extensions: Extensions,
}

impl RequestFacts {
    /// Parses one request in DER.
    ///
    /// # Errors
    /// When the bytes are not exactly one request, or a relevant extension is malformed.
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
        let public_key =
            PublicKey::from_spki(&info.subject_pki).ok_or(X509Error::PublicKey(Part::Request))?;
        Ok(Self {
            subject: DistinguishedName::from_parsed(&info.subject),
            key: public_key.kind(),
            public_key,
            signature_algorithm: SignatureAlgorithm::from_identifier(&request.signature_algorithm),
            extensions: Extensions::from_parsed(requested.flatten())?,
        })
    }
}
