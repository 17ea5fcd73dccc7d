//! Asking OCSP responders (A9.2, RFC 6960).

use crate::config::Nonce;

use super::answers::Keeping;
use super::disk::hexadecimal;
use super::engine::Engine;
use super::fetch::{Fetch, FetchError};
use super::flight::Outcome;
use super::ocsp::{Answer, NonceRule, OcspError, Request, ResponseStatus, get_path, verify};
use super::settings::{Place, Settings};
use super::verdict::Said;
use super::{CertIdHash, Link, NoAnswer, Tried};

/// Bytes of the largest OCSP response.
pub(crate) const LARGEST_RESPONSE: usize = 1 << 20;

impl Engine {
    /// Asks the responders, one after the other; several that want the same wait for one. What counts is kept then.
    pub(super) async fn ask_responder(&self, link: &Link) -> Outcome {
        let (engine, link) = (self.clone(), link.clone());
        let key = format!("ocsp {}", hexadecimal(&link.identity()));
        self.0.flights.join(key, async move { engine.ask_each_responder(&link).await }).await
    }

    async fn ask_each_responder(self, link: &Link) -> Outcome {
        let places = self.0.settings.load().responders(link);
        if places.is_empty() {
            return Err(vec![Tried { what: "OCSP".to_owned(), why: NoAnswer::NoResponder }]);
        }
        let mut tried = Vec::new();
        for place in places {
            match self.ask_one(link, &place).await {
                Ok(()) => return Ok(()),
                Err(why) => tried.push(Tried { what: place.url, why }),
            }
        }
        Err(tried)
    }

    async fn ask_one(&self, link: &Link, place: &Place) -> Result<(), NoAnswer> {
        let pass = self.0.failing.pass(&place.url).map_err(NoAnswer::Failing)?;
        let nonce = self.0.settings.load().nonce;
        let asked = self.ask_by_get_or_post(link, place, nonce).await;
        let now = self.0.clock.instant();
        match &asked {
            // Whether it would have answered nobody knows.
            Err(NoAnswer::Fetch(FetchError::Busy) | NoAnswer::Random | NoAnswer::Fault) => {}
            Err(NoAnswer::Fetch(_)) => pass.failed(now),
            _ => pass.answered(),
        }
        let (answer, der) = asked?;
        let identity = link.identity();
        let unknown = answer.said == Said::Unknown;
        let keeping = self.0.answers.keep(identity, self.kept_answer(link, answer, Some(place.url.clone())));
        if keeping == Keeping::Revoked {
            self.changed();
        }
        // What was passed over must not come back with the next start either; "unknown" is worth nothing then.
        if keeping != Keeping::Passed && !unknown {
            self.0.disk.keep_answer(identity, der).await;
        }
        Ok(())
    }

    /// A response that counts, and is fresh or says "revoked".
    pub(super) async fn ask_by_get_or_post(
        &self,
        link: &Link,
        place: &Place,
        nonces: Nonce,
    ) -> Result<(Answer, Vec<u8>), NoAnswer> {
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
        let request = Request::about(link, CertIdHash::Sha1, nonce.clone()).to_der();
        let (limit, configured) = (LARGEST_RESPONSE, place.configured);
        // A nonce makes every request another one: GET is for what caches may answer.
        let by_get = if nonce.is_none() { get_path(&place.url, &request) } else { None };
        if let Some(url) = by_get {
            let fetch = Fetch { url, body: None, limit, configured };
            match self.exchange(link, &settings, fetch, rule).await {
                Err(refused) if is_for_post(&refused) => {}
                asked => return asked,
            }
        }
        let fetch = Fetch { url: place.url.clone(), body: Some(request), limit, configured };
        self.exchange(link, &settings, fetch, rule).await
    }

    async fn exchange(
        &self,
        link: &Link,
        settings: &Settings,
        fetch: Fetch,
        rule: NonceRule<'_>,
    ) -> Result<(Answer, Vec<u8>), NoAnswer> {
        let began = self.0.clock.instant();
        let fetched = self.0.fetcher.fetch(fetch, &settings.limits).await;
        let spent = self.0.clock.instant().saturating_duration_since(began);
        self.0.metrics.ocsp_fetch_duration_seconds.observe(spent.as_secs_f64());
        let der = fetched.map_err(NoAnswer::Fetch)?;
        let answer = verify(&der, &self.expectation(settings, link, rule)).map_err(NoAnswer::Response)?;
        self.check_delegate(link, &answer).await?;
        if !answer.fresh && !matches!(answer.said, Said::Revoked { .. }) {
            return Err(NoAnswer::NotFresh);
        }
        Ok((answer, der.to_vec()))
    }

    /// RFC 6960 4.2.2.2.1, by CRLs that are at hand or named by the delegate's certificate.
    async fn check_delegate(&self, link: &Link, answer: &Answer) -> Result<(), NoAnswer> {
        let Some(delegate) = &answer.unchecked_delegate else { return Ok(()) };
        if self.delegate_is_good(link, answer) {
            return Ok(());
        }
        let delegate = Link { certificate: delegate.clone(), issuer: link.issuer.clone() };
        for vain in self.fetch_crls(&delegate).await {
            tracing::debug!(%vain, "the CRL of a delegated responder");
        }
        if self.delegate_is_good(link, answer) { Ok(()) } else { Err(NoAnswer::Delegate) }
    }
}

/// Some responders know POST alone (RFC 6960 A.1), and what a cache has answered may be over (RFC 5019 section 6).
fn is_for_post(answer: &NoAnswer) -> bool {
    matches!(
        answer,
        NoAnswer::Fetch(FetchError::Status(_))
            | NoAnswer::NotFresh
            | NoAnswer::Response(OcspError::Malformed | OcspError::Status(ResponseStatus::MalformedRequest))
    )
}

fn random_nonce() -> Result<Vec<u8>, NoAnswer> {
    let mut nonce = vec![0; 32];
    aws_lc_rs::rand::fill(&mut nonce).map_err(|_| NoAnswer::Random)?;
    Ok(nonce)
}
