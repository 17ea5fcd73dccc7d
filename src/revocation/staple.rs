//! OCSP responses to staple to the platform's own certificates (A10). They are verified like those for
//! devices, and stored apart, because the response itself is needed.

use bytes::Bytes;
use jiff::Timestamp;
use serde::Serialize;

use super::engine::Engine;
use super::failures::{self, FailureSource};
use super::ocsp::{NonceRule, OcspError, VerifiedResponse, accept};
use super::verdict::CertStatus;
use super::{AttemptError, CertIdHash, FailedAttempt, IssuedCertificate};
use crate::config::Nonce;

/// A verified OCSP response with its DER.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Staple {
    /// The OCSPResponse (RFC 6960 section 4.2.1).
    pub der: Bytes,
    /// The status: good or revoked.
    pub status: CertStatus,
    /// thisUpdate.
    pub this_update: Timestamp,
    /// The end of its use: nextUpdate, or the end of the signer's certificate if that is sooner.
    pub expires: Timestamp,
    /// The name of the signer.
    pub responder: String,
    /// The URL it was fetched from; none for one read from disk.
    pub url: Option<String>,
    /// When it was fetched; for one read from disk, its thisUpdate.
    pub fetched_at: Timestamp,
}

/// The staple of one of the platform's certificates, for operators.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct KnownStaple {
    /// `ecc` and `rsa` are the platform's two certificates, `ecc-ca` and `rsa-ca` their issuing CAs.
    pub certificate: String,
    /// The certificate's subject.
    pub subject: String,
    /// The certificate's serial number.
    pub serial: String,
    /// The status; none without a fresh response.
    pub status: Option<&'static str>,
    /// thisUpdate.
    pub this_update: Option<String>,
    /// The end of its use.
    pub expires: Option<String>,
    /// Seconds since its thisUpdate.
    pub age_seconds: Option<i64>,
    /// The size in bytes.
    pub size: Option<usize>,
    /// When it is refreshed; none without a responder.
    pub next_refresh: Option<String>,
    /// The name of the signer.
    pub responder: Option<String>,
    /// The URL it was fetched from.
    pub url: Option<String>,
    /// Why the last attempt failed.
    pub problem: Option<String>,
    /// Whether the certificate has the TLS feature extension (RFC 7633).
    pub must_staple: bool,
    /// Whether its chain is sent to clients.
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

    /// Whether it may be sent to clients. Clients have clocks of their own: no skew is added.
    #[must_use]
    pub fn is_fresh_at(&self, now: Timestamp) -> bool {
        now < self.expires
    }

    const fn is_too_large(&self) -> bool {
        self.der.len() > MAX_STAPLE_BYTES
    }

    /// Whether the status is revoked.
    #[must_use]
    pub const fn is_revoked(&self) -> bool {
        matches!(self.status, CertStatus::Revoked { .. })
    }

    /// The status as a word.
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
    /// Queries the responders of a certificate in order for a response that can be stapled.
    ///
    /// # Errors
    /// The failed attempts, when no responder gives one.
    pub async fn fetch_staple(&self, issued: &IssuedCertificate) -> Result<Staple, Vec<FailedAttempt>> {
        let endpoints = self.0.settings.load().responders(issued);
        if endpoints.is_empty() {
            return Err(vec![FailedAttempt { target: "OCSP".to_owned(), error: AttemptError::NoResponder }]);
        }
        let mut failed_attempts = Vec::new();
        for endpoint in endpoints {
            // Without a nonce: clients receive the response unasked. By SHA-1: Java and wolfSSL look for
            // that alone and refuse a response by SHA-256. Here it is an identifier, not a signature.
            let asked = self.query_by_get_or_post(issued, &endpoint, Nonce::Off, CertIdHash::Sha1).await;
            match asked.and_then(|(answer, der)| self.staple(answer, der, &endpoint.url)) {
                Ok(staple) => return Ok(staple),
                Err(why) => {
                    failures::count(&self.0.metrics, FailureSource::Staple, &why);
                    failed_attempts.push(FailedAttempt { target: endpoint.url, error: why });
                }
            }
        }
        Err(failed_attempts)
    }

    fn staple(&self, answer: VerifiedResponse, der: Bytes, url: &str) -> Result<Staple, AttemptError> {
        let now = self.0.clock.now();
        let fresh = answer.fresh;
        let staple = Staple::new(answer, der, Some(url.to_owned()), now);
        match staple.status {
            CertStatus::Unknown => Err(AttemptError::Unknown),
            _ if staple.is_too_large() => Err(AttemptError::Response(OcspError::TooLarge(MAX_STAPLE_BYTES))),
            _ if fresh && staple.is_fresh_at(now) => Ok(staple),
            _ => Err(AttemptError::NotFresh),
        }
    }

    /// Counts a response that is older than the one that is stapled.
    pub fn count_superseded_staple(&self) {
        failures::count(&self.0.metrics, FailureSource::Staple, &AttemptError::Superseded);
    }

    /// Whether the certificate or the configuration names a responder.
    #[must_use]
    pub fn has_responder(&self, issued: &IssuedCertificate) -> bool {
        !self.0.settings.load().responders(issued).is_empty()
    }

    /// The staple stored on disk, fresh or not.
    #[must_use]
    pub fn load_staple(&self, issued: &IssuedCertificate) -> Option<Staple> {
        let der = self.0.disk.read_staple(&issued.identity())?;
        let settings = self.0.settings.load();
        // Verified again: the folder is not trusted.
        let (answer, der) = accept(&der, &self.expectation(&settings, issued, NonceRule::Any)).ok()?;
        if answer.status == CertStatus::Unknown || !self.delegate_is_good(issued, &answer) {
            return None;
        }
        let this_update = answer.this_update;
        Some(Staple::new(answer, der, None, this_update)).filter(|staple| !staple.is_too_large())
    }

    /// Writes a staple to disk, replacing the previous one.
    pub async fn save_staple(&self, issued: &IssuedCertificate, staple: &Staple) {
        self.0.disk.write_staple(&issued.identity(), staple.der.clone()).await;
    }

    /// When a staple is refreshed.
    #[must_use]
    pub fn staple_refresh_at(&self, issued: &IssuedCertificate, staple: &Staple) -> Timestamp {
        self.refresh_at(staple.fetched_at, staple.expires, &issued.identity())
    }

    /// Sets the gauge of a certificate's staple; zero without a staple.
    pub fn set_staple_gauge(&self, certificate: &str, expires: Option<Timestamp>) {
        let gauge = &self.0.metrics.staple_next_update_timestamp_seconds;
        gauge.with_label_values(&[certificate]).set(expires.map_or(0, Timestamp::as_second));
    }

    /// Removes the gauge of a certificate that is no longer served.
    pub fn remove_staple_gauge(&self, certificate: &str) {
        // It may never have been set.
        let _ = self.0.metrics.staple_next_update_timestamp_seconds.remove_label_values(&[certificate]);
    }
}

/// Bytes of one staple. OpenSSL reads a CertificateStatus of 16 KiB, and Java messages of 32 KiB: two of
/// these and their chain. A response that a delegate with an RSA key of 4096 bits signs has 4 KB.
const MAX_STAPLE_BYTES: usize = 8 << 10;

#[cfg(test)]
mod tests {
    use super::super::fixtures::hours;
    use super::*;

    // Clients that verify the response also verify its signer.
    #[test]
    fn a10_a_staple_ends_with_its_next_update_or_its_signer_whichever_is_first() {
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
