//! Renewal in the background: an answer is replaced before it expires, so that a device that is known does not wait.

use std::collections::HashMap;
use std::future::Future;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::IssuedCertificate;
use super::bounded_map::Identity;
use super::crl::store::{Origin, StoredCrl};
use super::engine::Engine;
use super::settings::{Endpoint, is_http};

/// A device that was not seen for so long is asked about again when it comes back.
const LATELY: Duration = Duration::from_hours(7 * 24);
/// Questions under way at once.
const AT_ONCE: usize = 16;
/// The first pause after a failure; each further one is twice as long, up to an hour. None is longer than the refresh
/// interval: what is renewed often lasts a short time, and one failure must not outlast it.
const BACKOFF: SignedDuration = SignedDuration::from_secs(30);
const LONGEST_BACKOFF: SignedDuration = SignedDuration::from_hours(1);
/// An expired CRL is told of once in that time.
const REMINDER: SignedDuration = SignedDuration::from_hours(1);

/// What could not be renewed, by name: when it is tried next, and the pause after that.
#[derive(Debug, Default)]
struct Failures(HashMap<String, (Timestamp, SignedDuration)>);

impl Engine {
    /// Renews what is at hand until `done`, and then waits until all of it is on the disk.
    pub async fn refresh(self, done: CancellationToken) {
        // ResponseCache and CRLs wait for nobody of the other kind.
        tokio::join!(self.renew_answers(&done), self.renew_crls(&done));
        // It fails only when the process ends.
        let _ = tokio::task::spawn_blocking(move || self.0.disk.flush()).await;
    }

    /// When something fetched at `fetched_at` that counts until `expires` is to be renewed: at half of its life, or
    /// after the configured interval if that is sooner; spread by a tenth, so that a fleet does not ask at once.
    pub(super) fn due(&self, fetched_at: Timestamp, expires: Timestamp, identity: &[u8]) -> Timestamp {
        let life = expires.duration_since(fetched_at).max(SignedDuration::ZERO) / 2;
        let wait = life.min(self.interval());
        let spread = i32::from(identity.first().copied().unwrap_or(0));
        fetched_at.saturating_add(wait - wait * spread / 2560).unwrap_or(Timestamp::MAX)
    }

    fn interval(&self) -> SignedDuration {
        SignedDuration::try_from(self.0.settings.load().refresh_interval).unwrap_or(SignedDuration::MAX)
    }

    async fn renew_answers(&self, done: &CancellationToken) {
        let mut failures = Failures::default();
        while self.pause(done).await {
            let now = self.0.clock.now();
            let due = self.due_answers(now).into_iter();
            let work = due.map(|(identity, issued)| {
                let engine = self.clone();
                let name = super::disk::hexadecimal(&identity);
                (name, async move { engine.ask_responder(&issued).await.is_ok() })
            });
            tokio::select! {
                () = done.cancelled() => return,
                () = failures.work(work, now, self.interval()) => {}
            }
        }
    }

    async fn renew_crls(&self, done: &CancellationToken) {
        let mut failures = Failures::default();
        let mut told = HashMap::new();
        while self.pause(done).await {
            let now = self.0.clock.now();
            let work = self.due_crls(now).into_iter().map(|place| {
                let engine = self.clone();
                (place.url.clone(), async move { engine.fetch_crl(&place).await.is_ok() })
            });
            tokio::select! {
                () = done.cancelled() => return,
                () = failures.work(work, now, self.interval()) => {}
            }
            self.tell_of_expired(&mut told);
        }
    }

    /// Waits for the next round; false when there is none.
    async fn pause(&self, done: &CancellationToken) -> bool {
        let interval = self.0.settings.load().refresh_interval;
        let pause = (interval / 8).clamp(Duration::from_millis(100), Duration::from_secs(30));
        tokio::select! {
            () = done.cancelled() => false,
            () = tokio::time::sleep(pause) => true,
        }
    }

    pub(super) fn due_answers(&self, now: Timestamp) -> Vec<(Identity, IssuedCertificate)> {
        let mut seen = self.0.seen.since(self.0.clock.instant().checked_sub(LATELY));
        seen.retain(|(identity, issued)| {
            let kept = self.0.answers.get(identity);
            kept.is_some_and(|kept| self.due(kept.fetched_at, kept.answer.expires, identity) <= now)
                // Of a responder that does not answer one asks from time to time, not all for each of theirs.
                && !self.all_fail(&self.0.settings.load().responders(issued))
        });
        seen
    }

    /// A9.1: the CRLs that are to be fetched, and deltas that are named and not at hand.
    pub(super) fn due_crls(&self, now: Timestamp) -> Vec<Endpoint> {
        let current = self.0.lists.current();
        let due = current.iter().filter_map(|stored| {
            let place = self.place_of(stored)?;
            (self.crl_due(stored, &place) <= now).then_some(place)
        });
        let mut places: Vec<Endpoint> = Vec::new();
        let deltas = current.iter().filter(|stored| {
            stored.crl.base.is_none()
                && !current
                    .iter()
                    .any(|other| other.crl.base.is_some() && other.crl.issuer == stored.crl.issuer)
        });
        let deltas = deltas.flat_map(|stored| self.deltas_of(&stored.crl.issuer));
        for place in due.chain(deltas) {
            if !places.contains(&place) {
                places.push(place);
            }
        }
        places
    }

    /// When a CRL is to be fetched again.
    pub(super) fn crl_due(&self, stored: &StoredCrl, place: &Endpoint) -> Timestamp {
        let this_update = stored.crl.this_update;
        let fetched =
            self.0.lists.fetched(&place.url).map_or(this_update, |fetched| fetched.max(this_update));
        self.due(fetched, stored.crl.next_update, &super::CertIdHash::Sha256.digest(place.url.as_bytes()))
    }

    /// A9.1: the URL is the one that is configured, else the CRL's own, else that of certificates of its issuer.
    pub(super) fn place_of(&self, stored: &StoredCrl) -> Option<Endpoint> {
        let settings = self.0.settings.load();
        if let Some(place) = settings.configured_crl(&stored.crl.issuer) {
            return Some(place);
        }
        let found = |url: &str| Some(Endpoint { url: url.to_owned(), configured: false });
        let mut own = stored.crl.scope.name.iter().flat_map(|name| name.urls());
        if let Some(url) = own.find(|url| is_http(url)) {
            return found(url);
        }
        if let Origin::Fetched(url) = &stored.origin {
            return found(url);
        }
        self.0
            .seen
            .distribution_point(&stored.crl.issuer, stored.crl.base.is_some())
            .and_then(|url| found(&url))
    }

    /// An expired CRL that refuses everybody says so in one clear line that names it.
    fn tell_of_expired(&self, told: &mut HashMap<Origin, Timestamp>) {
        let now = self.0.clock.now();
        told.retain(|_, before| now.duration_since(*before) < REMINDER);
        for stored in self.0.lists.current() {
            // One of a CA that is long gone is nobody's concern.
            let matters = matches!(stored.origin, Origin::Installed(_))
                || !self.0.seen.issuers(&stored.crl.issuer).is_empty();
            if stored.crl.next_update < now && matters && !told.contains_key(&stored.origin) {
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

impl Failures {
    /// Does the work whose time has come, so much at once, and notes what failed: that is done again after `longest` at
    /// most.
    async fn work<F>(
        &mut self,
        work: impl Iterator<Item = (String, F)>,
        now: Timestamp,
        longest: SignedDuration,
    ) where
        F: Future<Output = bool> + Send + 'static,
    {
        // Of what nobody asks about any more nothing is remembered.
        let forgotten = |next: Timestamp| now.duration_since(next) > LONGEST_BACKOFF;
        self.0.retain(|_, (next, _)| !forgotten(*next));
        let mut under_way: JoinSet<(String, bool)> = JoinSet::new();
        for (name, question) in work {
            if self.0.get(&name).is_some_and(|(next, _)| now < *next) {
                continue;
            }
            self.collect(&mut under_way, now, longest, AT_ONCE).await;
            under_way.spawn(async move { (name, question.await) });
        }
        self.collect(&mut under_way, now, longest, 0).await;
    }

    /// Waits until at most `leave` are under way.
    async fn collect(
        &mut self,
        under_way: &mut JoinSet<(String, bool)>,
        now: Timestamp,
        longest: SignedDuration,
        leave: usize,
    ) {
        while under_way.len() > leave {
            let Some(Ok((name, done))) = under_way.join_next().await else { continue };
            if done {
                self.0.remove(&name);
            } else {
                let pause = self.0.get(&name).map_or(BACKOFF, |(_, pause)| *pause * 2);
                let pause = pause.min(LONGEST_BACKOFF).min(longest);
                self.0.insert(name, (now.saturating_add(pause).unwrap_or(Timestamp::MAX), pause));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of these seconds a thing is tried in that fails each time.
    async fn tried(longest: SignedDuration, seconds: i64) -> usize {
        let mut failures = Failures::default();
        let (asked, count) = tokio::sync::mpsc::unbounded_channel();
        for second in 0..seconds {
            let now = super::super::fixtures::hours(0) + SignedDuration::from_secs(second);
            let asked = asked.clone();
            let work = async move { asked.send(()).is_err() };
            failures.work(std::iter::once(("CRL".to_owned(), work)), now, longest).await;
        }
        count.len()
    }

    // A9.1: a CRL that lasts a minute and failed once must not run out before it is tried again.
    #[tokio::test]
    async fn a_failure_is_tried_again_within_the_refresh_interval() {
        assert_eq!(tried(SignedDuration::from_secs(5), 60).await, 12);
        // 30 s, then twice as long each time.
        assert_eq!(tried(SignedDuration::from_hours(1), 30 + 60 + 120 + 1).await, 4);
    }
}
