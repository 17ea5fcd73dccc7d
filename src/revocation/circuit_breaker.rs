//! Circuit breakers for OCSP responders.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The failures of responders, by URL.
#[derive(Debug, Default)]
pub(super) struct CircuitBreakers(Mutex<HashMap<String, Failure>>);

#[derive(Debug)]
struct Failure {
    last: Instant,
    consecutive: u32,
    is_probed: bool,
}

/// The permission to send one request; released when dropped.
#[derive(Debug)]
pub(super) struct Permit<'a> {
    breakers: &'a CircuitBreakers,
    url: &'a str,
    is_probe: bool,
}

impl CircuitBreakers {
    /// Whether a request has failed within [`RECENT_FAILURE_WINDOW`].
    pub(super) fn failed_recently(&self, url: &str, now: Instant) -> bool {
        self.lock()
            .get(url)
            .is_some_and(|failure| now.saturating_duration_since(failure.last) < RECENT_FAILURE_WINDOW)
    }

    /// A permit. The error is the number of consecutive failures: the breaker is half-open and a probe is
    /// running.
    pub(super) fn acquire<'a>(&'a self, url: &'a str) -> Result<Permit<'a>, u32> {
        let mut breakers = self.lock();
        let half_open = breakers.get_mut(url).filter(|failure| failure.consecutive >= PROBE_THRESHOLD);
        let is_probe = match half_open {
            Some(failure) if failure.is_probed => return Err(failure.consecutive),
            Some(failure) => {
                failure.is_probed = true;
                true
            }
            None => false,
        };
        Ok(Permit { breakers: self, url, is_probe })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Failure>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit<'_> {
    pub(super) fn record_failure(&self, now: Instant) {
        let mut breakers = self.breakers.lock();
        if breakers.len() >= MAX_URLS && !breakers.contains_key(self.url) {
            breakers.retain(|_, failure| now.saturating_duration_since(failure.last) < RECENT_FAILURE_WINDOW);
            if breakers.len() >= MAX_URLS {
                return;
            }
        }
        let failure = breakers.entry(self.url.to_owned()).or_insert(Failure {
            last: now,
            consecutive: 0,
            is_probed: false,
        });
        (failure.last, failure.consecutive) = (now, failure.consecutive.saturating_add(1));
    }

    pub(super) fn record_success(&self) {
        self.breakers.lock().remove(self.url);
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if self.is_probe
            && let Some(failure) = self.breakers.lock().get_mut(self.url)
        {
            failure.is_probed = false;
        }
    }
}

/// How long a failed responder is skipped if a fresh CRL can answer.
const RECENT_FAILURE_WINDOW: Duration = Duration::from_secs(15);
/// After this many consecutive failures the breaker is half-open: one request at a time probes the responder.
/// Handshakes that wait for a dead responder would take the permits of devices whose responder answers.
const PROBE_THRESHOLD: u32 = 16;
/// The number of URLs whose failures are recorded.
const MAX_URLS: usize = 1024;

#[cfg(test)]
mod tests {
    use super::super::fixtures::hours;
    use super::*;
    use crate::model::Clock;

    #[test]
    fn a_half_open_breaker_admits_one_probe_and_closes_on_success() {
        let clock = Clock::manual(hours(0));
        let (breakers, url) = (CircuitBreakers::default(), "http://r");
        for _ in 0..PROBE_THRESHOLD {
            breakers.acquire(url).unwrap().record_failure(clock.instant());
        }
        assert!(breakers.failed_recently(url, clock.instant()));
        let probe = breakers.acquire(url).unwrap();
        assert_eq!(breakers.acquire(url).unwrap_err(), PROBE_THRESHOLD);
        assert!(breakers.acquire("http://other").is_ok());
        drop(probe);
        let probe = breakers.acquire(url).unwrap();
        probe.record_success();
        let (_one, _two) = (breakers.acquire(url).unwrap(), breakers.acquire(url).unwrap());
        assert!(!breakers.failed_recently(url, clock.instant()));
    }

    #[test]
    fn failures_expire_and_their_number_is_bounded() {
        let clock = Clock::manual(hours(0));
        let breakers = CircuitBreakers::default();
        for number in 0..3 * MAX_URLS {
            let url = format!("http://r/{number}");
            breakers.acquire(&url).unwrap().record_failure(clock.instant());
        }
        assert_eq!(breakers.lock().len(), MAX_URLS);
        clock.advance(RECENT_FAILURE_WINDOW);
        assert!(!breakers.failed_recently("http://r/0", clock.instant()));
        breakers.acquire("http://new").unwrap().record_failure(clock.instant());
        assert_eq!(breakers.lock().len(), 1);
    }
}
