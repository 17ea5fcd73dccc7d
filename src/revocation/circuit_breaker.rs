//! Places that do not answer.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a responder that did not answer is passed over when a fresh CRL is at hand.
const PASSED_OVER: Duration = Duration::from_secs(15);
/// After so many failures in a row one asks at a time: handshakes that wait for somebody who does not answer would
/// hold the turns of devices whose responder does.
const IN_A_ROW: u32 = 16;
/// Places that are remembered at most.
const MOST: usize = 1024;

/// Responders that failed, by URL.
#[derive(Debug, Default)]
pub(super) struct CircuitBreakers(Mutex<HashMap<String, Failure>>);

#[derive(Debug)]
struct Failure {
    last: Instant,
    in_a_row: u32,
    is_probed: bool,
}

/// The right to ask a place; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Permit<'a> {
    failing: &'a CircuitBreakers,
    url: &'a str,
    is_probe: bool,
}

impl CircuitBreakers {
    /// Whether it has failed just now.
    pub(super) fn lately(&self, url: &str, now: Instant) -> bool {
        self.lock().get(url).is_some_and(|failure| now.saturating_duration_since(failure.last) < PASSED_OVER)
    }

    /// A pass, unless it has failed many times in a row and is being asked by another: so many times.
    pub(super) fn pass<'a>(&'a self, url: &'a str) -> Result<Permit<'a>, u32> {
        let mut failing = self.lock();
        let many = failing.get_mut(url).filter(|failure| failure.in_a_row >= IN_A_ROW);
        let is_probe = match many {
            Some(failure) if failure.is_probed => return Err(failure.in_a_row),
            Some(failure) => {
                failure.is_probed = true;
                true
            }
            None => false,
        };
        Ok(Permit { failing: self, url, is_probe })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Failure>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit<'_> {
    pub(super) fn failed(&self, now: Instant) {
        let mut failing = self.failing.lock();
        if failing.len() >= MOST && !failing.contains_key(self.url) {
            failing.retain(|_, failure| now.saturating_duration_since(failure.last) < PASSED_OVER);
            if failing.len() >= MOST {
                return;
            }
        }
        let failure = failing.entry(self.url.to_owned()).or_insert(Failure {
            last: now,
            in_a_row: 0,
            is_probed: false,
        });
        (failure.last, failure.in_a_row) = (now, failure.in_a_row.saturating_add(1));
    }

    pub(super) fn answered(&self) {
        self.failing.lock().remove(self.url);
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if self.is_probe
            && let Some(failure) = self.failing.lock().get_mut(self.url)
        {
            failure.is_probed = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::hours;
    use super::*;
    use crate::model::Clock;

    #[test]
    fn one_asks_at_a_time_who_fails_and_all_again_when_it_answers() {
        let clock = Clock::manual(hours(0));
        let (failing, url) = (CircuitBreakers::default(), "http://r");
        for _ in 0..IN_A_ROW {
            failing.pass(url).unwrap().failed(clock.instant());
        }
        assert!(failing.lately(url, clock.instant()));
        let probe = failing.pass(url).unwrap();
        assert_eq!(failing.pass(url).unwrap_err(), IN_A_ROW);
        assert!(failing.pass("http://other").is_ok());
        drop(probe);
        let probe = failing.pass(url).unwrap();
        probe.answered();
        let (_one, _two) = (failing.pass(url).unwrap(), failing.pass(url).unwrap());
        assert!(!failing.lately(url, clock.instant()));
    }

    #[test]
    fn a_failure_is_forgotten_in_time_and_nobody_fills_the_memory() {
        let clock = Clock::manual(hours(0));
        let failing = CircuitBreakers::default();
        for number in 0..3 * MOST {
            let url = format!("http://r/{number}");
            failing.pass(&url).unwrap().failed(clock.instant());
        }
        assert_eq!(failing.lock().len(), MOST);
        clock.advance(PASSED_OVER);
        assert!(!failing.lately("http://r/0", clock.instant()));
        failing.pass("http://new").unwrap().failed(clock.instant());
        assert_eq!(failing.lock().len(), 1);
    }
}
