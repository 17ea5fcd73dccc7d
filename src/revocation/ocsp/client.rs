//! The OCSP client: queries responders and caches what it accepts (A9.2, RFC 6960). It does I/O.

use crate::config::Nonce;

use crate::model::hexadecimal;
use crate::revocation::engine::Engine;
use crate::revocation::http::{FetchError, FetchRequest};
use crate::revocation::ocsp::cache::InsertOutcome;
use crate::revocation::ocsp::{
    NonceRule, OcspError, Request, ResponseStatus, VerifiedResponse, get_path, verify,
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
            match self.query_endpoint(issued, &endpoint).await {
                Ok(()) => return Ok(()),
                Err(why) => failed_attempts.push(FailedAttempt { target: endpoint.url, error: why }),
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
        let asked = self.query_by_get_or_post(issued, endpoint, nonce).await;
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
        if outcome == InsertOutcome::NewlyRevoked {
            self.notify_change();
        }
        // A rejected response must not come back at the next start. "Unknown" would have expired by then.
        if outcome != InsertOutcome::Rejected && !unknown {
            self.0.disk.write_response(identity, der).await;
        }
        Ok(())
    }

    /// An accepted response that is fresh or revokes, and its DER.
    pub(crate) async fn query_by_get_or_post(
        &self,
        issued: &IssuedCertificate,
        endpoint: &Endpoint,
        nonces: Nonce,
    ) -> Result<(VerifiedResponse, Vec<u8>), AttemptError> {
        let settings = self.0.settings.load_full();
        let nonce = match nonces {
            Nonce::Off => None,
            Nonce::Send | Nonce::Require => Some(random_nonce()?),
        };
        let rule = match (nonces, nonce.as_deref()) {
            (Nonce::Require, Some(nonce)) => NonceRule::Required(nonce),
            (_, Some(nonce)) => NonceRule::Same(nonce),
            (_, None) => NonceRule::Any,
        };
        let request = Request::for_certificate(issued, CertIdHash::Sha1, nonce.clone()).to_der();
        let (limit, is_configured) = (MAX_RESPONSE_BYTES, endpoint.is_configured);
        // A nonce makes each request unique; GET is for responses that HTTP caches may serve.
        let by_get = if nonce.is_none() { get_path(&endpoint.url, &request) } else { None };
        if let Some(url) = by_get {
            let fetch = FetchRequest { url, body: None, limit, is_configured };
            match self.exchange(issued, &settings, fetch, rule).await {
                Err(refused) if should_retry_by_post(&refused) => {}
                asked => return asked,
            }
        }
        let fetch = FetchRequest { url: endpoint.url.clone(), body: Some(request), limit, is_configured };
        self.exchange(issued, &settings, fetch, rule).await
    }

    async fn exchange(
        &self,
        issued: &IssuedCertificate,
        settings: &Settings,
        fetch: FetchRequest,
        rule: NonceRule<'_>,
    ) -> Result<(VerifiedResponse, Vec<u8>), AttemptError> {
        let began = self.0.clock.instant();
        let fetched = self.0.http.fetch(fetch, &settings.limits).await;
        let spent = self.0.clock.instant().saturating_duration_since(began);
        self.0.metrics.ocsp_fetch_duration_seconds.observe(spent.as_secs_f64());
        let der = fetched.map_err(AttemptError::Fetch)?;
        let answer =
            verify(&der, &self.expectation(settings, issued, rule)).map_err(AttemptError::Response)?;
        self.check_delegate(issued, &answer).await?;
        if !answer.fresh && !matches!(answer.status, CertStatus::Revoked { .. }) {
            return Err(AttemptError::NotFresh);
        }
        Ok((answer, der.to_vec()))
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

fn random_nonce() -> Result<Vec<u8>, AttemptError> {
    let mut nonce = vec![0; 32];
    aws_lc_rs::rand::fill(&mut nonce).map_err(|_| AttemptError::Random)?;
    Ok(nonce)
}

/// Bytes.
pub(crate) const MAX_RESPONSE_BYTES: usize = 1 << 20;
