//! Whether responders and distribution points answer at this moment, for `doctor`.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;

use super::crl::Crl;
use super::engine::Engine;
use super::http::{FetchError, FetchRequest};
use super::issued::{CertIdHash, IssuedCertificate, Issuer};
use super::ocsp::{BasicResponse, Request, ResponseStatus};
use crate::config;
use crate::x509::CertificateFacts;

/// What is behind a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SourceKind {
    /// An OCSP responder.
    Responder,
    /// A CRL.
    Crl,
}

/// What a source answered.
#[derive(Debug)]
pub enum Answer {
    /// An OCSP response. Its signature is not looked at: whether it counts, the staples show.
    Status,
    /// A responder's refusal of the question: it works, and may know other certificates only.
    Refused(ResponseStatus),
    /// Something else in the place of an OCSP response.
    NotOcsp,
    /// A CRL with these times.
    Crl {
        /// thisUpdate.
        this_update: Timestamp,
        /// nextUpdate.
        next_update: Timestamp,
    },
    /// Something else in the place of a CRL.
    NotACrl,
    /// Nothing that counts.
    Failed(FetchError),
}

/// One request to a source of revocation data.
#[derive(Debug)]
pub struct Probe {
    /// What is there.
    pub kind: SourceKind,
    /// Where.
    pub url: String,
    /// From the request to the end of the answer.
    pub took: Duration,
    /// What it answered.
    pub answer: Answer,
}

impl Probe {
    /// Whether the host is there, and nothing listens on the port.
    #[must_use]
    pub const fn is_refused(&self) -> bool {
        matches!(self.answer, Answer::Failed(FetchError::Connect(ErrorKind::ConnectionRefused)))
    }
}

impl Engine {
    /// Asks each source that the configuration, these certificates and the known CRLs name, once and at the
    /// same time, within the limits of all requests: at most `MAX_PROBES` of them.
    pub async fn probe(&self, config: &config::Revocation, certificates: &[CertificateFacts]) -> Vec<Probe> {
        let mut sources = BTreeSet::new();
        let configured = config.responders.iter();
        let configured = configured
            .flat_map(|of| [(SourceKind::Responder, of.ocsp.as_ref()), (SourceKind::Crl, of.crl.as_ref())])
            .chain([(SourceKind::Responder, config.fallback_responder.as_ref())]);
        let configured: BTreeSet<_> =
            configured.filter_map(|(kind, url)| Some((kind, url?.clone()))).collect();
        for certificate in certificates {
            let extensions = &certificate.extensions;
            sources.extend(extensions.ocsp_urls.iter().map(|url| (SourceKind::Responder, url.clone())));
            sources.extend(extensions.crl_urls().map(|url| (SourceKind::Crl, url.to_owned())));
        }
        for stored in self.0.crls.all().iter() {
            let first = self.renewal_endpoints(stored).into_iter().next();
            sources.extend(first.map(|endpoint| (SourceKind::Crl, endpoint.url)));
        }
        let named = sources.difference(&configured).cloned().map(|(kind, url)| (kind, url, false));
        let all = configured.iter().cloned().map(|(kind, url)| (kind, url, true)).chain(named);
        let asked = all.take(MAX_PROBES).map(|(kind, url, is_configured)| {
            let question = match kind {
                SourceKind::Responder => question(&url, certificates),
                SourceKind::Crl => None,
            };
            self.ask(kind, url, question, is_configured)
        });
        join_all(asked).await
    }

    async fn ask(
        &self,
        kind: SourceKind,
        url: String,
        question: Option<Vec<u8>>,
        is_configured: bool,
    ) -> Probe {
        let settings = self.0.settings.load_full();
        let limit = match kind {
            SourceKind::Responder => MAX_RESPONSE,
            SourceKind::Crl => settings.max_crl,
        };
        let request = FetchRequest { url: url.clone(), body: question, limit, is_configured };
        let asked = self.0.clock.instant();
        let fetched = self.0.http.fetch(request, &settings.limits).await;
        let took = self.0.clock.instant().saturating_duration_since(asked);
        let answer = match (kind, fetched) {
            (SourceKind::Responder, Ok(body)) => match BasicResponse::read(&body.bytes) {
                Ok(Ok(_)) => Answer::Status,
                Ok(Err(status)) => Answer::Refused(status),
                Err(_) => Answer::NotOcsp,
            },
            (SourceKind::Crl, Ok(body)) => match Crl::read_head(body.bytes.clone()) {
                Ok(crl) => Answer::Crl { this_update: crl.this_update, next_update: crl.next_update },
                Err(_) => Answer::NotACrl,
            },
            (_, Err(error)) => Answer::Failed(error),
        };
        Probe { kind, url, took, answer }
    }
}

/// A question that a responder understands: some of them end when they are asked anything else. It is about a
/// certificate that names the responder, or else about any whose issuer is known.
fn question(url: &str, certificates: &[CertificateFacts]) -> Option<Vec<u8>> {
    let names_it =
        |certificate: &&CertificateFacts| certificate.extensions.ocsp_urls.iter().any(|of| of == url);
    let of = |certificate: &CertificateFacts| {
        let issuer = certificates.iter().find(|other| other.subject == certificate.issuer)?;
        let (certificate, issuer) =
            (Arc::new(certificate.clone()), Arc::new(Issuer::from_certificate(issuer)));
        let issued = IssuedCertificate { certificate, issuer };
        Some(Request::for_certificate(&issued, CertIdHash::Sha1, None).to_der())
    };
    let mut first = certificates.iter().filter(names_it).filter_map(of);
    first.next().or_else(|| certificates.iter().find_map(of))
}

/// Requests of one look.
const MAX_PROBES: usize = 32;
/// Bytes of the answer of a responder.
const MAX_RESPONSE: usize = 64 << 10;
