//! The CRL client: fetches CRLs and stores what it accepts (A9.1, A9.2). It does I/O.

use std::sync::Arc;

use bytes::Bytes;
use jiff::SignedDuration;

use crate::model::hexadecimal;
use crate::revocation::crl::kind::issuer_digest;
use crate::revocation::crl::store::{Fetch, Origin, StoredCrl};
use crate::revocation::crl::{Crl, CrlVerifyError};
use crate::revocation::engine::Engine;
use crate::revocation::failures::{self, FailureSource};
use crate::revocation::http::{FetchError, FetchRequest};
use crate::revocation::settings::{Endpoint, Settings, is_http};
use crate::revocation::single_flight::AttemptResult;
use crate::revocation::verdict::{CertStatus, Source};
use crate::revocation::{AttemptError, FailedAttempt, IssuedCertificate, Issuer};
use crate::x509::der::SEQUENCE;
use crate::x509::{ComparableName, SignatureError};

impl Engine {
    /// Fetches the CRLs that a certificate names and the deltas of those. Returns the failed attempts.
    pub(crate) async fn fetch_crls(&self, issued: &IssuedCertificate) -> Vec<FailedAttempt> {
        let points = self.0.settings.load().distribution_points(issued);
        if points.is_empty() {
            return vec![FailedAttempt {
                target: "CRL".to_owned(),
                error: AttemptError::NoDistributionPoint,
            }];
        }
        self.0.recent.record_issuer(issued, self.0.clock.instant());
        let indirect = issued.certificate.crl_distribution_points.iter().flat_map(|point| &point.issuers);
        let mut issuers: Vec<_> =
            indirect.map(|name| issuer_digest(&ComparableName::new(name.as_slice()))).collect();
        issuers.push(issuer_digest(issued.issuer.name()));
        // A CRL of another issuer may be genuine and is stored; it is not what this URL should have.
        let is_wanted = |fetch: &Fetch| fetch.is_verified && issuers.contains(&fetch.kind.issuer);
        let now = self.0.clock.now();
        let fetched_recently = |endpoint: &Endpoint| {
            let last = self.0.crls.last_fetch(&endpoint.url).filter(is_wanted);
            last.is_some_and(|fetch| now.duration_since(fetch.at) < REFETCH_INTERVAL)
        };
        let mut failed_attempts = Vec::new();
        for endpoints in points {
            for endpoint in endpoints {
                if fetched_recently(&endpoint) {
                    break;
                }
                match self.fetch_wanted_crl(&endpoint, is_wanted).await {
                    Ok(()) => break,
                    Err(failed) => failed_attempts.extend(failed),
                }
            }
        }
        for endpoint in self
            .delta_endpoints(issued.issuer.name())
            .into_iter()
            .filter(|endpoint| !fetched_recently(endpoint))
        {
            if let Err(failed) = self.fetch_wanted_crl(&endpoint, is_wanted).await {
                failed_attempts.extend(failed);
            }
        }
        failed_attempts
    }

    /// RFC 5280 5.2.6: the URLs of the deltas that an issuer's complete CRLs name.
    pub(crate) fn delta_endpoints(&self, issuer: &ComparableName) -> Vec<Endpoint> {
        let mut endpoints: Vec<Endpoint> = Vec::new();
        for stored in self.0.crls.current() {
            if stored.crl.issuer != *issuer || stored.crl.base.is_some() {
                continue;
            }
            let mut urls = stored.crl.freshest.iter().flat_map(|point| point.urls());
            if let Some(url) = urls.find(|url| is_http(url)) {
                let endpoint = Endpoint { url: url.to_owned(), is_configured: false };
                if !endpoints.contains(&endpoint) {
                    endpoints.push(endpoint);
                }
            }
        }
        endpoints
    }

    /// Fetches one CRL. Another CRL than the one that is wanted counts as a failure, so that the next URL is
    /// tried.
    pub(crate) async fn fetch_wanted_crl(
        &self,
        endpoint: &Endpoint,
        is_wanted: impl Fn(&Fetch) -> bool,
    ) -> AttemptResult {
        self.fetch_crl(endpoint).await?;
        if self.0.crls.last_fetch(&endpoint.url).is_none_or(|fetch| is_wanted(&fetch)) {
            return Ok(());
        }
        let (target, error) = (endpoint.url.clone(), AttemptError::OtherCrl);
        failures::count(&self.0.metrics, FailureSource::Crl, &error);
        Err(vec![FailedAttempt { target, error }])
    }

    /// Fetches the CRL of a URL, whosever it is. Concurrent callers for one URL share the fetch.
    pub(crate) async fn fetch_crl(&self, endpoint: &Endpoint) -> AttemptResult {
        let (engine, endpoint) = (self.clone(), endpoint.clone());
        let key = format!("crl {}", endpoint.url);
        let work = async move {
            let accepted = engine.fetch_and_accept(&endpoint).await;
            accepted.map_err(|why| {
                failures::count(&engine.0.metrics, FailureSource::Crl, &why);
                vec![FailedAttempt { target: endpoint.url, error: why }]
            })
        };
        self.0.single_flight.run(key, work).await
    }

    async fn fetch_and_accept(&self, endpoint: &Endpoint) -> Result<(), AttemptError> {
        let settings = self.0.settings.load_full();
        // One deadline for the fetch, the verification and the parser.
        let accepted = self.fetch_then_accept(endpoint, &settings);
        let accepted = tokio::time::timeout(settings.limits.total, accepted).await;
        accepted.unwrap_or(Err(AttemptError::Fetch(FetchError::Timeout)))
    }

    async fn fetch_then_accept(&self, endpoint: &Endpoint, settings: &Settings) -> Result<(), AttemptError> {
        let (url, limit, is_configured) = (endpoint.url.clone(), settings.max_crl, endpoint.is_configured);
        let fetch = FetchRequest { url: url.clone(), body: None, limit, is_configured };
        let body = self.0.http.fetch(fetch, &settings.limits).await.map_err(AttemptError::Fetch)?;
        let engine = self.clone();
        // Hashing and parsing megabytes takes long: never on a thread that serves sessions.
        tokio::task::spawn_blocking(move || engine.accept_crl(&url, &body.bytes))
            .await
            .map_err(|_| AttemptError::Fault)?
    }

    /// Stores a fetched CRL. A CRL that a known issuer signed, and that is not older, replaces its
    /// predecessor of the same issuer and scope, and is written to disk. While no issuer of that name is
    /// known, it is stored in memory only, beside the others; every use verifies it.
    pub(crate) fn accept_crl(&self, url: &str, bytes: &Bytes) -> Result<(), AttemptError> {
        let der = crl_der(bytes)?;
        let same = self.0.crls.identical(&der);
        let is_new = same.is_none();
        let crl = same.map_or_else(|| Crl::read_head(der).map(Arc::new), Ok).map_err(AttemptError::Crl)?;
        let signers = self.known_signers(&crl.issuer);
        let stored = StoredCrl::fetched(crl, url);
        let mut refused = AttemptError::Unsigned;
        let verified = signers.iter().find_map(|issuer| match stored.verified_by(issuer) {
            Ok(verified) => Some(verified),
            Err(error) => {
                refused = refused_for(error).unwrap_or_else(|| refused.clone());
                None
            }
        });
        let now = self.0.clock.now();
        let Some(verified) = verified else {
            if signers.is_empty() {
                for _ in 0..self.0.crls.add_unverified(stored, now) {
                    failures::count_evicted(&self.0.metrics);
                }
                return Ok(());
            }
            return Err(refused);
        };
        // Rejected before it replaces anything: a replayed old CRL must not displace the new one.
        if self.0.crls.is_rolled_back(&verified, &self.0.disk) {
            return Err(AttemptError::RolledBack);
        }
        let replaced = self.0.crls.succeeded_by(&verified);
        if replaced.iter().any(|known| is_outranked(&stored.crl, &known.crl)) {
            return Err(AttemptError::Older);
        }
        let name = hexadecimal::encode(&verified.series());
        let is_on_disk = |known: &Arc<StoredCrl>| {
            Arc::ptr_eq(&known.crl, &stored.crl)
                && match &known.origin {
                    Origin::Installed(_) => false,
                    Origin::Fetched(_) => true,
                    Origin::Persisted(old) => *old == name,
                }
        };
        if !replaced.iter().any(is_on_disk) {
            self.0.disk.write_crl(&name, stored.crl.as_der().clone());
        }
        for known in &replaced {
            if let Origin::Persisted(old) = &known.origin
                && *old != name
            {
                self.0.disk.remove_crl(old);
            }
        }
        self.0.crls.add_verified(stored, &replaced, now);
        if is_new {
            self.update_crl_gauge();
            self.notify_change();
        }
        Ok(())
    }

    /// The signers of CRLs for a path, besides the issuer of each certificate.
    pub(crate) fn crl_signers(&self, path: &[IssuedCertificate]) -> Vec<Arc<Issuer>> {
        let now = self.0.clock.now();
        let mut signers = self.0.settings.load().crl_signers(path, now);
        for ca in self.0.recent.namesakes(path) {
            let certificate = &ca.certificate;
            let signs_crls = certificate.key_usage.is_some_and(|usage| usage.crl_sign);
            if signs_crls && certificate.is_valid_at(now) && !self.is_known_revoked(&ca) {
                signers.push(Arc::new(Issuer::from_certificate(certificate)));
            }
        }
        signers
    }

    fn is_known_revoked(&self, issued: &IssuedCertificate) -> bool {
        let known = [self.cached_report(issued.identity(), Source::OcspCache), self.crl_report(issued, &[])];
        known.iter().flatten().any(|report| matches!(report.status, CertStatus::Revoked { .. }))
    }

    /// The known issuers, recent or configured, that may have signed CRLs of this name.
    fn known_signers(&self, name: &ComparableName) -> Vec<Arc<Issuer>> {
        let mut signers = self.0.recent.issuers_named(name);
        signers.extend(self.0.settings.load().crl_issuers(name));
        signers
    }
}

/// Whether a CRL must not replace the known one of its series. Without a number, thisUpdate decides.
fn is_outranked(crl: &Crl, known: &Crl) -> bool {
    let loses_its_number = crl.number.is_none() && known.number.is_some();
    crl.this_update < known.this_update || (loses_its_number && crl.this_update == known.this_update)
}

/// The reason of a refusal; none where the CRL may be that of another issuer of the same name.
fn refused_for(error: CrlVerifyError) -> Option<AttemptError> {
    match error {
        CrlVerifyError::OtherIssuer | CrlVerifyError::Signature(SignatureError::Wrong) => None,
        CrlVerifyError::Content(error) => Some(AttemptError::Crl(error)),
        CrlVerifyError::KeyUsage | CrlVerifyError::Signature(_) => Some(AttemptError::CrlSigner(error)),
    }
}

/// The first CRL of a response body. Some sites publish PEM where RFC 5280 4.2.1.13 requires DER.
fn crl_der(bytes: &Bytes) -> Result<Bytes, AttemptError> {
    if bytes.first() == Some(&SEQUENCE) {
        return Ok(bytes.clone());
    }
    if bytes.len() > MAX_PEM_BYTES {
        return Err(AttemptError::NoCrl(None));
    }
    let lists = crate::x509::pem::crls(bytes).map_err(|error| AttemptError::NoCrl(Some(error)))?;
    lists.into_iter().next().map(Bytes::from).ok_or(AttemptError::NoCrl(None))
}

/// Decoding PEM takes a multiple of its size in memory.
const MAX_PEM_BYTES: usize = 16 << 20;
/// A URL that delivered its CRL is not fetched again within this time: a device that no CRL covers reconnects
/// every few seconds, and CRLs have megabytes.
const REFETCH_INTERVAL: SignedDuration = SignedDuration::from_secs(15);
