//! The OCSP client: queries responders and caches what it accepts (A9.2, RFC 6960). It does I/O.

use std::sync::Arc;

use bytes::Bytes;

use crate::config::Nonce;
use crate::model::hexadecimal;
use crate::revocation::engine::Engine;
use crate::revocation::failures::{self, FailureSource};
use crate::revocation::http::{FetchError, FetchRequest};
use crate::revocation::ocsp::cache::InsertOutcome;
use crate::revocation::ocsp::{
    NonceRule, OcspError, Request, ResponseStatus, VerifiedResponse, accept, get_path,
};
use crate::revocation::settings::{Endpoint, Settings};
use crate::revocation::single_flight::AttemptResult;
use crate::revocation::verdict::CertStatus;
use crate::revocation::{AttemptError, CertIdHash, FailedAttempt, IssuedCertificate};

impl Engine {
    /// Queries the responders in order until one gives a usable response, which is cached. Concurrent callers
    /// for one certificate share the query.
    pub(crate) async fn query_responders(&self, issued: &IssuedCertificate) -> AttemptResult {
        let (engine, issued) = (self.clone(), issued.clone());
        let key = format!("ocsp {}", hexadecimal::encode(&issued.identity()));
        self.0.single_flight.run(key, async move { engine.query_each_responder(&issued).await }).await
    }

    async fn query_each_responder(self, issued: &IssuedCertificate) -> AttemptResult {
        let endpoints = self.0.settings.load().responders(issued);
        if endpoints.is_empty() {
            return Err(vec![FailedAttempt { target: "OCSP".to_owned(), error: AttemptError::NoResponder }]);
        }
        let mut failed_attempts = Vec::new();
        for endpoint in endpoints {
            match Box::pin(self.query_endpoint(issued, &endpoint)).await {
                Ok(()) => return Ok(()),
                Err(why) => {
                    failures::count(&self.0.metrics, FailureSource::Ocsp, &why);
                    failed_attempts.push(FailedAttempt { target: endpoint.url, error: why });
                }
            }
        }
        Err(failed_attempts)
    }

    async fn query_endpoint(
        &self,
        issued: &IssuedCertificate,
        endpoint: &Endpoint,
    ) -> Result<(), AttemptError> {
        let permit = self.0.breakers.acquire(&endpoint.url).map_err(AttemptError::CircuitBreakers)?;
        let nonce = self.0.settings.load().nonce;
        let asked = self.query_by_known_hash(issued, endpoint, nonce).await;
        let now = self.0.clock.instant();
        match &asked {
            // The responder was not reached: no statement about it.
            Err(AttemptError::Fetch(FetchError::Busy) | AttemptError::Random | AttemptError::Fault) => {}
            Err(AttemptError::Fetch(_)) => permit.record_failure(now),
            _ => permit.record_success(),
        }
        let (answer, der) = asked?;
        let identity = issued.identity();
        let unknown = answer.status == CertStatus::Unknown;
        let outcome = self
            .0
            .responses
            .insert(identity, self.cached_response(issued, answer, Some(endpoint.url.clone())));
        match outcome {
            // It must not come back at the next start either.
            InsertOutcome::Rejected => return Err(AttemptError::Superseded),
            InsertOutcome::NewlyRevoked => self.notify_change(),
            InsertOutcome::Stored => {}
        }
        // "Unknown" would have expired at the next start.
        if !unknown {
            self.0.disk.write_response(identity, der).await;
        }
        Ok(())
    }

    /// Identifies the certificate by SHA-256 first (RFC 9919), and by SHA-1 if the responder does not
    /// understand that; what it understands is remembered.
    async fn query_by_known_hash(
        &self,
        issued: &IssuedCertificate,
        endpoint: &Endpoint,
        nonce: Nonce,
    ) -> Result<(VerifiedResponse, Bytes), AttemptError> {
        let (hashes, url) = (&self.0.hashes, &endpoint.url);
        let mut first = None;
        for hash in hashes.for_responder(url) {
            let asked = self.query_by_get_or_post(issued, endpoint, nonce, *hash).await;
            match &asked {
                Ok((answer, _)) if answer.status != CertStatus::Unknown => {
                    hashes.record_success(url, *hash);
                    return asked;
                }
                Ok(_) => {}
                Err(error) if suggests_another_hash(error) => {
                    hashes.forget(url);
                }
                Err(_) => return first.unwrap_or(asked),
            }
            // "Unknown" to both stays unknown; of two errors the first counts.
            first = match first {
                Some(Err(_)) if asked.is_ok() => Some(asked),
                None => Some(asked),
                known => known,
            };
        }
        first.unwrap_or(Err(AttemptError::Fault))
    }

    /// An accepted response that is fresh or revokes, and the DER of its signed part.
    pub(crate) async fn query_by_get_or_post(
        &self,
        issued: &IssuedCertificate,
        endpoint: &Endpoint,
        nonces: Nonce,
        hash: CertIdHash,
    ) -> Result<(VerifiedResponse, Bytes), AttemptError> {
        let settings = self.0.settings.load_full();
        let nonce = match nonces {
            Nonce::Off => None,
            Nonce::Send | Nonce::Require => Some(random_nonce()?),
        };
        let request = Request::for_certificate(issued, hash, nonce.clone()).to_der();
        let (limit, is_configured) = (MAX_RESPONSE_BYTES, endpoint.is_configured);
        let sent = SentNonce { nonce, is_required: nonces == Nonce::Require };
        // A nonce makes each request unique; GET is for responses that HTTP caches may serve.
        let by_get = if sent.nonce.is_none() { get_path(&endpoint.url, &request) } else { None };
        if let Some(url) = by_get {
            let fetch = FetchRequest { url, body: None, limit, is_configured };
            match self.exchange(issued, &settings, fetch, &sent).await {
                Err(refused) if should_retry_by_post(&refused) => {}
                asked => return asked,
            }
        }
        let fetch = FetchRequest { url: endpoint.url.clone(), body: Some(request), limit, is_configured };
        self.exchange(issued, &settings, fetch, &sent).await
    }

    async fn exchange(
        &self,
        issued: &IssuedCertificate,
        settings: &Arc<Settings>,
        fetch: FetchRequest,
        sent: &SentNonce,
    ) -> Result<(VerifiedResponse, Bytes), AttemptError> {
        // One deadline for the fetch and the verification.
        let verified = Box::pin(self.fetch_and_verify(issued, settings, fetch, sent.clone()));
        let verified = tokio::time::timeout(settings.limits.total, verified).await;
        let (answer, der) = verified.unwrap_or(Err(AttemptError::Fetch(FetchError::Timeout)))?;
        self.check_delegate(issued, &answer).await?;
        if !answer.fresh && !matches!(answer.status, CertStatus::Revoked { .. }) {
            return Err(AttemptError::NotFresh);
        }
        Ok((answer, der))
    }

    async fn fetch_and_verify(
        &self,
        issued: &IssuedCertificate,
        settings: &Arc<Settings>,
        fetch: FetchRequest,
        sent: SentNonce,
    ) -> Result<(VerifiedResponse, Bytes), AttemptError> {
        let began = self.0.clock.instant();
        let fetched = self.0.http.fetch(fetch, &settings.limits).await;
        let spent = self.0.clock.instant().saturating_duration_since(began);
        self.0.metrics.ocsp_fetch_duration_seconds.observe(spent.as_secs_f64());
        let body = fetched.map_err(AttemptError::Fetch)?;
        let (engine, issued, settings) = (self.clone(), issued.clone(), Arc::clone(settings));
        // The responder decides how long this takes: never on a thread that serves sessions.
        let verified = tokio::task::spawn_blocking(move || {
            let expectation = engine.expectation(&settings, &issued, sent.rule());
            accept(&body.bytes, &expectation)
        });
        verified.await.map_err(|_| AttemptError::Fault)?.map_err(AttemptError::Response)
    }

    /// RFC 6960 4.2.2.2.1, by stored CRLs or those that the delegate's certificate names.
    async fn check_delegate(
        &self,
        issued: &IssuedCertificate,
        answer: &VerifiedResponse,
    ) -> Result<(), AttemptError> {
        let Some(delegate) = &answer.unchecked_delegate else { return Ok(()) };
        if self.delegate_is_good(issued, answer) {
            return Ok(());
        }
        let delegate = IssuedCertificate { certificate: delegate.clone(), issuer: issued.issuer.clone() };
        for failed in self.fetch_crls(&delegate).await {
            tracing::debug!(%failed, "could not fetch the CRL that covers a delegated OCSP responder");
        }
        if self.delegate_is_good(issued, answer) { Ok(()) } else { Err(AttemptError::Delegate) }
    }
}

/// The nonce of a request.
#[derive(Debug, Clone)]
struct SentNonce {
    nonce: Option<Vec<u8>>,
    is_required: bool,
}

impl SentNonce {
    fn rule(&self) -> NonceRule<'_> {
        match &self.nonce {
            Some(nonce) if self.is_required => NonceRule::Required(nonce),
            Some(nonce) => NonceRule::Same(nonce),
            None => NonceRule::Any,
        }
    }
}

/// Some responders support POST only (RFC 6960 A.1), and an HTTP cache may serve an expired response (RFC
/// 5019 section 6).
fn should_retry_by_post(error: &AttemptError) -> bool {
    matches!(
        error,
        AttemptError::Fetch(FetchError::Status(_))
            | AttemptError::NotFresh
            | AttemptError::Response(
                OcspError::Malformed | OcspError::Status(ResponseStatus::MalformedRequest)
            )
    )
}

/// What a responder answers that knows certificates by SHA-1 only. One that serves files has none of this
/// name.
const fn suggests_another_hash(error: &AttemptError) -> bool {
    matches!(
        error,
        AttemptError::Fetch(FetchError::Status(400..=500))
            | AttemptError::Response(
                OcspError::Malformed
                    | OcspError::OtherCertificate
                    | OcspError::Status(
                        ResponseStatus::MalformedRequest
                            | ResponseStatus::InternalError
                            | ResponseStatus::Unauthorized
                    )
            )
    )
}

fn random_nonce() -> Result<Vec<u8>, AttemptError> {
    let mut nonce = vec![0; 32];
    aws_lc_rs::rand::fill(&mut nonce).map_err(|_| AttemptError::Random)?;
    Ok(nonce)
}

/// Bytes.
pub(crate) const MAX_RESPONSE_BYTES: usize = 1 << 20;
