//! The engine: follows the decision table, queries what it asks for, and caches the results.

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use futures_util::FutureExt as _;
use futures_util::future::join_all;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

use super::bounded_map::Identity;
use super::circuit_breaker::CircuitBreakers;
use super::crl::Crl;
use super::crl::store::{CrlStore, Origin, StoredCrl};
use super::disk::Disk;
use super::failures;
use super::http::HttpClient;
use super::ocsp::cache::{CachedResponse, ResponseCache};
use super::ocsp::{Expectation, HashChoices, NonceRule, VerifiedResponse, verify};
use super::policy::{Knowledge, Step, decide};
use super::recent::RecentCertificates;
use super::settings::{Endpoint, RevocationError, Settings, load_installed_crls, require_directory};
use super::single_flight::SingleFlight;
use super::verdict::{CertStatus, Evidence, Report, Source, Status, UndeterminedReason, Verdict, outcomes};
use super::withdrawn::WithdrawnCertificates;
use super::{AttemptError, FailedAttempt, IssuedCertificate, Issuer};
use crate::config;
use crate::metrics::Metrics;
use crate::model::Clock;

/// Checks whether certificates have been revoked. Clones share all state.
#[derive(Debug, Clone)]
pub struct Engine(pub(super) Arc<Inner>);

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) settings: ArcSwap<Settings>,
    pub(super) responses: ResponseCache,
    pub(super) crls: CrlStore,
    withdrawn: ArcSwap<WithdrawnCertificates>,
    pub(super) disk: Disk,
    pub(super) clock: Clock,
    pub(super) recent: RecentCertificates,
    pub(super) http: HttpClient,
    pub(super) metrics: Metrics,
    pub(super) single_flight: SingleFlight,
    pub(super) breakers: CircuitBreakers,
    pub(super) hashes: HashChoices,
    /// Replaced when `max-waiting` changes; callers that wait already keep their place in the old one.
    pub(super) waiters: ArcSwap<Semaphore>,
    changed: watch::Sender<u64>,
}

/// A new configuration, loaded but not applied.
#[derive(Debug)]
pub struct Prepared {
    settings: Arc<Settings>,
    crls: Vec<Arc<StoredCrl>>,
}

/// The progress of one check, for a caller that stops waiting at the deadline.
#[derive(Debug, Default)]
struct Progress {
    failed_attempts: Vec<FailedAttempt>,
    /// The URLs that are being queried.
    pending: Vec<String>,
}

impl Engine {
    /// Loads the installed CRLs and what earlier processes stored.
    ///
    /// # Errors
    /// When a file or folder that the configuration names cannot be used.
    pub fn open(
        config: &config::Revocation,
        metrics: Metrics,
        clock: Clock,
    ) -> Result<Self, RevocationError> {
        require_directory(&config.directory)?;
        let disk = Disk::open(&config.directory)
            .map_err(|source| RevocationError::Directory { path: config.directory.clone(), source })?;
        Self::open_on(disk, config, metrics, clock)
    }

    /// Opens the same data read-only: nothing is created, deleted or written.
    ///
    /// # Errors
    /// As [`Engine::open`].
    pub fn open_to_read(
        config: &config::Revocation,
        metrics: Metrics,
        clock: Clock,
    ) -> Result<Self, RevocationError> {
        Self::open_on(Disk::open_to_read(&config.directory), config, metrics, clock)
    }

    pub(super) fn open_on(
        disk: Disk,
        config: &config::Revocation,
        metrics: Metrics,
        clock: Clock,
    ) -> Result<Self, RevocationError> {
        let settings = Settings::load(config)?;
        let crls = CrlStore::new(&disk.read_crl_numbers(), config.max_unverified_crls);
        for (name, der) in disk.read_crls() {
            match Crl::read(der) {
                Ok(crl) => crls.add_persisted(StoredCrl::new(crl, Origin::Persisted(name))),
                Err(error) => tracing::warn!(name, %error, "ignoring a stored CRL that cannot be parsed"),
            }
        }
        crls.install(load_installed_crls(&config.installed_crls)?);
        for labels in outcomes() {
            metrics.revocation_checks_total.with_label_values(&labels);
        }
        failures::declare(&metrics);
        let engine = Self(Arc::new(Inner {
            settings: ArcSwap::from_pointee(settings),
            responses: ResponseCache::new(),
            crls,
            withdrawn: ArcSwap::default(),
            disk,
            clock,
            recent: RecentCertificates::new(),
            http: HttpClient::new(config.max_fetch_memory),
            metrics,
            single_flight: SingleFlight::default(),
            breakers: CircuitBreakers::default(),
            hashes: HashChoices::default(),
            waiters: ArcSwap::from_pointee(Semaphore::new(config.max_waiting)),
            changed: watch::Sender::new(0),
        }));
        engine.update_crl_gauge();
        Ok(engine)
    }

    /// Loads the settings and the installed CRLs of a new configuration.
    ///
    /// # Errors
    /// When a file or folder that it names cannot be used.
    pub fn prepare(config: &config::Revocation) -> Result<Prepared, RevocationError> {
        let (settings, crls) =
            (Arc::new(Settings::load(config)?), load_installed_crls(&config.installed_crls)?);
        Ok(Prepared { settings, crls })
    }

    /// Applies a new configuration, except `directory`.
    pub fn apply(&self, prepared: Prepared) {
        let max_waiting = prepared.settings.max_waiting;
        let old = self.0.settings.swap(prepared.settings);
        if old.max_waiting != max_waiting {
            self.0.waiters.store(Arc::new(Semaphore::new(max_waiting)));
        }
        self.0.crls.install(prepared.crls);
        self.update_crl_gauge();
        self.notify_change();
    }

    /// From now on these certificates, and no others, count as revoked by an operator of this platform.
    pub fn withdraw(&self, certificates: WithdrawnCertificates) {
        if **self.0.withdrawn.load() != certificates {
            self.0.withdrawn.store(Arc::new(certificates));
            self.notify_change();
        }
    }

    /// Cancelled when the thread that writes to disk has ended; while the engine lives, that is a fault.
    #[must_use]
    pub fn disk_writer_ended(&self) -> CancellationToken {
        self.0.disk.writer_ended()
    }

    /// Notifies of changes that may revoke a certificate: the number grows with each.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.0.changed.subscribe()
    }

    /// The status of every certificate of a path by what is in memory, without I/O. For live sessions, and
    /// for callers that cannot wait.
    #[must_use]
    pub fn peek(&self, path: &Arc<[IssuedCertificate]>) -> Vec<Status> {
        let signers = self.crl_signers(path);
        path.iter()
            .map(|issued| {
                let identity = self.record(issued);
                let mut known = self.knowledge(issued, identity, &signers);
                (known.responder, known.fetched) = (Some(None), Some(None));
                match decide(&known) {
                    Step::Decided(verdict, evidence) => status(issued, verdict, evidence, Vec::new()),
                    Step::QueryResponder | Step::FetchCrl => {
                        undetermined(issued, UndeterminedReason::NothingFresh, Vec::new())
                    }
                }
            })
            .collect()
    }

    /// The statuses of a path if they can be decided from memory: all certificates are good, or one is
    /// revoked. A known device does not wait (A9.2).
    #[must_use]
    pub fn try_check(&self, path: &Arc<[IssuedCertificate]>) -> Option<Vec<Status>> {
        let signers = self.crl_signers(path);
        let mut statuses = Vec::with_capacity(path.len());
        let mut settled = true;
        for issued in path.iter() {
            let identity = self.record(issued);
            match self.next_step(issued, &self.knowledge(issued, identity, &signers)) {
                Step::Decided(verdict, evidence) => {
                    let revoked = matches!(verdict, Verdict::Revoked { .. });
                    statuses.push(status(issued, verdict, evidence, Vec::new()));
                    if revoked {
                        return Some(self.count(statuses));
                    }
                }
                Step::QueryResponder | Step::FetchCrl => settled = false,
            }
        }
        settled.then(|| self.count(statuses))
    }

    /// Checks every certificate of a path, within the deadline.
    pub async fn check(&self, path: &Arc<[IssuedCertificate]>) -> Vec<Status> {
        let deadline = self.0.settings.load().deadline;
        let deadline_passed = tokio::time::sleep(deadline).boxed().shared();
        // A caller beyond the limit waits as well, for as long as a handshake may take.
        let waiters = self.0.waiters.load_full();
        let _permit = tokio::select! {
            permit = waiters.acquire() => permit,
            () = deadline_passed.clone() => return self.unresolved(path, UndeterminedReason::Busy),
        };
        let signers = self.crl_signers(path);
        let checks = path.iter().map(|issued| {
            let (signers, deadline_passed) = (&signers, deadline_passed.clone());
            async move {
                let progress = Mutex::default();
                tokio::select! {
                    status = self.determine(issued, signers, &progress) => status,
                    () = deadline_passed => {
                        let progress = progress.into_inner().unwrap_or_else(PoisonError::into_inner);
                        undetermined(issued, UndeterminedReason::Deadline, progress.into_attempts())
                    }
                }
            }
        });
        let statuses = join_all(checks).await;
        // At the deadline, other sources may have the status in memory.
        let is_undetermined = |status: &Status| matches!(status.verdict, Verdict::Undetermined(_));
        let known = self.peek(path);
        let merged = statuses.into_iter().zip(known).map(|(status, known)| {
            if is_undetermined(&status) && !is_undetermined(&known) {
                Status { failed_attempts: status.failed_attempts, ..known }
            } else {
                status
            }
        });
        self.count(merged.collect())
    }

    fn unresolved(&self, path: &Arc<[IssuedCertificate]>, reason: UndeterminedReason) -> Vec<Status> {
        let mut statuses = self.peek(path);
        for status in &mut statuses {
            if matches!(status.verdict, Verdict::Undetermined(_)) {
                status.verdict = Verdict::Undetermined(reason);
            }
        }
        self.count(statuses)
    }

    async fn determine(
        &self,
        issued: &IssuedCertificate,
        signers: &[Arc<Issuer>],
        progress: &Mutex<Progress>,
    ) -> Status {
        let identity = self.record(issued);
        self.load_from_disk(issued, identity).await;
        let mut known = self.knowledge(issued, identity, signers);
        let start = |endpoints: Vec<Endpoint>| {
            let mut progress = progress.lock().unwrap_or_else(PoisonError::into_inner);
            progress.pending = endpoints.into_iter().map(|endpoint| endpoint.url).collect();
        };
        let record_failures = |failed_attempts: Vec<FailedAttempt>| {
            let mut progress = progress.lock().unwrap_or_else(PoisonError::into_inner);
            progress.pending.clear();
            progress.failed_attempts.extend(failed_attempts);
        };
        loop {
            match self.next_step(issued, &known) {
                Step::Decided(verdict, evidence) => {
                    let mut progress = progress.lock().unwrap_or_else(PoisonError::into_inner);
                    return status(issued, verdict, evidence, std::mem::take(&mut progress.failed_attempts));
                }
                Step::QueryResponder => {
                    start(self.0.settings.load().responders(issued));
                    known.responder = Some(match self.query_responders(issued).await {
                        Ok(()) => self.cached_report(identity, Source::OcspResponder),
                        Err(failed_attempts) => {
                            record_failures(failed_attempts);
                            None
                        }
                    });
                }
                Step::FetchCrl => {
                    start(self.0.settings.load().distribution_points(issued).into_iter().flatten().collect());
                    record_failures(self.fetch_crls(issued).await);
                    let report = self.crl_report(issued, signers);
                    known.fetched = Some(report.map(|mut report| {
                        report.evidence.source = Source::CrlFetched;
                        report
                    }));
                }
            }
        }
    }

    /// The next step of the decision table. A responder that failed recently is skipped if a CRL can answer.
    fn next_step(&self, issued: &IssuedCertificate, known: &Knowledge) -> Step {
        let step = decide(known);
        if step != Step::QueryResponder {
            return step;
        }
        let endpoints = self.0.settings.load().responders(issued);
        if !self.all_failed_recently(&endpoints) {
            return step;
        }
        let without = Knowledge { responder: Some(None), ..known.clone() };
        match decide(&without) {
            answered @ Step::Decided(..) => answered,
            // No responder: continue with the CRLs.
            Step::FetchCrl if endpoints.is_empty() => Step::FetchCrl,
            _ => step,
        }
    }

    /// Whether each of these has failed recently.
    pub(super) fn all_failed_recently(&self, endpoints: &[Endpoint]) -> bool {
        let now = self.0.clock.instant();
        endpoints.iter().all(|endpoint| self.0.breakers.failed_recently(&endpoint.url, now))
    }

    fn knowledge(
        &self,
        issued: &IssuedCertificate,
        identity: Identity,
        signers: &[Arc<Issuer>],
    ) -> Knowledge {
        Knowledge {
            withdrawn: self.0.withdrawn.load().report(issued),
            cached: self.cached_report(identity, Source::OcspCache),
            local: self.crl_report(issued, signers),
            ..Knowledge::default()
        }
    }

    pub(super) fn crl_report(&self, issued: &IssuedCertificate, signers: &[Arc<Issuer>]) -> Option<Report> {
        let skew = self.0.settings.load().skew;
        self.0.crls.report(issued, signers, self.0.clock.now(), skew, &self.0.disk)
    }

    /// The cached OCSP response.
    pub(super) fn cached_report(&self, identity: Identity, source: Source) -> Option<Report> {
        let kept = self.0.responses.get(&identity)?;
        Some(kept.report(source, self.0.clock.now(), self.0.settings.load().skew))
    }

    /// Loads the OCSP response that an earlier process stored, or that the cache evicted, from disk.
    async fn load_from_disk(&self, issued: &IssuedCertificate, identity: Identity) {
        if self.0.responses.get(&identity).is_some() || !self.0.disk.has_response(&identity) {
            return;
        }
        let (engine, issued) = (self.clone(), issued.clone());
        // It fails only when the process ends.
        let _ = tokio::task::spawn_blocking(move || {
            if engine.load_response(&issued, identity).is_none() {
                engine.0.disk.forget_response(&identity);
            }
        })
        .await;
    }

    fn load_response(&self, issued: &IssuedCertificate, identity: Identity) -> Option<()> {
        let der = self.0.disk.read_response(&identity)?;
        let settings = self.0.settings.load();
        let answer = verify(&der, &self.expectation(&settings, issued, NonceRule::Any)).ok()?;
        // A response by a delegate that no CRL covered was never stored. Today's CRLs decide on "good" only.
        let revoked = matches!(answer.status, CertStatus::Revoked { .. });
        if !revoked && !self.delegate_is_good(issued, &answer) {
            return None;
        }
        self.0.responses.insert(identity, self.cached_response(issued, answer, None));
        Some(())
    }

    pub(super) fn cached_response(
        &self,
        issued: &IssuedCertificate,
        response: VerifiedResponse,
        url: Option<String>,
    ) -> Arc<CachedResponse> {
        let certificate = &issued.certificate;
        let (serial, issuer) = (certificate.serial.to_string(), certificate.issuer.to_string());
        Arc::new(CachedResponse { response, url, serial, issuer, fetched_at: self.0.clock.now() })
    }

    pub(super) fn expectation<'a>(
        &self,
        settings: &'a Settings,
        issued: &'a IssuedCertificate,
        nonce: NonceRule<'a>,
    ) -> Expectation<'a> {
        Expectation {
            issued,
            signers: settings.signers(issued),
            nonce,
            now: self.0.clock.now(),
            skew: settings.skew,
            max_age: settings.max_age,
            default_lifetime: settings.default_lifetime,
            max_certificates: settings.max_response_certificates,
        }
    }

    /// Whether CRLs clear a delegate without id-pkix-ocsp-nocheck. By OCSP it could vouch for itself.
    pub(super) fn delegate_is_good(&self, issued: &IssuedCertificate, answer: &VerifiedResponse) -> bool {
        let Some(delegate) = &answer.unchecked_delegate else { return true };
        let issued =
            IssuedCertificate { certificate: Arc::clone(delegate), issuer: Arc::clone(&issued.issuer) };
        self.crl_report(&issued, &[]).is_some_and(|report| report.fresh && report.status == CertStatus::Good)
    }

    fn count(&self, statuses: Vec<Status>) -> Vec<Status> {
        for status in &statuses {
            let source = status.evidence.as_ref().map_or("none", |evidence| evidence.source.code());
            self.0.metrics.revocation_checks_total.with_label_values(&[source, status.verdict.code()]).inc();
        }
        statuses
    }

    #[cfg(test)]
    pub(crate) fn recent_certificates(&self) -> usize {
        self.0.recent.seen_since(None).len()
    }

    fn record(&self, issued: &IssuedCertificate) -> Identity {
        let identity = issued.identity();
        self.0.recent.record(identity, issued, self.0.clock.instant());
        identity
    }

    pub(super) fn notify_change(&self) {
        self.0.changed.send_modify(|number| *number = number.wrapping_add(1));
    }

    /// Sets the gauge of every current CRL. Of several CRLs of one issuer, the first to expire counts.
    pub(super) fn update_crl_gauge(&self) {
        let mut expires = std::collections::BTreeMap::new();
        for stored in self.0.crls.current() {
            let own = expires.entry(super::issuer_text(stored.crl.issuer.as_der())).or_insert(i64::MAX);
            *own = stored.crl.next_update.as_second().min(*own);
        }
        let gauge = &self.0.metrics.crl_next_update_timestamp_seconds;
        gauge.reset();
        for (issuer, expires) in expires {
            gauge.with_label_values(&[&issuer]).set(expires);
        }
    }
}

impl Progress {
    /// The failed attempts, and those without a response yet.
    fn into_attempts(self) -> Vec<FailedAttempt> {
        let pending = self.pending.into_iter();
        let late = pending.map(|target| FailedAttempt { target, error: AttemptError::Deadline });
        self.failed_attempts.into_iter().chain(late).collect()
    }
}

fn status(
    issued: &IssuedCertificate,
    verdict: Verdict,
    evidence: Option<Evidence>,
    failed_attempts: Vec<FailedAttempt>,
) -> Status {
    let certificate = &issued.certificate;
    Status {
        serial: certificate.serial.clone(),
        issuer: certificate.issuer.to_string(),
        verdict,
        evidence,
        failed_attempts,
    }
}

fn undetermined(
    issued: &IssuedCertificate,
    reason: UndeterminedReason,
    failed_attempts: Vec<FailedAttempt>,
) -> Status {
    status(issued, Verdict::Undetermined(reason), None, failed_attempts)
}
