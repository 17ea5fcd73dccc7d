//! Responses about the platform's own certificates, to be stapled to them (A10): asked for and judged like those about
//! devices, and kept apart from them, since here the response itself is what is wanted.

use bytes::Bytes;
use jiff::Timestamp;
use serde::Serialize;

use super::engine::Engine;
use super::ocsp::{NonceRule, VerifiedResponse, verify};
use super::verdict::CertStatus;
use super::{AttemptError, FailedAttempt, IssuedCertificate};
use crate::config::Nonce;

/// An OCSP response that counts, as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Staple {
    /// The OCSPResponse (RFC 6960 section 4.2.1).
    pub der: Bytes,
    /// What it says of the certificate: good or revoked.
    pub status: CertStatus,
    /// When it was known to be so.
    pub this_update: Timestamp,
    /// Until when it can be stapled: its nextUpdate, or the end of its signer's certificate if that is sooner.
    pub expires: Timestamp,
    /// Who signed.
    pub responder: String,
    /// Where it came from; none for one that was kept on disk.
    pub url: Option<String>,
    /// When it came; for one that was kept on disk, its thisUpdate.
    pub fetched_at: Timestamp,
}

/// What is stapled to a certificate of the platform's, for operators.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct KnownStaple {
    /// Which certificate: `ecc` and `rsa` are the platform's own two, `ecc-ca` and `rsa-ca` their issuing CAs.
    pub certificate: String,
    /// Whom it is about.
    pub subject: String,
    /// Its serial number.
    pub serial: String,
    /// What the response says; none when there is no fresh one.
    pub status: Option<&'static str>,
    /// When it was known to be so.
    pub this_update: Option<String>,
    /// Until when it can be stapled.
    pub expires: Option<String>,
    /// Seconds since its thisUpdate.
    pub age_seconds: Option<i64>,
    /// Bytes.
    pub size: Option<usize>,
    /// When the responder is asked again; none when there is nobody to ask.
    pub next_refresh: Option<String>,
    /// Who signed.
    pub responder: Option<String>,
    /// Where it was fetched.
    pub url: Option<String>,
    /// UndeterminedReason the last attempt led nowhere.
    pub problem: Option<String>,
    /// Whether the certificate promises a staple (RFC 7633).
    pub must_staple: bool,
    /// Whether its chain is sent to clients at all.
    pub served: bool,
}

impl Staple {
    fn new(answer: VerifiedResponse, der: Bytes, url: Option<String>, fetched_at: Timestamp) -> Self {
        Self {
            der,
            status: answer.status,
            this_update: answer.this_update,
            expires: answer.signer_expires.map_or(answer.expires, |end| end.min(answer.expires)),
            responder: answer.responder,
            url,
            fetched_at,
        }
    }

    /// Whether a client may still get it. Clients have clocks of their own: nothing is added for skew.
    #[must_use]
    pub fn is_fresh_at(&self, now: Timestamp) -> bool {
        now < self.expires
    }

    /// Whether it says that the certificate has been revoked.
    #[must_use]
    pub const fn is_revoked(&self) -> bool {
        matches!(self.status, CertStatus::Revoked { .. })
    }

    /// The word for what it says.
    #[must_use]
    pub const fn status(&self) -> &'static str {
        match self.status {
            CertStatus::Good => "good",
            CertStatus::Revoked { .. } => "revoked",
            CertStatus::Unknown => "unknown",
        }
    }
}

impl Engine {
    /// Asks the responders of a certificate, one after the other, for a response that can be stapled.
    ///
    /// # Errors
    /// With everything that was tried, when none of them gives one.
    pub async fn fetch_staple(&self, issued: &IssuedCertificate) -> Result<Staple, Vec<FailedAttempt>> {
        let endpoints = self.0.settings.load().responders(issued);
        if endpoints.is_empty() {
            return Err(vec![FailedAttempt { target: "OCSP".to_owned(), error: AttemptError::NoResponder }]);
        }
        let mut tried = Vec::new();
        for endpoint in endpoints {
            // Without a nonce: who gets it has asked for nothing himself.
            let asked = self.query_by_get_or_post(issued, &endpoint, Nonce::Off).await;
            match asked.and_then(|(answer, der)| self.staple(answer, der, &endpoint.url)) {
                Ok(staple) => return Ok(staple),
                Err(why) => tried.push(FailedAttempt { target: endpoint.url, error: why }),
            }
        }
        Err(tried)
    }

    fn staple(&self, answer: VerifiedResponse, der: Vec<u8>, url: &str) -> Result<Staple, AttemptError> {
        let now = self.0.clock.now();
        let fresh = answer.fresh;
        let staple = Staple::new(answer, der.into(), Some(url.to_owned()), now);
        match staple.status {
            CertStatus::Unknown => Err(AttemptError::Unknown),
            _ if fresh && staple.is_fresh_at(now) => Ok(staple),
            _ => Err(AttemptError::NotFresh),
        }
    }

    /// Whether there is anybody to ask about a certificate.
    #[must_use]
    pub fn has_responder(&self, issued: &IssuedCertificate) -> bool {
        !self.0.settings.load().responders(issued).is_empty()
    }

    /// The staple that was kept on disk, whether it is still fresh or not.
    #[must_use]
    pub fn load_staple(&self, issued: &IssuedCertificate) -> Option<Staple> {
        let der = self.0.disk.read_staple(&issued.identity())?;
        let settings = self.0.settings.load();
        // Held against the rules again: the folder need not be trusted.
        let answer = verify(&der, &self.expectation(&settings, issued, NonceRule::Any)).ok()?;
        if answer.status == CertStatus::Unknown || !self.delegate_is_good(issued, &answer) {
            return None;
        }
        let this_update = answer.this_update;
        Some(Staple::new(answer, der.into(), None, this_update))
    }

    /// Keeps a staple on disk, in endpoint of the one before.
    pub async fn save_staple(&self, issued: &IssuedCertificate, staple: &Staple) {
        self.0.disk.write_staple(&issued.identity(), staple.der.to_vec()).await;
    }

    /// When a staple is to be renewed.
    #[must_use]
    pub fn staple_refresh_at(&self, issued: &IssuedCertificate, staple: &Staple) -> Timestamp {
        self.refresh_at(staple.fetched_at, staple.expires, &issued.identity())
    }

    /// The gauge of a certificate's staple; zero when there is none.
    pub fn set_staple_gauge(&self, certificate: &str, expires: Option<Timestamp>) {
        let gauge = &self.0.metrics.staple_next_update_timestamp_seconds;
        gauge.with_label_values(&[certificate]).set(expires.map_or(0, Timestamp::as_second));
    }

    /// Takes the gauge of a certificate away that is not served any more.
    pub fn remove_staple_gauge(&self, certificate: &str) {
        // It may never have been set.
        let _ = self.0.metrics.staple_next_update_timestamp_seconds.remove_label_values(&[certificate]);
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::hours;
    use super::*;

    // Clients that verify the response verify its signer too.
    #[test]
    fn a10_a_staple_ends_with_its_nextupdate_or_with_its_signer_whatever_comes_first() {
        for (signer, end) in [(None, 10), (Some(hours(20)), 10), (Some(hours(4)), 4)] {
            let answer = VerifiedResponse {
                status: CertStatus::Good,
                fresh: true,
                this_update: hours(0),
                next_update: Some(hours(10)),
                expires: hours(10),
                responder: String::new(),
                signer_expires: signer,
                unchecked_delegate: None,
            };
            let staple = Staple::new(answer, Bytes::new(), None, hours(0));
            assert_eq!(staple.expires, hours(end));
            assert!(staple.is_fresh_at(hours(end - 1)) && !staple.is_fresh_at(hours(end)));
        }
    }
}
