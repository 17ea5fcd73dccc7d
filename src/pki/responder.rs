//! The OCSP responder of the test PKI (RFC 6960): a request in, a response out. [`super::serve`] serves it
//! over HTTP.

use std::sync::Arc;

use jiff::SignedDuration;
use rcgen::{CustomExtension, KeyPair};

use super::authority::Authority;
use super::certify::{self, StatusUrls, Validity};
use super::error::PkiError;
use super::index::Index;
use super::ocsp_response::{OcspFailure, OcspResponse, ResponderId};
use super::test_pki::TestPki;
use super::{file, key};
use crate::model::explained;
use crate::revocation::CertStatus;
use crate::revocation::ocsp::{CertId, Request, SingleResponse};
use crate::revocation::{CertIdHash, Issuer};
use crate::x509::{CertificateFacts, KeyPurpose, pem};

/// The signer of the responses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OcspSigner {
    /// A delegate: a certificate that each CA issues at every start (RFC 6960 4.2.2.2).
    Delegate,
    /// The CA itself.
    Ca,
}

/// The responder for every CA of a test PKI.
#[derive(Debug)]
pub struct OcspResponder {
    pki: TestPki,
    served: Vec<Served>,
    lifetime: SignedDuration,
}

/// The signer for one CA.
#[derive(Debug)]
struct Served {
    authority: Authority,
    issuer: Arc<Issuer>,
    key: KeyPair,
    id: ResponderId,
    certificates: Vec<Vec<u8>>,
}

impl OcspResponder {
    /// A responder whose responses are valid for `lifetime`.
    ///
    /// # Errors
    /// When a CA cannot be read, or a delegate cannot be created.
    pub fn new(pki: TestPki, signer: OcspSigner, lifetime: SignedDuration) -> Result<Self, PkiError> {
        let served = Authority::ALL.into_iter().map(|authority| Served::new(&pki, authority, signer));
        let served = served.collect::<Result<_, _>>()?;
        Ok(Self { pki, served, lifetime })
    }

    /// The response to a request, both in DER. Errors become error responses.
    #[must_use]
    pub fn answer(&self, request: &[u8]) -> Vec<u8> {
        let Ok(request) = Request::read(request) else { return OcspFailure::MalformedRequest.to_der() };
        match self.respond(request) {
            Ok(Some(der)) => der,
            // RFC 6960 2.3: not authoritative for that issuer.
            Ok(None) => OcspFailure::Unauthorized.to_der(),
            Err(error) => {
                tracing::error!(
                    error = %explained(&error),
                    "could not answer an OCSP request; responded internalError"
                );
                OcspFailure::InternalError.to_der()
            }
        }
    }

    /// The last CRL with this file name, `NAME.crl`.
    #[must_use]
    pub fn crl(&self, file_name: &str) -> Option<Vec<u8>> {
        let named = |authority: &Authority| file_name.strip_suffix(".crl") == Some(authority.name());
        let authority = Authority::ALL.into_iter().find(named)?;
        std::fs::read(self.pki.crl(authority)).ok()
    }

    fn respond(&self, request: Request) -> Result<Option<Vec<u8>>, PkiError> {
        let first = request.certificates.first();
        let Some(served) = first.and_then(|id| self.served.iter().find(|served| served.issued(id))) else {
            return Ok(None);
        };
        let index = Index::load(&self.pki.dir)?;
        let now = self.pki.clock.now();
        let next_update = now.checked_add(self.lifetime).ok();
        let single = |id: CertId| SingleResponse {
            status: if served.issued(&id) { served.status(&index, &id.serial) } else { CertStatus::Unknown },
            id,
            this_update: now,
            next_update,
            unknown_critical: false,
        };
        let response = OcspResponse {
            responder: served.id.clone(),
            produced_at: now,
            responses: request.certificates.into_iter().map(single).collect(),
            nonce: request.nonce,
            certificates: served.certificates.clone(),
        };
        response.sign(&served.key).map(Some)
    }
}

impl Served {
    fn new(pki: &TestPki, authority: Authority, signer: OcspSigner) -> Result<Self, PkiError> {
        let contents = file::read(&pki.certificate(authority))?;
        let der = pem::certificates(contents.as_bytes())?.into_iter().next().ok_or(PkiError::Foreign)?;
        let facts = CertificateFacts::read(&der)?;
        let issuer = Arc::new(Issuer::from_certificate(&facts));
        match signer {
            OcspSigner::Ca => Ok(Self {
                authority,
                id: ResponderId::Name(issuer.name().as_der().to_vec()),
                key: pki.key_pair(authority)?,
                certificates: Vec::new(),
                issuer,
            }),
            OcspSigner::Delegate => {
                let (der, key) = delegate(pki, authority)?;
                let id =
                    ResponderId::KeyHash(Issuer::from_certificate(&CertificateFacts::read(&der)?).key_hash());
                Ok(Self { authority, id, key, certificates: vec![der], issuer })
            }
        }
    }

    fn issued(&self, id: &CertId) -> bool {
        CertIdHash::ALL.into_iter().any(|hash| {
            let (name, key) = self.issuer.hashes(hash);
            id.issuer_name == name && id.issuer_key == key
        })
    }

    fn status(&self, index: &Index, serial: &[u8]) -> CertStatus {
        let entry =
            index.revoked.iter().find(|entry| entry.issuer == self.authority && entry.serial == serial);
        let Some(entry) = entry else { return CertStatus::Good };
        let when = jiff::Timestamp::from_second(entry.revoked_at).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        CertStatus::Revoked { when, reason: entry.reason.code() }
    }
}

/// A certificate for signing OCSP responses, in DER, and its key.
fn delegate(pki: &TestPki, authority: Authority) -> Result<(Vec<u8>, KeyPair), PkiError> {
    let subject = certify::subject(&[format!("OCSP responder of {}", authority.name())])?;
    let validity = Validity::days_from(pki.clock.now(), DELEGATE_DAYS)?;
    let purposes = [KeyPurpose::OcspSigning];
    let family = authority.family();
    let mut params =
        certify::end_entity(subject, family, &purposes, Vec::new(), validity, &StatusUrls::default())?;
    // id-pkix-ocsp-nocheck: the certificate lives as long as the responder.
    params
        .custom_extensions
        .push(CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 48, 1, 5], vec![5, 0]));
    let pair = key::generate(family.into())?;
    let certificate = params.signed_by(&pair, &pki.issuer(authority)?);
    let certificate = certificate.map_err(PkiError::make("a certificate of the OCSP responder"))?;
    Ok((certificate.der().to_vec(), pair))
}

const DELEGATE_DAYS: u32 = 30;
