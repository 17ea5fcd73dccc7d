//! The task that fetches, renews and expires staples, and publishes them to the chains.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::cache::{CacheEntry, RefreshOutcome, StapleCache};
use super::chain::{ChainCertificate, StapledChain, StapledChains};
use super::hold::HeldChain;
use super::schedule::Schedule;
use crate::model::{Clock, shown_url};
use crate::revocation::{AttemptError, Engine, FailedAttempt, IssuedCertificate, KnownStaple, Staple};
use crate::tls::identity::ChainStaples;
use crate::x509::expiry_text;

/// Keeps the staples of the platform's chains fresh. Clones share everything.
#[derive(Debug, Clone)]
pub struct StapleRefresher(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    engine: Engine,
    clock: Clock,
    state: Mutex<State>,
    /// Wakes [`StapleRefresher::run`] after a change of the state.
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// The chains of the current configuration.
    chains: StapledChains,
    /// Chains of the previous configuration that are served in place of renewed ones.
    held: Vec<HeldChain>,
    cache: StapleCache,
}

impl StapleRefresher {
    /// A refresher without chains.
    #[must_use]
    pub fn new(engine: Engine, clock: Clock) -> Self {
        Self(Arc::new(Inner { engine, clock, state: Mutex::default(), changed: Notify::new() }))
    }

    /// Loads stored staples from disk and publishes them, so that a restart during an outage of the responder
    /// changes nothing for clients.
    pub(in crate::tls) fn restore(&self, chains: &StapledChains) {
        self.load(chains);
        self.publish(chains);
    }

    fn load(&self, chains: &StapledChains) {
        let now = self.0.clock.now();
        for issued in chains.issued() {
            let has_responder = self.0.engine.has_responder(issued);
            if let Some(entry) = self.state().cache.get_mut(&issued.identity()) {
                // The settings may have changed since the last query.
                entry.schedule.settings_changed(has_responder, now);
                continue;
            }
            let entry = self.load_entry(issued, has_responder, now);
            self.state().cache.insert(issued.identity(), entry);
        }
    }

    fn load_entry(&self, issued: &IssuedCertificate, has_responder: bool, now: Timestamp) -> CacheEntry {
        let engine = &self.0.engine;
        let staple = engine.load_staple(issued);
        let fresh = staple.as_ref().filter(|staple| staple.is_fresh_at(now));
        if let Some(staple) = fresh.filter(|staple| staple.is_revoked()) {
            log_revoked(issued, staple);
        }
        let next = fresh.map_or(now, |staple| engine.staple_refresh_at(issued, staple));
        let schedule = Schedule::new(has_responder.then_some(next));
        if has_responder {
            return CacheEntry { issued: issued.clone(), staple, schedule, problem: None };
        }
        tracing::warn!(
            subject = %issued.certificate.subject,
            "a certificate of the platform has no OCSP responder: it names none with an http URL, and none is \
             configured for its issuer; no OCSP response will be stapled to it"
        );
        let problem = Some(AttemptError::NoResponder.to_string());
        CacheEntry { issued: issued.clone(), staple, schedule, problem }
    }

    /// Queries the responders of certificates without a fresh staple, and waits for `timeout` at most. Later
    /// responses are stapled when they arrive.
    pub(in crate::tls) async fn fetch_missing(&self, chains: &StapledChains, timeout: Duration) {
        let now = self.0.clock.now();
        let mut queries = JoinSet::new();
        for issued in chains.issued() {
            let is_due =
                |entry: &mut CacheEntry| entry.fresh(now).is_none() && entry.schedule.start_if_due(now);
            if self.state().cache.get_mut(&issued.identity()).is_some_and(is_due) {
                // Its own task: the query continues after the timeout.
                let query = tokio::spawn(self.clone().refresh(issued.clone()));
                queries.spawn(async { drop(query.await) });
            }
        }
        let all = async { while queries.join_next().await.is_some() {} };
        let completed = tokio::time::timeout(timeout, all).await.is_ok();
        self.publish(chains);
        if !completed {
            tracing::warn!(
                ?timeout,
                "some OCSP responders of the platform's certificates have not answered; clients that require a \
                 stapled response refuse the platform until they answer"
            );
        }
        for chain in chains.iter().filter(|chain| !chain.is_served()) {
            log_withheld(chain);
        }
    }

    /// Refreshes the staples of these chains from now on, in place of the previous chains. A chain without
    /// staples is not served until `hold_until` at most: its predecessor is, if that has staples.
    pub(in crate::tls) fn replace_chains(&self, chains: StapledChains, hold_until: Timestamp) {
        // The end of an earlier hold may have dropped staples that these chains need again.
        self.load(&chains);
        let now = self.0.clock.now();
        let mut state = self.state();
        let names: HashSet<&str> =
            chains.certificates().map(|certificate| certificate.name.as_str()).collect();
        for previous in state.chains.certificates().filter(|previous| !names.contains(previous.name.as_str()))
        {
            self.0.engine.remove_staple_gauge(&previous.name);
        }
        drop(names);
        let State { chains: current, held, cache } = &mut *state;
        *held = HeldChain::decide(held, current, &chains, cache, (now, hold_until));
        for held in held.iter() {
            held.start(cache, now);
        }
        *current = chains.clone();
        state.drop_unused();
        drop(state);
        self.publish(&chains);
        self.0.changed.notify_one();
    }

    /// Renews and expires staples until `shutdown` is cancelled.
    pub async fn run(self, shutdown: CancellationToken) {
        loop {
            let chains = self.state().chains.clone();
            self.publish(&chains);
            let now = self.0.clock.now();
            for issued in self.start_due(now) {
                tokio::spawn(self.clone().refresh(issued));
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = self.0.changed.notified() => {}
                () = tokio::time::sleep(self.sleep_time(now)) => {}
            }
        }
    }

    /// The certificates whose queries are due. Marks the queries as in flight.
    fn start_due(&self, now: Timestamp) -> Vec<IssuedCertificate> {
        let mut state = self.state();
        let due = |entry: &mut CacheEntry| entry.schedule.start_if_due(now).then(|| entry.issued.clone());
        state.cache.values_mut().filter_map(due).collect()
    }

    /// The time to the next expiry or query.
    fn sleep_time(&self, now: Timestamp) -> Duration {
        let state = self.state();
        let expiries = state.cache.values().filter_map(|entry| entry.fresh(now).map(|staple| staple.expires));
        let queries = state.cache.values().filter_map(|entry| entry.schedule.wakes_at());
        let time = expiries
            .chain(queries)
            .chain(state.held.iter().map(HeldChain::until))
            .min()
            .map_or(MAX_SLEEP, |next| Duration::try_from(next.duration_since(now)).unwrap_or_default());
        time.clamp(MIN_SLEEP, MAX_SLEEP)
    }

    async fn refresh(self, issued: IssuedCertificate) {
        let (engine, target) = (self.0.engine.clone(), issued.clone());
        // Its own task: a panic there must not leave the certificate without a next query.
        let response = tokio::spawn(async move { engine.fetch_staple(&target).await }).await;
        let fault = |_| Err(vec![FailedAttempt { target: "OCSP".to_owned(), error: AttemptError::Fault }]);
        self.apply(&issued, response.unwrap_or_else(fault)).await;
        let chains = self.state().chains.clone();
        self.publish(&chains);
        self.0.changed.notify_one();
    }

    async fn apply(&self, issued: &IssuedCertificate, response: Result<Staple, Vec<FailedAttempt>>) {
        let engine = &self.0.engine;
        let now = self.0.clock.now();
        let (outcome, was_revoked, is_fresh) = {
            let mut state = self.state();
            let State { held, cache, .. } = &mut *state;
            // A reload may have removed the certificate.
            let Some(entry) = cache.get_mut(&issued.identity()) else { return };
            let was_revoked = entry.is_revoked();
            let was_accepted = response.is_ok();
            let response = entry.without_older(response);
            if was_accepted && response.is_err() {
                engine.count_superseded_staple();
            }
            let outcome = entry.apply(response, |staple| engine.staple_refresh_at(issued, staple), now);
            if let Some(held) = held.iter().find(|held| held.waits_for(issued))
                && entry.fresh(now).is_none()
            {
                held.expedite(entry, now);
            }
            (outcome, was_revoked, entry.fresh(now).is_some())
        };
        let subject = &issued.certificate.subject;
        match outcome {
            RefreshOutcome::Renewed(staple) => {
                engine.save_staple(issued, &staple).await;
                tracing::debug!(%subject, expires = %staple.expires, "OCSP staple renewed");
                if staple.is_revoked() && !was_revoked {
                    log_revoked(issued, &staple);
                }
            }
            RefreshOutcome::Failed { reason, warns: true } if is_fresh => {
                tracing::warn!(
                    %subject,
                    reason,
                    "OCSP staple could not be renewed; the current one is served until it expires; will retry"
                );
            }
            RefreshOutcome::Failed { reason, warns: true } => {
                tracing::warn!(
                    %subject,
                    reason,
                    "no OCSP response for a certificate of the platform; clients that require one refuse the \
                     platform; will retry"
                );
            }
            RefreshOutcome::Failed { reason, warns: false } => {
                tracing::debug!(%subject, reason, "OCSP staple could not be renewed; will retry");
            }
        }
    }

    /// Staples the fresh responses to each chain, and serves the renewed chains that wait no longer.
    fn publish(&self, chains: &StapledChains) {
        let now = self.0.clock.now();
        // The lock is held to the end: of two concurrent calls, the one with the newer state publishes last.
        let mut state = self.state();
        for chain in chains.iter() {
            for certificate in chain.certificates.iter().filter(|certificate| certificate.issued.is_some()) {
                let expires = state.fresh(certificate, now).map(|staple| staple.expires);
                self.0.engine.set_staple_gauge(&certificate.name, expires);
            }
            publish_chain(chain, &state, now);
        }
        for held in &state.held {
            publish_chain(held.previous(), &state, now);
        }
        state.end_holds(now);
    }

    /// The staple of each certificate, and the certificates without one.
    #[must_use]
    pub fn staples(&self) -> Vec<KnownStaple> {
        let now = self.0.clock.now();
        let state = self.state();
        let mut staples = Vec::new();
        for chain in state.chains.iter() {
            for certificate in &chain.certificates {
                let Some(issued) = &certificate.issued else { continue };
                let entry = state.cache.get(&issued.identity());
                let staple = entry.and_then(|entry| entry.fresh(now));
                staples.push(KnownStaple {
                    certificate: certificate.name.clone(),
                    subject: issued.certificate.subject.to_string(),
                    serial: issued.certificate.serial.to_string(),
                    status: staple.map(Staple::status),
                    this_update: staple.map(|staple| staple.this_update.to_string()),
                    expires: staple.map(|staple| expiry_text(staple.expires)),
                    age_seconds: staple.map(|staple| now.duration_since(staple.this_update).as_secs()),
                    size: staple.map(|staple| staple.der.len()),
                    next_refresh: entry.and_then(|entry| entry.schedule.next()).map(|next| next.to_string()),
                    responder: staple.map(|staple| staple.responder.clone()),
                    url: staple.and_then(|staple| staple.url.as_deref()).map(shown_url),
                    problem: entry.and_then(|entry| entry.problem.clone()),
                    must_staple: issued.certificate.must_staple,
                    served: chain.is_served(),
                });
            }
        }
        staples
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn fresh(&self, certificate: &ChainCertificate, now: Timestamp) -> Option<&Staple> {
        self.cache.get(&certificate.issued.as_ref()?.identity())?.fresh(now)
    }

    /// Drops the staples of certificates that no chain has any more.
    fn drop_unused(&mut self) {
        let held = self.held.iter().flat_map(|held| held.previous().issued());
        let used: HashSet<_> = self.chains.issued().chain(held).map(IssuedCertificate::identity).collect();
        self.cache.retain(|identity, _| used.contains(identity));
    }

    /// Serves the renewed chains that wait no longer, and drops the staples of their predecessors.
    fn end_holds(&mut self, now: Timestamp) {
        for held in std::mem::take(&mut self.held) {
            let Some(end) = held.end(&self.cache, now) else {
                self.held.push(held);
                continue;
            };
            held.release(end);
            let used: HashSet<_> = self.chains.issued().map(IssuedCertificate::identity).collect();
            for issued in held.previous().issued().filter(|issued| !used.contains(&issued.identity())) {
                self.cache.remove(&issued.identity());
            }
        }
    }
}

/// Staples the fresh responses to one chain.
fn publish_chain(chain: &StapledChain, state: &State, now: Timestamp) {
    let fresh = |certificate: &ChainCertificate| state.fresh(certificate, now);
    let responses =
        chain.certificates.iter().map(|certificate| fresh(certificate).map(|staple| staple.der.clone()));
    let staples = ChainStaples::new(responses.collect());
    let previous = chain.served.staples();
    if *previous == staples {
        return;
    }
    let changes = previous.responses().iter().zip(staples.responses());
    for (certificate, (before, after)) in chain.certificates.iter().zip(changes) {
        if before.is_some() && after.is_none() {
            tracing::error!(
                certificate = certificate.name,
                "the OCSP response for a certificate of the platform has expired, and there is no newer one; \
                 clients that require one refuse the platform"
            );
        }
    }
    let was_served = chain.is_servable();
    chain.served.set_staples(staples);
    match (was_served, chain.is_servable()) {
        (true, false) => log_withheld(chain),
        (false, true) => {
            tracing::info!(chain = chain.name(), "must-staple certificate has a staple; its chain is served");
        }
        _ => {}
    }
}

/// The revoked response is stapled as well: clients can query the responder themselves and would find it
/// there.
fn log_revoked(issued: &IssuedCertificate, staple: &Staple) {
    tracing::error!(
        subject = %issued.certificate.subject,
        serial = %issued.certificate.serial,
        responder = staple.responder,
        "a certificate of the platform has been REVOKED; clients that check revocation refuse the platform; \
         install a new certificate"
    );
}

fn log_withheld(chain: &StapledChain) {
    tracing::error!(
        chain = chain.name(),
        "must-staple certificate (RFC 7633) without a fresh OCSP response; its chain is not served"
    );
}

/// The longest sleep. It is short because the clock of the machine may be set.
const MAX_SLEEP: Duration = Duration::from_secs(30);
const MIN_SLEEP: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests;
