//! Whether responders and distribution points answer at this moment, for `doctor`.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;

use super::crl::Crl;
use super::engine::Engine;
use super::http::{FetchError, FetchRequest};
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
    /// It answers HTTP; a responder need not understand a request without a question.
    Http,
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
        join_all(all.take(MAX_PROBES).map(|(kind, url, is_configured)| self.ask(kind, url, is_configured)))
            .await
    }

    async fn ask(&self, kind: SourceKind, url: String, is_configured: bool) -> Probe {
        let settings = self.0.settings.load_full();
        let limit = match kind {
            SourceKind::Responder => MAX_RESPONSE,
            SourceKind::Crl => settings.max_crl,
        };
        let request = FetchRequest { url: url.clone(), body: None, limit, is_configured };
        let asked = self.0.clock.instant();
        let fetched = self.0.http.fetch(request, &settings.limits).await;
        let took = self.0.clock.instant().saturating_duration_since(asked);
        let answer = match (kind, fetched) {
            (SourceKind::Responder, Ok(_) | Err(FetchError::Status(_) | FetchError::TooLarge(_))) => {
                Answer::Http
            }
            (SourceKind::Crl, Ok(body)) => match Crl::read_head(body.bytes.clone()) {
                Ok(crl) => Answer::Crl { this_update: crl.this_update, next_update: crl.next_update },
                Err(_) => Answer::NotACrl,
            },
            (_, Err(error)) => Answer::Failed(error),
        };
        Probe { kind, url, took, answer }
    }
}

/// Requests of one look.
const MAX_PROBES: usize = 32;
/// Bytes of the answer of a responder that was asked nothing.
const MAX_RESPONSE: usize = 64 << 10;
