//! Renewal in the background: an answer is replaced before it expires, so that a device that is known does not wait.

use std::collections::HashMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::engine::{Engine, Seen};
use super::lists::{Origin, Stored};
use super::settings::Place;
use crate::x509::CrlDistributionPoint;

/// A device that was not seen for so long is asked about again when it comes back.
const LATELY: Duration = Duration::from_hours(7 * 24);
/// Questions under way at once.
const AT_ONCE: usize = 16;
/// The first pause after a failure; each further one is twice as long, up to an hour.
const BACKOFF: SignedDuration = SignedDuration::from_secs(30);
const LONGEST_BACKOFF: SignedDuration = SignedDuration::from_hours(1);
/// An expired CRL is told of once in that time.
const REMINDER: SignedDuration = SignedDuration::from_hours(1);

/// What is renewed, by name: when it is tried next after a failure, and the pause after that.
type Failures = HashMap<String, (Timestamp, SignedDuration)>;

impl Engine {
    /// Renews what is at hand until `done`.
    pub async fn refresh(self, done: CancellationToken) {
        let interval = self.0.settings.load().refresh_interval;
        let mut ticks =
            tokio::time::interval((interval / 8).clamp(Duration::from_millis(100), Duration::from_secs(30)));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut failures = Failures::new();
        let mut told = HashMap::new();
        loop {
            tokio::select! {
                () = done.cancelled() => return,
                _ = ticks.tick() => {}
            }
            tokio::select! {
                () = done.cancelled() => return,
                () = self.renew(&mut failures) => {}
            }
            self.tell_of_expired(&mut told);
        }
    }

    /// When something fetched at `fetched_at` that counts until `expires` is to be renewed: at half of its life, or
    /// after the configured interval if that is sooner; spread by a tenth, so that a fleet does not ask at once.
    pub(super) fn due(&self, fetched_at: Timestamp, expires: Timestamp, identity: &[u8]) -> Timestamp {
        let interval =
            SignedDuration::try_from(self.0.settings.load().refresh_interval).unwrap_or(SignedDuration::MAX);
        let life = expires.duration_since(fetched_at).max(SignedDuration::ZERO) / 2;
        let wait = life.min(interval);
        let spread = i32::from(identity.first().copied().unwrap_or(0));
        fetched_at.saturating_add(wait - wait * spread / 2560).unwrap_or(Timestamp::MAX)
    }

    async fn renew(&self, failures: &mut Failures) {
        let now = self.0.clock.now();
        let mut work: JoinSet<(String, bool)> = JoinSet::new();
        for (identity, seen) in self.due_answers(now) {
            let name = format!("ocsp {}", super::disk::hexadecimal(&identity));
            if waits(failures, &name, now) {
                continue;
            }
            collect(&mut work, failures, now, AT_ONCE).await;
            let engine = self.clone();
            work.spawn(async move { (name, engine.ask_responder(&seen.link).await.is_ok()) });
        }
        for place in self.due_crls(now) {
            let name = format!("crl {}", place.url);
            if waits(failures, &name, now) {
                continue;
            }
            collect(&mut work, failures, now, AT_ONCE).await;
            let engine = self.clone();
            work.spawn(async move { (name, engine.fetch_crl(&place).await.is_ok()) });
        }
        collect(&mut work, failures, now, 0).await;
    }

    fn due_answers(&self, now: Timestamp) -> Vec<([u8; 32], Seen)> {
        let instant = self.0.clock.instant();
        let mut seen = self.seen();
        seen.retain(|_, seen| instant.saturating_duration_since(seen.last) < LATELY);
        let due = seen.iter().filter(|(identity, _)| {
            self.0.answers.get(identity).is_some_and(|kept| {
                self.due(kept.fetched_at, kept.answer.expires, identity.as_slice()) <= now
            })
        });
        due.map(|(identity, seen)| (*identity, seen.clone())).collect()
    }

    /// A9.1: the URL is the CRL's own, else where its deltas are said to be, else that of certificates of its issuer,
    /// else the configured one.
    fn due_crls(&self, now: Timestamp) -> Vec<Place> {
        let mut places: Vec<Place> = Vec::new();
        let newest = |stored: &Stored, all: &[std::sync::Arc<Stored>]| {
            !all.iter().any(|other| {
                other.crl.issuer == stored.crl.issuer
                    && other.crl.scope == stored.crl.scope
                    && other.crl.base.is_some() == stored.crl.base.is_some()
                    && other.crl.this_update > stored.crl.this_update
            })
        };
        let all = self.0.lists.all();
        for stored in all.iter().filter(|stored| newest(stored, &all)) {
            let crl = &stored.crl;
            if now < self.due(crl.this_update, crl.next_update, &[]) {
                continue;
            }
            if let Some(place) = self.place_of(stored)
                && !places.contains(&place)
            {
                places.push(place);
            }
        }
        places
    }

    fn place_of(&self, stored: &Stored) -> Option<Place> {
        let settings = self.0.settings.load();
        if let Some(place) = settings.configured_crl(&stored.crl.issuer) {
            return Some(place);
        }
        let http = |url: &&str| url.starts_with("http://");
        let found = |url: &str| Some(Place { url: url.to_owned(), configured: false });
        let mut own = stored.crl.scope.name.iter().flat_map(|name| name.urls());
        if let Some(url) = own.find(|url| http(url)) {
            return found(url);
        }
        if let Origin::Fetched(url) = &stored.origin {
            return found(url);
        }
        let is_delta = stored.crl.base.is_some();
        let seen = self.seen();
        let links = seen.values().filter(|seen| seen.link.issuer.name == stored.crl.issuer);
        let points: Vec<CrlDistributionPoint> = links
            .flat_map(|seen| {
                let certificate = &seen.link.certificate;
                if is_delta {
                    certificate.freshest_crl.clone()
                } else {
                    certificate.crl_distribution_points.clone()
                }
            })
            .filter(|point| point.issuers.is_empty() && point.reasons.is_none())
            .collect();
        drop(seen);
        points.iter().flat_map(CrlDistributionPoint::urls).find(http).and_then(found)
    }

    /// An expired CRL that refuses everybody says so in one clear line that names it.
    fn tell_of_expired(&self, told: &mut HashMap<Origin, Timestamp>) {
        let now = self.0.clock.now();
        let all = self.0.lists.all();
        for stored in &all {
            let replaced = all.iter().any(|other| {
                other.crl.issuer == stored.crl.issuer
                    && other.crl.scope == stored.crl.scope
                    && other.crl.next_update > stored.crl.next_update
            });
            let before = told.get(&stored.origin);
            let again = before.is_none_or(|before| now.duration_since(*before) >= REMINDER);
            if stored.crl.next_update < now && !replaced && again {
                told.insert(stored.origin.clone(), now);
                tracing::error!(
                    issuer = super::issuer_text(&stored.crl.issuer),
                    crl = stored.origin.name(),
                    expired = %stored.crl.next_update,
                    "a CRL has expired: certificates of this issuer are refused unless OCSP answers for them"
                );
            }
        }
    }
}

fn waits(failures: &Failures, name: &str, now: Timestamp) -> bool {
    failures.get(name).is_some_and(|(next, _)| now < *next)
}

/// Waits until at most `leave` are under way, and notes what failed.
async fn collect(work: &mut JoinSet<(String, bool)>, failures: &mut Failures, now: Timestamp, leave: usize) {
    while work.len() > leave {
        let Some(Ok((name, done))) = work.join_next().await else { continue };
        if done {
            failures.remove(&name);
        } else {
            let pause = failures.get(&name).map_or(BACKOFF, |(_, pause)| (*pause * 2).min(LONGEST_BACKOFF));
            failures.insert(name, (now.saturating_add(pause).unwrap_or(Timestamp::MAX), pause));
        }
    }
}
