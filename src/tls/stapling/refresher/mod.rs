//! The keeper: asks for staples in time, and hands them to the chains.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::cache::{CacheEntry, RefreshOutcome, StapleCache};
use super::chain;
use super::schedule::Schedule;
use crate::model::Clock;
use crate::revocation::{AttemptError, Engine, FailedAttempt, IssuedCertificate, KnownStaple, Staple};
use crate::tls::identity::{ChainStaples, PlatformIdentity, ServedChain};
use crate::tls::trust::Trust;

/// The longest that the keeper sleeps: the machine's clock may be set.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);
const SHORTEST_SLEEP: Duration = Duration::from_millis(20);

/// Keeps the staples of the platform's chains. Clones share everything.
#[derive(Debug, Clone)]
pub struct StapleRefresher(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    engine: Engine,
    clock: Clock,
    state: Mutex<State>,
    woken: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// The chains in force.
    chains: StapledChains,
    shelf: StapleCache,
}

/// Chains that staples are wanted for.
#[derive(Debug, Clone, Default)]
pub(in crate::tls) struct StapledChains(Arc<[StapledChain]>);

#[derive(Debug)]
struct StapledChain {
    served: Arc<ServedChain>,
    /// Whether it is sent to clients without the staple that its certificate promises (RFC 7633).
    served_regardless: bool,
    own: Vec<ChainCertificate>,
}

/// A certificate of a chain.
#[derive(Debug)]
struct ChainCertificate {
    name: String,
    /// None for a root.
    link: Option<IssuedCertificate>,
}

impl StapledChains {
    /// The chains of an identity, with their issuers.
    pub(in crate::tls) fn new(identity: &PlatformIdentity, trust: &Trust) -> Self {
        let chain = |(kind, served): (&str, &Arc<ServedChain>)| {
            let links = chain::links(&served.key().cert, trust).into_iter().enumerate();
            StapledChain {
                served: Arc::clone(served),
                served_regardless: !identity.withholds(),
                own: links.map(|(at, link)| ChainCertificate { name: chain::name(kind, at), link }).collect(),
            }
        };
        let both = [("ecc", identity.ecc()), ("rsa", identity.rsa())];
        Self(both.into_iter().filter_map(|(kind, served)| Some(chain((kind, served?)))).collect())
    }

    fn own(&self) -> impl Iterator<Item = &ChainCertificate> {
        self.0.iter().flat_map(|chain| &chain.own)
    }

    fn links(&self) -> impl Iterator<Item = &IssuedCertificate> {
        self.own().filter_map(|own| own.link.as_ref())
    }
}

impl StapledChain {
    fn is_served(&self) -> bool {
        self.served_regardless || self.served.keeps_its_promise()
    }

    fn name(&self) -> &str {
        self.own.first().map_or("", |leaf| &leaf.name)
    }
}

impl StapleRefresher {
    /// A keeper of nothing yet.
    #[must_use]
    pub fn new(engine: Engine, clock: Clock) -> Self {
        Self(Arc::new(Inner { engine, clock, state: Mutex::default(), woken: Notify::new() }))
    }

    /// Staples what was kept on disk: a restart during an outage goes on as before.
    pub(in crate::tls) fn recall(&self, chains: &StapledChains) {
        let now = self.0.clock.now();
        for link in chains.links() {
            let has_responder = self.0.engine.has_responder(link);
            if let Some(kept) = self.state().shelf.get_mut(&link.identity()) {
                // The settings may be others than when it was last asked for.
                kept.course.reconsider(has_responder, now);
                continue;
            }
            let kept = self.recalled(link, has_responder, now);
            self.state().shelf.insert(link.identity(), kept);
        }
        self.staple(chains);
    }

    fn recalled(&self, link: &IssuedCertificate, has_responder: bool, now: Timestamp) -> CacheEntry {
        let engine = &self.0.engine;
        let staple = engine.load_staple(link);
        let fresh = staple.as_ref().filter(|staple| staple.is_fresh_at(now));
        if let Some(staple) = fresh.filter(|staple| staple.is_revoked()) {
            tell_revoked(link, staple);
        }
        let next = fresh.map_or(now, |staple| engine.staple_refresh_at(link, staple));
        let course = Schedule::from(has_responder.then_some(next));
        if has_responder {
            return CacheEntry { link: link.clone(), staple, course, problem: None };
        }
        tracing::warn!(
            subject = %link.certificate.subject,
            "a certificate of the platform names no OCSP responder by http, and none is configured for its issuer: \
             nothing can be stapled to it"
        );
        let problem = Some(AttemptError::NoResponder.to_string());
        CacheEntry { link: link.clone(), staple, course, problem }
    }

    /// Asks for what is missing of these chains, and waits for it, but no longer than `patience`. What comes later is
    /// stapled when it comes.
    pub(in crate::tls) async fn obtain(&self, chains: &StapledChains, patience: Duration) {
        let now = self.0.clock.now();
        let mut asked = JoinSet::new();
        for link in chains.links() {
            let missing = |kept: &mut CacheEntry| kept.fresh(now).is_none() && kept.course.begins(now);
            if self.state().shelf.get_mut(&link.identity()).is_some_and(missing) {
                // A task of its own: giving up waiting does not give up the question.
                let asking = tokio::spawn(self.clone().ask(link.clone()));
                asked.spawn(async { drop(asking.await) });
            }
        }
        let all = async { while asked.join_next().await.is_some() {} };
        let in_time = tokio::time::timeout(patience, all).await.is_ok();
        self.staple(chains);
        if !in_time {
            tracing::warn!(
                waited = ?patience,
                "not all OCSP responders of the platform's own certificates have answered: clients that insist on a \
                 staple refuse the platform until they do"
            );
        }
        for chain in chains.0.iter().filter(|chain| !chain.is_served()) {
            tell_withheld(chain);
        }
    }

    /// Keeps the staples of these chains, in place of those before.
    pub(in crate::tls) fn take_over(&self, chains: StapledChains) {
        let mut state = self.state();
        let names: HashSet<&str> = chains.own().map(|own| own.name.as_str()).collect();
        for own in state.chains.own().filter(|own| !names.contains(own.name.as_str())) {
            self.0.engine.remove_staple_gauge(&own.name);
        }
        drop(names);
        let wanted: HashSet<_> = chains.links().map(IssuedCertificate::identity).collect();
        state.shelf.retain(|identity, _| wanted.contains(identity));
        state.chains = chains.clone();
        drop(state);
        self.staple(&chains);
        self.0.woken.notify_one();
    }

    /// Renews and drops staples until `done`.
    pub async fn keep(self, done: CancellationToken) {
        loop {
            let chains = self.state().chains.clone();
            self.staple(&chains);
            let now = self.0.clock.now();
            let due: Vec<IssuedCertificate> = {
                let mut state = self.state();
                let due = state
                    .shelf
                    .values_mut()
                    .filter_map(|kept| kept.course.begins(now).then(|| kept.link.clone()));
                due.collect()
            };
            for link in due {
                tokio::spawn(self.clone().ask(link));
            }
            tokio::select! {
                () = done.cancelled() => return,
                () = self.0.woken.notified() => {}
                () = tokio::time::sleep(self.sleeps(now)) => {}
            }
        }
    }

    /// Until something expires or is to be asked for.
    fn sleeps(&self, now: Timestamp) -> Duration {
        let state = self.state();
        let ends = state.shelf.values().filter_map(|kept| kept.fresh(now).map(|staple| staple.expires));
        let wakes = state.shelf.values().filter_map(|kept| kept.course.wakes());
        let until = ends
            .chain(wakes)
            .min()
            .map_or(LONGEST_SLEEP, |next| Duration::try_from(next.duration_since(now)).unwrap_or_default());
        until.clamp(SHORTEST_SLEEP, LONGEST_SLEEP)
    }

    async fn ask(self, link: IssuedCertificate) {
        let (engine, about) = (self.0.engine.clone(), link.clone());
        // A task of its own: what breaks there must not leave the certificate without a next question.
        let answer = tokio::spawn(async move { engine.fetch_staple(&about).await }).await;
        let fault = |_| Err(vec![FailedAttempt { target: "OCSP".to_owned(), error: AttemptError::Fault }]);
        self.take(&link, answer.unwrap_or_else(fault)).await;
        let chains = self.state().chains.clone();
        self.staple(&chains);
        self.0.woken.notify_one();
    }

    async fn take(&self, link: &IssuedCertificate, answer: Result<Staple, Vec<FailedAttempt>>) {
        let engine = &self.0.engine;
        let now = self.0.clock.now();
        let (outcome, was_revoked, is_fresh) = {
            let mut state = self.state();
            // Not wanted any more.
            let Some(kept) = state.shelf.get_mut(&link.identity()) else { return };
            let was_revoked = kept.is_revoked();
            let outcome = kept.take(answer, |staple| engine.staple_refresh_at(link, staple), now);
            (outcome, was_revoked, kept.fresh(now).is_some())
        };
        let subject = &link.certificate.subject;
        match outcome {
            RefreshOutcome::Renewed(staple) => {
                engine.save_staple(link, &staple).await;
                tracing::debug!(%subject, expires = %staple.expires, "a staple is renewed");
                if staple.is_revoked() && !was_revoked {
                    tell_revoked(link, &staple);
                }
            }
            RefreshOutcome::Vain { why, told: true } if is_fresh => {
                tracing::warn!(%subject, why, "a staple cannot be renewed; the one at hand is served until it expires");
            }
            RefreshOutcome::Vain { why, told: true } => {
                tracing::warn!(
                    %subject,
                    why,
                    "there is no OCSP response for a certificate of the platform: clients that insist on one refuse \
                     the platform"
                );
            }
            RefreshOutcome::Vain { why, told: false } => {
                tracing::debug!(%subject, why, "a staple cannot be renewed");
            }
        }
    }

    /// Hands to each chain what is fresh now.
    fn staple(&self, chains: &StapledChains) {
        let now = self.0.clock.now();
        // Held to the end: of two that do this, the one that knows more publishes last.
        let state = self.state();
        for chain in chains.0.iter() {
            let fresh = |own: &ChainCertificate| {
                let kept = state.shelf.get(&own.link.as_ref()?.identity())?;
                kept.fresh(now)
            };
            for own in chain.own.iter().filter(|own| own.link.is_some()) {
                self.0.engine.set_staple_gauge(&own.name, fresh(own).map(|staple| staple.expires));
            }
            let places = chain.own.iter().map(|own| fresh(own).map(|staple| staple.der.clone())).collect();
            let staples = ChainStaples::new(places);
            let before = chain.served.staples();
            if *before == staples {
                continue;
            }
            for (own, (before, after)) in chain.own.iter().zip(before.places().iter().zip(staples.places())) {
                if before.is_some() && after.is_none() {
                    tracing::error!(
                        certificate = own.name,
                        "the OCSP response for a certificate of the platform has expired, and there is no newer one: \
                         clients that insist on one refuse the platform"
                    );
                }
            }
            let was_served = chain.is_served();
            chain.served.publish(staples);
            match (was_served, chain.is_served()) {
                (true, false) => tell_withheld(chain),
                (false, true) => {
                    tracing::info!(chain = chain.name(), "the certificate has the staple that it promises");
                }
                _ => {}
            }
        }
    }

    /// What is stapled, and what is missing.
    #[must_use]
    pub fn known(&self) -> Vec<KnownStaple> {
        let now = self.0.clock.now();
        let state = self.state();
        let mut known = Vec::new();
        for chain in state.chains.0.iter() {
            for own in &chain.own {
                let Some(link) = &own.link else { continue };
                let kept = state.shelf.get(&link.identity());
                let staple = kept.and_then(|kept| kept.fresh(now));
                known.push(KnownStaple {
                    certificate: own.name.clone(),
                    subject: link.certificate.subject.to_string(),
                    serial: link.certificate.serial.to_string(),
                    status: staple.map(Staple::status),
                    this_update: staple.map(|staple| staple.this_update.to_string()),
                    expires: staple.map(|staple| staple.expires.to_string()),
                    age_seconds: staple.map(|staple| now.duration_since(staple.this_update).as_secs()),
                    size: staple.map(|staple| staple.der.len()),
                    next_refresh: kept.and_then(|kept| kept.course.next()).map(|next| next.to_string()),
                    responder: staple.map(|staple| staple.responder.clone()),
                    url: staple.and_then(|staple| staple.url.clone()),
                    problem: kept.and_then(|kept| kept.problem.clone()),
                    must_staple: link.certificate.must_staple,
                    served: chain.is_served(),
                });
            }
        }
        known
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What clients get is the truth all the same: they can ask elsewhere, and would find a lie.
fn tell_revoked(link: &IssuedCertificate, staple: &Staple) {
    tracing::error!(
        subject = %link.certificate.subject,
        serial = %link.certificate.serial,
        responder = staple.responder,
        "a certificate of the platform has been REVOKED: clients that look at its staple refuse the platform until it \
         has another certificate"
    );
}

fn tell_withheld(chain: &StapledChain) {
    tracing::error!(
        chain = chain.name(),
        "the platform's certificate promises a staple (RFC 7633) and there is no fresh one: its chain is not served"
    );
}

#[cfg(test)]
mod tests;
