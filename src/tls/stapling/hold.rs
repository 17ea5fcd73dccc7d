//! A renewed chain that has no staples yet: the previous chain is served meanwhile.
//!
//! The responder of a CA may learn of a new certificate minutes after its issue. Until then it answers
//! "unknown" or "unauthorized", and clients that require a staple would refuse the platform.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::cache::{CacheEntry, StapleCache};
use super::chain::{ChainCertificate, StapledChain, StapledChains};
use crate::revocation::IssuedCertificate;

/// A chain that is served in place of its successor.
#[derive(Debug)]
pub(super) struct HeldChain {
    previous: Arc<StapledChain>,
    renewed: Arc<StapledChain>,
    until: Timestamp,
    /// Time between two queries for the staples of the renewed chain.
    retry_delay: SignedDuration,
}

/// Why the renewed chain is served from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HoldEnd {
    /// It has the staples that the previous chain has.
    Stapled,
    /// A certificate of the previous chain is revoked.
    PreviousRevoked,
    /// `stapling.wait` has passed, or the previous chain has expired.
    TimedOut,
}

impl HeldChain {
    /// Which chains of `current` stay served in place of their successors in `renewed`, until this time at
    /// most. A hold of `earlier` that goes on keeps its end.
    pub(super) fn decide(
        earlier: &[Self],
        current: &StapledChains,
        renewed: &StapledChains,
        cache: &StapleCache,
        (now, until): (Timestamp, Timestamp),
    ) -> Vec<Self> {
        let hold = |renewed: &Arc<StapledChain>| {
            let replaced = current.iter().find(|chain| chain.name() == renewed.name())?;
            let earlier = earlier.iter().find(|held| Arc::ptr_eq(&held.renewed, replaced));
            let previous = earlier.map_or(replaced, |held| &held.previous);
            if has_same_certificates(previous, renewed) {
                return None;
            }
            let goes_on = earlier.filter(|held| has_same_certificates(&held.renewed, renewed));
            let until = goes_on.map_or(until, |held| held.until);
            let held = Self::new(Arc::clone(previous), Arc::clone(renewed), now, until);
            held.end(cache, now).is_none().then_some(held)
        };
        renewed.iter().filter_map(hold).collect()
    }

    fn new(
        previous: Arc<StapledChain>,
        renewed: Arc<StapledChain>,
        now: Timestamp,
        until: Timestamp,
    ) -> Self {
        let ends = previous.issued().map(|issued| issued.certificate.not_after);
        let until = ends.chain([until]).min().unwrap_or(until);
        let retry_delay = (until.duration_since(now) / RETRIES).clamp(MIN_RETRY_DELAY, MAX_RETRY_DELAY);
        Self { previous, renewed, until, retry_delay }
    }

    /// Starts to serve the previous chain. Its responders are queried at once: it may be revoked since.
    pub(super) fn start(&self, cache: &mut StapleCache, now: Timestamp) {
        for issued in self.previous.issued() {
            if let Some(entry) = cache.get_mut(&issued.identity()) {
                entry.schedule.expedite(now);
            }
        }
        for issued in self.renewed.issued() {
            if let Some(entry) = cache.get_mut(&issued.identity()).filter(|entry| entry.fresh(now).is_none())
            {
                self.expedite(entry, now);
            }
        }
        self.renewed.served.set_predecessor(Some(Arc::clone(&self.previous.served)));
        tracing::warn!(
            chain = self.renewed.name(),
            until = %self.until,
            "the renewed certificate chain has no OCSP responses yet; the previous chain is served until it has \
             them, or until stapling.wait has passed"
        );
    }

    /// Serves the renewed chain from now on.
    pub(super) fn release(&self, end: HoldEnd) {
        self.renewed.served.set_predecessor(None);
        let chain = self.renewed.name();
        match end {
            HoldEnd::Stapled => tracing::info!(chain, "the renewed certificate chain is served"),
            HoldEnd::PreviousRevoked => tracing::error!(
                chain,
                "the previous certificate chain is revoked; the renewed one is served without OCSP responses, \
                 and clients that require one refuse the platform"
            ),
            HoldEnd::TimedOut => tracing::error!(
                chain,
                "the renewed certificate chain has no OCSP responses within stapling.wait; it is served without \
                 them, and clients that require one refuse the platform"
            ),
        }
    }

    /// Whether, and why, the renewed chain has to be served.
    pub(super) fn end(&self, cache: &StapleCache, now: Timestamp) -> Option<HoldEnd> {
        let entry = |certificate: &ChainCertificate| cache.get(&certificate.issued.as_ref()?.identity());
        let is_fresh = |certificate: &ChainCertificate| {
            entry(certificate).is_some_and(|entry| entry.fresh(now).is_some())
        };
        if self.previous.certificates.iter().filter_map(entry).any(CacheEntry::is_revoked) {
            return Some(HoldEnd::PreviousRevoked);
        }
        let can_get_staple = |certificate: &ChainCertificate| {
            entry(certificate).is_some_and(|entry| entry.schedule.next().is_some())
        };
        let mut pairs = self.previous.certificates.iter().zip(&self.renewed.certificates);
        let lacks_staple = pairs
            .any(|(previous, renewed)| is_fresh(previous) && !is_fresh(renewed) && can_get_staple(renewed));
        if !lacks_staple {
            return Some(HoldEnd::Stapled);
        }
        (self.until <= now).then_some(HoldEnd::TimedOut)
    }

    /// Brings the next query for a certificate of the renewed chain forward.
    pub(super) fn expedite(&self, entry: &mut CacheEntry, now: Timestamp) {
        entry.schedule.expedite(now.saturating_add(self.retry_delay).unwrap_or(Timestamp::MAX));
    }

    pub(super) const fn previous(&self) -> &Arc<StapledChain> {
        &self.previous
    }

    /// When it ends at the latest.
    pub(super) const fn until(&self) -> Timestamp {
        self.until
    }

    /// Whether this is a certificate of the renewed chain.
    pub(super) fn waits_for(&self, issued: &IssuedCertificate) -> bool {
        self.renewed.issued().any(|own| own.identity() == issued.identity())
    }
}

fn has_same_certificates(one: &StapledChain, other: &StapledChain) -> bool {
    one.served.key().cert == other.served.key().cert
}

/// How many times the responders are queried within the whole time, about.
const RETRIES: i32 = 10;
const MIN_RETRY_DELAY: SignedDuration = SignedDuration::from_millis(500);
const MAX_RETRY_DELAY: SignedDuration = SignedDuration::from_secs(30);
