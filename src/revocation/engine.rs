//! The engine: asks what the policy wants asked, and keeps what it learns.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared, join_all};
use tokio::sync::{Semaphore, watch};

use super::answers::{Answers, Kept};
use super::crl::Crl;
use super::disk::{Disk, Kind, hexadecimal};
use super::fetch::{Fetch, Fetcher};
use super::lists::{Lists, Origin, Stored};
use super::ocsp::{Answer, Expectation, NonceRule, Request, get_path, verify};
use super::policy::{Known, Step, decide};
use super::settings::{Place, RevocationError, Settings, installed};
use super::verdict::{Evidence, Report, Said, Source, Status, Tried, Verdict, Why};
use super::{CertIdHash, Issuer, Link};
use crate::config::{self, Nonce};
use crate::metrics::Metrics;
use crate::model::Clock;

/// Bytes of the largest OCSP response.
const LARGEST_RESPONSE: usize = 1 << 20;
/// How long a responder that did not answer is passed over when a fresh CRL is at hand.
const PASSED_OVER: Duration = Duration::from_secs(15);
/// Certificates that are renewed in the background at most.
const MOST_SEEN: usize = 50_000;

/// Knows, or finds out, whether certificates have been revoked. Clones share everything.
#[derive(Debug, Clone)]
pub struct Engine(pub(super) Arc<Inner>);

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) settings: ArcSwap<Settings>,
    pub(super) answers: Answers,
    pub(super) lists: Lists,
    pub(super) disk: Disk,
    pub(super) clock: Clock,
    pub(super) seen: Mutex<HashMap<[u8; 32], Seen>>,
    fetcher: Fetcher,
    metrics: Metrics,
    waiting: Semaphore,
    flights: Mutex<HashMap<String, Flight>>,
    failing: Mutex<HashMap<String, Instant>>,
    changed: watch::Sender<u64>,
}

/// A certificate that was checked lately.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) link: Link,
    pub(super) last: Instant,
}

/// Another configuration, read and not in force yet.
#[derive(Debug)]
pub struct Prepared {
    settings: Arc<Settings>,
    crls: Vec<Arc<Stored>>,
}

type Outcome = Result<(), Vec<Tried>>;
type Flight = Shared<BoxFuture<'static, Outcome>>;

impl Engine {
    /// Reads what is installed and what was kept.
    ///
    /// # Errors
    /// When something that the configuration names cannot be used.
    pub fn open(
        config: &config::Revocation,
        metrics: Metrics,
        clock: Clock,
    ) -> Result<Self, RevocationError> {
        let settings = Settings::load(config)?;
        let disk = Disk::open(&config.directory)
            .map_err(|source| RevocationError::Directory { path: config.directory.clone(), source })?;
        let lists = Lists::new(disk.numbers());
        for (name, der) in disk.crls() {
            match Crl::read(der) {
                Ok(crl) => lists.add(Stored::new(crl, Origin::Kept(name))),
                Err(error) => tracing::warn!(name, %error, "a CRL that was kept cannot be used"),
            }
        }
        lists.install(installed(&config.installed_crls)?);
        let engine = Self(Arc::new(Inner {
            settings: ArcSwap::from_pointee(settings),
            answers: Answers::default(),
            lists,
            disk,
            clock,
            seen: Mutex::default(),
            fetcher: Fetcher::new(),
            metrics,
            waiting: Semaphore::new(config.max_waiting),
            flights: Mutex::default(),
            failing: Mutex::default(),
            changed: watch::Sender::new(0),
        }));
        engine.publish();
        Ok(engine)
    }

    /// Reads the installed CRLs and the settings of another configuration.
    ///
    /// # Errors
    /// When something cannot be used.
    pub fn prepare(config: &config::Revocation) -> Result<Prepared, RevocationError> {
        let (settings, crls) = (Arc::new(Settings::load(config)?), installed(&config.installed_crls)?);
        Ok(Prepared { settings, crls })
    }

    /// Puts another configuration in force; the folder and the number of waiting handshakes stay.
    pub fn take_over(&self, prepared: Prepared) {
        self.0.settings.store(prepared.settings);
        self.0.lists.install(prepared.crls);
        self.publish();
        self.changed();
    }

    /// Learns that something has changed: the number grows.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.changed.subscribe()
    }

    /// What is known about every certificate of a path, without asking anybody. For resumed and live sessions, and
    /// the fast way of a handshake (A9.2).
    #[must_use]
    pub fn kept(&self, path: &Arc<[Link]>) -> Vec<Status> {
        let signers = self.0.settings.load().crl_signers(path);
        path.iter()
            .map(|link| {
                self.see(link);
                let mut known = self.known(link, &signers);
                (known.responder, known.fetched) = (Some(None), Some(None));
                match decide(&known) {
                    Step::Answer(verdict, evidence) => status(link, verdict, evidence, Vec::new()),
                    Step::AskResponder | Step::FetchCrl => undetermined(link, Why::NothingFresh, Vec::new()),
                }
            })
            .collect()
    }

    /// Whether every certificate is good by an OCSP response that was kept, or one is revoked by anything that is at
    /// hand: then nobody need be asked.
    #[must_use]
    pub fn settled(&self, path: &Arc<[Link]>) -> Option<Vec<Status>> {
        let signers = self.0.settings.load().crl_signers(path);
        let mut statuses = Vec::with_capacity(path.len());
        let mut settled = true;
        for link in path.iter() {
            self.see(link);
            match self.next(link, &self.known(link, &signers)) {
                Step::Answer(verdict, evidence) => {
                    let revoked = matches!(verdict, Verdict::Revoked { .. });
                    statuses.push(status(link, verdict, evidence, Vec::new()));
                    if revoked {
                        return Some(self.counted(statuses));
                    }
                }
                Step::AskResponder | Step::FetchCrl => settled = false,
            }
        }
        settled.then(|| self.counted(statuses))
    }

    /// Finds out about every certificate of a path, within the deadline.
    pub async fn check(&self, path: &Arc<[Link]>) -> Vec<Status> {
        let Ok(_turn) = self.0.waiting.try_acquire() else {
            return self.without(path, Why::Busy);
        };
        let deadline = self.0.settings.load().deadline;
        let signers: Arc<[Arc<Issuer>]> = self.0.settings.load().crl_signers(path).into();
        let asking = path.iter().map(|link| {
            let signers = Arc::clone(&signers);
            async move {
                match tokio::time::timeout(deadline, self.ask(link, &signers)).await {
                    Ok(status) => status,
                    Err(_) => undetermined(link, Why::Deadline, Vec::new()),
                }
            }
        });
        let statuses = join_all(asking).await;
        // Of one that did not come in time, something may be known all the same.
        let late = |status: &Status| matches!(status.verdict, Verdict::Undetermined(_));
        let known = self.kept(path);
        let merged = statuses.into_iter().zip(known).map(|(status, known)| {
            if late(&status) && !late(&known) { Status { tried: status.tried, ..known } } else { status }
        });
        self.counted(merged.collect())
    }

    fn without(&self, path: &Arc<[Link]>, why: Why) -> Vec<Status> {
        let mut statuses = self.kept(path);
        for status in &mut statuses {
            if matches!(status.verdict, Verdict::Undetermined(_)) {
                status.verdict = Verdict::Undetermined(why);
            }
        }
        self.counted(statuses)
    }

    async fn ask(&self, link: &Link, signers: &[Arc<Issuer>]) -> Status {
        self.see(link);
        let mut known = self.known(link, signers);
        let mut tried = Vec::new();
        loop {
            match self.next(link, &known) {
                Step::Answer(verdict, evidence) => return status(link, verdict, evidence, tried),
                Step::AskResponder => {
                    let asked = self.ask_responder(link).await;
                    known.responder = Some(match asked {
                        Ok(()) => self.answer(link, Source::OcspResponder),
                        Err(vain) => {
                            tried.extend(vain);
                            None
                        }
                    });
                }
                Step::FetchCrl => {
                    tried.extend(self.fetch_crls(link).await);
                    let report = self.list_report(link, signers);
                    known.fetched = Some(report.map(|mut report| {
                        report.evidence.source = Source::CrlFetched;
                        report
                    }));
                }
            }
        }
    }

    /// What the policy wants; a responder that has just failed is passed over when a CRL can answer in its place.
    fn next(&self, link: &Link, known: &Known) -> Step {
        let step = decide(known);
        if step != Step::AskResponder {
            return step;
        }
        let places = self.0.settings.load().responders(link);
        let now = self.0.clock.instant();
        let failing = self.failing();
        let all_fail = places.iter().all(|place| failing.get(&place.url).is_some_and(|until| now < *until));
        drop(failing);
        if !all_fail {
            return step;
        }
        let without = Known { responder: Some(None), ..known.clone() };
        match decide(&without) {
            answered @ Step::Answer(..) => answered,
            // Nobody to ask at all: on to the CRLs.
            Step::FetchCrl if places.is_empty() => Step::FetchCrl,
            _ => step,
        }
    }

    fn known(&self, link: &Link, signers: &[Arc<Issuer>]) -> Known {
        Known {
            cached: self.answer(link, Source::OcspCache),
            local: self.list_report(link, signers),
            ..Known::default()
        }
    }

    fn list_report(&self, link: &Link, signers: &[Arc<Issuer>]) -> Option<Report> {
        let skew = self.0.settings.load().skew;
        self.0.lists.report(link, signers, self.0.clock.now(), skew, &self.0.disk)
    }

    /// The kept OCSP answer, from memory or from the disk.
    fn answer(&self, link: &Link, source: Source) -> Option<Report> {
        let identity = link.identity();
        let kept = self.0.answers.get(&identity).or_else(|| self.read_kept(link, identity))?;
        Some(kept.report(source, self.0.clock.now(), self.0.settings.load().skew))
    }

    fn read_kept(&self, link: &Link, identity: [u8; 32]) -> Option<Arc<Kept>> {
        let der = self.0.disk.read(Kind::Ocsp, &hexadecimal(&identity))?;
        let settings = self.0.settings.load();
        let answer = verify(&der, &self.expectation(&settings, link, NonceRule::Any)).ok()?;
        if !self.delegate_is_good(link, &answer) {
            return None;
        }
        let kept = self.kept_answer(link, answer, None);
        self.0.answers.keep(identity, Arc::clone(&kept));
        Some(kept)
    }

    fn kept_answer(&self, link: &Link, answer: Answer, url: Option<String>) -> Arc<Kept> {
        let serial = link.certificate.serial.to_string();
        Arc::new(Kept { answer, url, serial, fetched_at: self.0.clock.now() })
    }

    fn expectation<'a>(
        &self,
        settings: &'a Settings,
        link: &'a Link,
        nonce: NonceRule<'a>,
    ) -> Expectation<'a> {
        Expectation {
            link,
            signers: settings.signers(link),
            nonce,
            now: self.0.clock.now(),
            skew: settings.skew,
            max_age: settings.max_age,
            default_lifetime: settings.default_lifetime,
        }
    }

    /// The status of a delegate without id-pkix-ocsp-nocheck, by CRLs alone: by OCSP it could vouch for itself.
    fn delegate_is_good(&self, link: &Link, answer: &Answer) -> bool {
        let Some(delegate) = &answer.unchecked_delegate else { return true };
        let link = Link { certificate: Arc::clone(delegate), issuer: Arc::clone(&link.issuer) };
        self.list_report(&link, &[]).is_some_and(|report| report.fresh && report.said == Said::Good)
    }

    /// Asks the responders, one after the other; several that want the same wait for one.
    pub(super) async fn ask_responder(&self, link: &Link) -> Outcome {
        let engine = self.clone();
        let link = link.clone();
        let key = format!("ocsp {}", hexadecimal(&link.identity()));
        self.fly(key, async move { engine.ask_each_responder(&link).await }).await
    }

    async fn ask_each_responder(self, link: &Link) -> Outcome {
        let places = self.0.settings.load().responders(link);
        let mut tried = Vec::new();
        if places.is_empty() {
            tried.push(Tried {
                what: "OCSP".to_owned(),
                why: "no responder is named or configured".to_owned(),
            });
        }
        for place in places {
            match self.ask_one(link, &place).await {
                Ok(()) => return Ok(()),
                Err(why) => tried.push(Tried { what: place.url, why }),
            }
        }
        Err(tried)
    }

    async fn ask_one(&self, link: &Link, place: &Place) -> Result<(), String> {
        let settings = self.0.settings.load_full();
        let nonce = match settings.nonce {
            Nonce::Off => None,
            Nonce::Send | Nonce::Require => Some(random_nonce()?),
        };
        let request = Request::about(link, CertIdHash::Sha1, nonce.clone()).to_der();
        // A nonce makes every request another one: GET is for what caches may answer.
        let by_get = if nonce.is_none() { get_path(&place.url, &request) } else { None };
        let fetch = match by_get {
            Some(url) => Fetch { url, body: None, limit: LARGEST_RESPONSE, configured: place.configured },
            None => Fetch {
                url: place.url.clone(),
                body: Some(request),
                limit: LARGEST_RESPONSE,
                configured: place.configured,
            },
        };
        let began = self.0.clock.instant();
        let fetched = self.0.fetcher.fetch(fetch, &settings.limits).await;
        let spent = self.0.clock.instant().saturating_duration_since(began);
        self.0.metrics.ocsp_fetch_duration_seconds.observe(spent.as_secs_f64());
        let der = fetched.map_err(|error| {
            self.failing().insert(place.url.clone(), self.0.clock.instant() + PASSED_OVER);
            error.to_string()
        })?;
        self.failing().remove(&place.url);
        let rule = match (settings.nonce, nonce.as_deref()) {
            (Nonce::Require, Some(nonce)) => NonceRule::Required(nonce),
            (_, Some(nonce)) => NonceRule::Same(nonce),
            (_, None) => NonceRule::Any,
        };
        let answer =
            verify(&der, &self.expectation(&settings, link, rule)).map_err(|error| error.to_string())?;
        if answer.unchecked_delegate.is_some() {
            for vain in self.fetch_crls_for_delegate(link, &answer).await {
                tracing::debug!(%vain, "the CRL of a delegated responder");
            }
            if !self.delegate_is_good(link, &answer) {
                return Err("no fresh CRL clears the delegated responder's own certificate".to_owned());
            }
        }
        let (fresh, revoked) = (answer.fresh, matches!(answer.said, Said::Revoked { .. }));
        if !fresh && !revoked {
            return Err("the response is not fresh".to_owned());
        }
        let identity = link.identity();
        let kept = self.kept_answer(link, answer, Some(place.url.clone()));
        if self.0.answers.keep(identity, Arc::clone(&kept)) {
            self.changed();
        }
        self.0.disk.write(Kind::Ocsp, &hexadecimal(&identity), &der);
        Ok(())
    }

    async fn fetch_crls_for_delegate(&self, link: &Link, answer: &Answer) -> Vec<Tried> {
        let Some(delegate) = &answer.unchecked_delegate else { return Vec::new() };
        let delegate = Link { certificate: Arc::clone(delegate), issuer: Arc::clone(&link.issuer) };
        if self.delegate_is_good(link, answer) {
            return Vec::new();
        }
        self.fetch_crls(&delegate).await
    }

    /// Fetches the CRLs that a certificate names; what failed is returned.
    async fn fetch_crls(&self, link: &Link) -> Vec<Tried> {
        let points = self.0.settings.load().distribution_points(link);
        if points.is_empty() {
            let why = "no distribution point with an http URL is named or configured".to_owned();
            return vec![Tried { what: "CRL".to_owned(), why }];
        }
        let mut tried = Vec::new();
        for places in points {
            for place in places {
                match self.fetch_crl(&place).await {
                    Ok(()) => break,
                    Err(vain) => tried.extend(vain),
                }
            }
        }
        tried
    }

    /// Fetches one CRL; several that want the same wait for one.
    pub(super) async fn fetch_crl(&self, place: &Place) -> Outcome {
        let engine = self.clone();
        let place = place.clone();
        self.fly(format!("crl {}", place.url), async move {
            engine.fetch_one_crl(&place).await.map_err(|why| vec![Tried { what: place.url, why }])
        })
        .await
    }

    async fn fetch_one_crl(self, place: &Place) -> Result<(), String> {
        let settings = self.0.settings.load_full();
        let fetch = Fetch {
            url: place.url.clone(),
            body: None,
            limit: settings.max_crl,
            configured: place.configured,
        };
        let der = self.0.fetcher.fetch(fetch, &settings.limits).await.map_err(|error| error.to_string())?;
        let engine = self.clone();
        let url = place.url.clone();
        // Reading and keeping megabytes takes longer than a task may take.
        tokio::task::spawn_blocking(move || engine.take_crl(&url, &der))
            .await
            .map_err(|_| "reading the CRL failed".to_owned())?
    }

    fn take_crl(&self, url: &str, der: &[u8]) -> Result<(), String> {
        // Some sites publish PEM where RFC 5280 4.2.1.13 wants DER.
        let lists = crate::x509::pem::crls(der).map_err(|error| error.to_string())?;
        let der = lists.into_iter().next().ok_or("no CRL")?;
        let crl = Crl::read(der).map_err(|error| error.to_string())?;
        let name = hexadecimal(&CertIdHash::Sha256.digest(url.as_bytes()));
        let known =
            self.0.lists.all().into_iter().find(|stored| stored.origin == Origin::Fetched(url.to_owned()));
        let same = known.as_ref().is_some_and(|known| known.crl.as_der() == crl.as_der());
        if same {
            return Ok(());
        }
        // Only what an issuer of ours signed takes the place of what one signed.
        let stored = Stored::new(crl, Origin::Fetched(url.to_owned()));
        let verified = self.issuers().iter().find_map(|issuer| stored.verified_by(issuer).ok());
        let known = known.filter(|known| known.is_verified());
        match &verified {
            None if known.is_some() => return Err("no issuer that is known here signed the CRL".to_owned()),
            // Refused before it replaces anything: whoever replays an old CRL must not make us forget the new one.
            Some(verified) if self.0.lists.is_rolled_back(verified, &self.0.disk) => {
                return Err("the CRL is older than one that was seen before".to_owned());
            }
            _ => {}
        }
        if known.is_some_and(|known| stored.crl.this_update < known.crl.this_update) {
            return Err("the CRL is older than the one from this place that is at hand".to_owned());
        }
        self.0.disk.write(Kind::Crl, &name, stored.crl.as_der());
        self.0.lists.forget(&Origin::Kept(name));
        self.0.lists.add(stored);
        self.publish();
        self.changed();
        Ok(())
    }

    /// The issuers of everybody who was seen.
    fn issuers(&self) -> Vec<Arc<Issuer>> {
        let seen = self.seen();
        let mut issuers: Vec<Arc<Issuer>> = Vec::new();
        for entry in seen.values() {
            if !issuers.contains(&entry.link.issuer) {
                issuers.push(Arc::clone(&entry.link.issuer));
            }
        }
        issuers
    }

    /// Runs `work` unless it is under way already, and waits for it. It goes on when nobody waits any more: the next
    /// one who asks finds the answer.
    async fn fly(&self, key: String, work: impl Future<Output = Outcome> + Send + 'static) -> Outcome {
        let flight = {
            let mut flights = self.flights();
            match flights.get(&key) {
                Some(flight) => flight.clone(),
                None => {
                    let engine = self.clone();
                    let own = key.clone();
                    let task = tokio::spawn(async move {
                        let outcome = work.await;
                        engine.flights().remove(&own);
                        outcome
                    });
                    let broken =
                        || vec![Tried { what: "fetching".to_owned(), why: "a fault of ours".to_owned() }];
                    let flight = async move { task.await.unwrap_or_else(|_| Err(broken())) }.boxed().shared();
                    flights.insert(key, flight.clone());
                    flight
                }
            }
        };
        flight.await
    }

    fn counted(&self, statuses: Vec<Status>) -> Vec<Status> {
        for status in &statuses {
            let source = status.evidence.as_ref().map_or("none", |evidence| evidence.source.code());
            self.0.metrics.revocation_checks_total.with_label_values(&[source, status.verdict.code()]).inc();
        }
        statuses
    }

    fn see(&self, link: &Link) {
        let last = self.0.clock.instant();
        let mut seen = self.seen();
        if seen.len() >= MOST_SEEN {
            let oldest = seen.iter().min_by_key(|(_, seen)| seen.last).map(|(identity, _)| *identity);
            oldest.map(|identity| seen.remove(&identity));
        }
        seen.insert(link.identity(), Seen { link: link.clone(), last });
    }

    pub(super) fn changed(&self) {
        self.0.changed.send_modify(|number| *number = number.wrapping_add(1));
    }

    /// The gauge of every CRL that is at hand.
    pub(super) fn publish(&self) {
        for stored in self.0.lists.all() {
            let issuer = super::issuer_text(&stored.crl.issuer);
            let expires = stored.crl.next_update.as_second();
            self.0.metrics.crl_next_update_timestamp_seconds.with_label_values(&[&issuer]).set(expires);
        }
    }

    pub(super) fn seen(&self) -> MutexGuard<'_, HashMap<[u8; 32], Seen>> {
        self.0.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn flights(&self) -> MutexGuard<'_, HashMap<String, Flight>> {
        self.0.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failing(&self) -> MutexGuard<'_, HashMap<String, Instant>> {
        self.0.failing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn status(link: &Link, verdict: Verdict, evidence: Option<Evidence>, tried: Vec<Tried>) -> Status {
    let certificate = &link.certificate;
    Status {
        serial: certificate.serial.clone(),
        issuer: certificate.issuer.to_string(),
        verdict,
        evidence,
        tried,
    }
}

fn undetermined(link: &Link, why: Why, tried: Vec<Tried>) -> Status {
    status(link, Verdict::Undetermined(why), None, tried)
}

fn random_nonce() -> Result<Vec<u8>, String> {
    let mut nonce = vec![0; 32];
    aws_lc_rs::rand::fill(&mut nonce).map_err(|_| "no random numbers".to_owned())?;
    Ok(nonce)
}
