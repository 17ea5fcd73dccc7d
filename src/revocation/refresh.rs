//! Background refresh: responses and CRLs are replaced before they expire, so that known devices do not wait.

use std::collections::HashMap;
use std::future::Future;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::IssuedCertificate;
use super::bounded_map::Identity;
use super::crl::store::Origin;
use super::engine::Engine;
use crate::x509::ComparableName;

/// The next attempt and the current backoff of failed refreshes, by name.
#[derive(Debug, Default)]
struct Backoff(HashMap<String, (Timestamp, SignedDuration)>);

impl Engine {
    /// Refreshes responses and CRLs until `done` is cancelled, then flushes the disk.
    pub async fn refresh(self, done: CancellationToken) {
        // Separate loops: neither waits for the other.
        tokio::join!(self.refresh_responses(&done), self.refresh_crls(&done));
        // It fails only when the process ends.
        let _ = tokio::task::spawn_blocking(move || self.0.disk.flush()).await;
    }

    /// When something fetched at `fetched_at` and valid until `expires` is refreshed: at half of its life, or
    /// after the configured interval if that is sooner; with up to 10 % jitter, so that a fleet does not ask
    /// at once.
    pub(super) fn refresh_at(&self, fetched_at: Timestamp, expires: Timestamp, identity: &[u8]) -> Timestamp {
        let life = expires.duration_since(fetched_at).max(SignedDuration::ZERO) / 2;
        let wait = life.min(self.refresh_interval());
        let spread = i32::from(identity.first().copied().unwrap_or(0));
        fetched_at.saturating_add(wait - wait * spread / 2560).unwrap_or(Timestamp::MAX)
    }

    fn refresh_interval(&self) -> SignedDuration {
        SignedDuration::try_from(self.0.settings.load().refresh_interval).unwrap_or(SignedDuration::MAX)
    }

    async fn refresh_responses(&self, done: &CancellationToken) {
        let mut backoff = Backoff::default();
        while self.wait_for_next_round(done).await {
            let now = self.0.clock.now();
            let due = self.due_responses(now).into_iter();
            let work = due.map(|(identity, issued)| {
                let engine = self.clone();
                let name = crate::model::hexadecimal::encode(&identity);
                (name, async move { engine.query_responders(&issued).await.is_ok() })
            });
            tokio::select! {
                () = done.cancelled() => return,
                () = backoff.run(work, now, self.refresh_interval()) => {}
            }
        }
    }

    async fn refresh_crls(&self, done: &CancellationToken) {
        let mut backoff = Backoff::default();
        let mut reported = HashMap::new();
        while self.wait_for_next_round(done).await {
            let now = self.0.clock.now();
            let work = self.due_crls(now).into_iter().map(|due| {
                let engine = self.clone();
                (due.name(), async move { engine.renew_crl(&due).await })
            });
            tokio::select! {
                () = done.cancelled() => return,
                () = backoff.run(work, now, self.refresh_interval()) => {}
            }
            self.report_expired(&mut reported);
        }
    }

    /// Waits for the next round; false after cancellation.
    async fn wait_for_next_round(&self, done: &CancellationToken) -> bool {
        let interval = self.0.settings.load().refresh_interval;
        let pause = (interval / 8).clamp(Duration::from_millis(100), Duration::from_secs(30));
        tokio::select! {
            () = done.cancelled() => false,
            () = tokio::time::sleep(pause) => true,
        }
    }

    pub(super) fn due_responses(&self, now: Timestamp) -> Vec<(Identity, IssuedCertificate)> {
        let mut seen = self.0.recent.seen_since(self.0.clock.instant().checked_sub(RECENT_WINDOW));
        seen.retain(|(identity, issued)| {
            let kept = self.0.responses.get(identity);
            kept.is_some_and(|kept| self.refresh_at(kept.fetched_at, kept.response.expires, identity) <= now)
                // A failing responder is probed from time to time, not for each of its certificates.
                && !self.all_failed_recently(&self.0.settings.load().responders(issued))
        });
        seen
    }

    /// Logs each expired CRL by name: it refuses every certificate of its issuer.
    fn report_expired(&self, reported: &mut HashMap<(ComparableName, Origin), Timestamp>) {
        let now = self.0.clock.now();
        reported.retain(|_, before| now.duration_since(*before) < REPORT_INTERVAL);
        for stored in self.0.crls.current() {
            // A fetched CRL of an issuer without recent certificates affects no device.
            let matters = matches!(stored.origin, Origin::Installed(_))
                || !self.0.recent.issuers_named(&stored.crl.issuer).is_empty();
            // One URL may have delivered the CRLs of several issuers.
            let name = (stored.crl.issuer.clone(), stored.origin.clone());
            if stored.crl.next_update < now && matters && !reported.contains_key(&name) {
                reported.insert(name, now);
                tracing::error!(
                    issuer = super::issuer_text(stored.crl.issuer.as_der()),
                    crl = stored.origin.display_name(),
                    expired = %stored.crl.next_update,
                    "CRL has expired; certificates of this issuer are refused unless an OCSP responder confirms them"
                );
            }
        }
    }
}

impl Backoff {
    /// Runs the refreshes that are due, with bounded concurrency. A failed one is retried after `longest` at
    /// most.
    async fn run<F>(
        &mut self,
        work: impl Iterator<Item = (String, F)>,
        now: Timestamp,
        longest: SignedDuration,
    ) where
        F: Future<Output = bool> + Send + 'static,
    {
        // Entries that are no longer refreshed are dropped.
        let forgotten = |next: Timestamp| now.duration_since(next) > MAX_BACKOFF;
        self.0.retain(|_, (next, _)| !forgotten(*next));
        let mut running: JoinSet<(String, bool)> = JoinSet::new();
        for (name, question) in work {
            if self.0.get(&name).is_some_and(|(next, _)| now < *next) {
                continue;
            }
            self.wait_until_at_most(&mut running, now, longest, MAX_CONCURRENT_REFRESHES).await;
            running.spawn(async move { (name, question.await) });
        }
        self.wait_until_at_most(&mut running, now, longest, 0).await;
    }

    /// Waits until at most `leave` are running.
    async fn wait_until_at_most(
        &mut self,
        running: &mut JoinSet<(String, bool)>,
        now: Timestamp,
        longest: SignedDuration,
        leave: usize,
    ) {
        while running.len() > leave {
            let Some(Ok((name, done))) = running.join_next().await else { continue };
            if done {
                self.0.remove(&name);
            } else {
                let pause = self.0.get(&name).map_or(MIN_BACKOFF, |(_, pause)| *pause * 2);
                let pause = pause.min(MAX_BACKOFF).min(longest);
                self.0.insert(name, (now.saturating_add(pause).unwrap_or(Timestamp::MAX), pause));
            }
        }
    }
}

/// A device not seen for this long is checked again when it connects.
const RECENT_WINDOW: Duration = Duration::from_hours(7 * 24);
/// Questions under way at once.
const MAX_CONCURRENT_REFRESHES: usize = 16;
/// Exponential backoff, also bounded by the refresh interval: what is refreshed often has a short life, which
/// one failure must not outlast.
const MIN_BACKOFF: SignedDuration = SignedDuration::from_secs(30);
const MAX_BACKOFF: SignedDuration = SignedDuration::from_hours(1);
/// The interval between reports of one expired CRL.
const REPORT_INTERVAL: SignedDuration = SignedDuration::from_hours(1);

#[cfg(test)]
mod tests {
    use super::*;

    /// The number of attempts within these seconds, when each fails.
    async fn attempts_within(longest: SignedDuration, seconds: i64) -> usize {
        let mut backoff = Backoff::default();
        let (asked, count) = tokio::sync::mpsc::unbounded_channel();
        for second in 0..seconds {
            let now = super::super::fixtures::hours(0) + SignedDuration::from_secs(second);
            let asked = asked.clone();
            let work = async move { asked.send(()).is_err() };
            backoff.run(std::iter::once(("CRL".to_owned(), work)), now, longest).await;
        }
        count.len()
    }

    // A9.1: a CRL that lives for a minute and failed once must be retried before it expires.
    #[tokio::test]
    async fn a_failure_is_retried_within_the_refresh_interval() {
        assert_eq!(attempts_within(SignedDuration::from_secs(5), 60).await, 12);
        // 30 s, then doubled each time.
        assert_eq!(attempts_within(SignedDuration::from_hours(1), 30 + 60 + 120 + 1).await, 4);
    }
}
