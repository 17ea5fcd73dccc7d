//! OCSP requests, and their encoding for GET.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::cert_id::CertId;
use super::nonce::{NONCE, nonce_list, nonce_value};
use crate::revocation::IssuedCertificate;
use crate::revocation::issued::CertIdHash;
use crate::x509::RawExtension;
use crate::x509::der::{Element, INTEGER, Malformed, SEQUENCE, constructed, element, sequence};

/// An OCSP request, RFC 6960 4.1.1: as a client writes it, and as a responder reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The certificates in question.
    pub certificates: Vec<CertId>,
    /// The content of the nonce extension's OCTET STRING (RFC 9654).
    pub nonce: Option<Vec<u8>>,
}

impl Request {
    /// A request for one certificate.
    #[must_use]
    pub fn for_certificate(issued: &IssuedCertificate, hash: CertIdHash, nonce: Option<Vec<u8>>) -> Self {
        Self { certificates: vec![CertId::for_certificate(issued, hash)], nonce }
    }

    /// The request in DER.
    #[must_use]
    pub fn to_der(&self) -> Vec<u8> {
        let list: Vec<u8> = self.certificates.iter().flat_map(|id| sequence(&[&id.to_der()])).collect();
        let list = element(SEQUENCE, &list);
        let extensions =
            self.nonce.as_deref().map_or_else(Vec::new, |nonce| element(constructed(2), &nonce_list(nonce)));
        sequence(&[&sequence(&[&list, &extensions])])
    }

    /// Parses a request.
    ///
    /// # Errors
    /// When the bytes are not exactly one request.
    pub fn read(der: &[u8]) -> Result<Self, Malformed> {
        let mut outer = Element::whole(der, SEQUENCE)?.reader();
        let mut tbs = outer.expect(SEQUENCE)?.reader();
        // A responder that serves everyone ignores the requester's signature, [0].
        outer.optional(constructed(0))?;
        outer.finish()?;
        if let Some(version) = tbs.optional(constructed(0))? {
            Element::whole(version.content, INTEGER)?;
        }
        tbs.optional(constructed(1))?;
        let mut list = tbs.expect(SEQUENCE)?.reader();
        let mut certificates = Vec::new();
        while !list.is_empty() {
            let mut entry = list.expect(SEQUENCE)?.reader();
            certificates.push(CertId::read(&entry.expect(SEQUENCE)?)?);
            entry.optional(constructed(0))?;
            entry.finish()?;
        }
        let nonce = match tbs.optional(constructed(2))? {
            Some(extensions) => {
                let list = Element::whole(extensions.content, SEQUENCE)?.reader();
                let found =
                    RawExtension::read_all(list)?.into_iter().find(|extension| extension.oid == NONCE);
                found.map(|nonce| nonce_value(nonce.value).to_vec())
            }
            None => None,
        };
        tbs.finish()?;
        Ok(Self { certificates, nonce })
    }
}

/// The URL of a request by GET: base64, percent-encoded, after the responder's URL. `None` when it exceeds
/// the 255 bytes up to which RFC 6960 appendix A.1 allows GET; then POST is used.
#[must_use]
pub fn get_path(url: &str, request: &[u8]) -> Option<String> {
    let mut path = url.trim_end_matches('/').to_owned();
    path.push('/');
    for character in STANDARD.encode(request).chars() {
        match character {
            '+' => path.push_str("%2B"),
            '/' => path.push_str("%2F"),
            '=' => path.push_str("%3D"),
            plain => path.push(plain),
        }
    }
    (path.len() < 255).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_requests_use_get_and_large_ones_post() {
        assert_eq!(get_path("http://r.example/", &[0xfb, 0xff]).unwrap(), "http://r.example/%2B%2F8%3D");
        assert_eq!(get_path("http://r.example", &[0; 300]), None);
    }

    #[test]
    fn a_request_is_parsed_as_written() {
        let id = CertId {
            hash: CertIdHash::Sha1.oid().to_vec(),
            issuer_name: vec![1; 20],
            issuer_key: vec![2; 20],
            serial: vec![0, 0x80],
        };
        for nonce in [None, Some(vec![7; 32])] {
            let request = Request { certificates: vec![id.clone()], nonce };
            assert_eq!(Request::read(&request.to_der()), Ok(request.clone()));
            assert!(Request::read(&[request.to_der(), vec![0]].concat()).is_err());
        }
    }
}
