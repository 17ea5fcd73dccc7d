//! What operators see of a gateway: whether the platform is reached, and what waits for it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};

use crate::interface_a::Relay;
use crate::metrics::Metrics;
use crate::store::ForwardBacklog;

/// The state of the connections to the platform. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Status(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    /// The open connections, by their number.
    open: BTreeMap<usize, Timestamp>,
    /// Since when there is none of use, and why the last attempt failed. A connection is of use when a
    /// message was acknowledged on it, or after a while: in TLS 1.3 a gateway is refused after the handshake.
    away: Option<Away>,
    backlog: ForwardBacklog,
}

/// That the platform cannot be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Away {
    /// Since when no connection is open.
    pub since: Timestamp,
    /// Why the last attempt failed.
    pub why: String,
}

/// What is known of the connections to the platform, and of the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uplinks {
    /// The number of open connections.
    pub open: usize,
    /// That there is none.
    pub away: Option<Away>,
    /// What waits for the platform.
    pub backlog: ForwardBacklog,
}

impl Status {
    /// The state now.
    #[must_use]
    pub fn look(&self) -> Uplinks {
        let known = self.known();
        Uplinks { open: known.open.len(), away: known.away.clone(), backlog: known.backlog }
    }

    pub(super) fn opened(&self, number: usize, now: Timestamp, relay: &Relay, metrics: &Metrics) {
        let mut known = self.known();
        known.open.entry(number).or_insert(now);
        relay.set_connected(true);
        metrics.gateway.connections.set(count(known.open.len()));
    }

    /// The connection has ended, or was not made.
    pub(super) fn closed(&self, number: usize, relay: &Relay, metrics: &Metrics) {
        let mut known = self.known();
        known.open.remove(&number);
        relay.set_connected(!known.open.is_empty());
        metrics.gateway.connections.set(count(known.open.len()));
    }

    /// The platform has acknowledged a message.
    pub(super) fn answered(&self) {
        self.known().away = None;
    }

    /// An attempt has failed, or a connection was lost.
    pub(super) fn failed(&self, why: String, now: Timestamp) {
        let mut known = self.known();
        if known.open.is_empty() {
            let since = known.away.as_ref().map_or(now, |away| away.since);
            known.away = Some(Away { since, why });
        }
    }

    pub(super) fn publish(&self, backlog: ForwardBacklog, now: Timestamp, metrics: &Metrics) {
        let outage = {
            let mut known = self.known();
            known.backlog = backlog;
            if known.open.values().any(|since| now.duration_since(*since) >= OF_USE) {
                known.away = None;
            }
            known.away.as_ref().map_or(0, |away| now.duration_since(away.since).as_secs())
        };
        metrics.gateway.outage_seconds.set(outage.max(0));
        metrics.gateway.waiting.set(i64::try_from(backlog.messages).unwrap_or(i64::MAX));
        let age = backlog.oldest.map_or(0, |oldest| now.duration_since(oldest.time()).as_secs());
        metrics.gateway.oldest_seconds.set(age.max(0));
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// When a connection on which nothing was refused counts as one of use.
const OF_USE: SignedDuration = SignedDuration::from_secs(5);

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_platform_that_refuses_after_the_handshake_is_away_since_the_first_refusal() {
        let (status, relay, metrics) = (Status::default(), Relay::default(), Metrics::new().unwrap());
        let at = |second| Timestamp::from_second(second).unwrap();
        let refuse = |second| {
            status.opened(0, at(second), &relay, &metrics);
            status.publish(ForwardBacklog::default(), at(second), &metrics);
            status.closed(0, &relay, &metrics);
            status.failed("revoked".to_owned(), at(second));
        };
        (1..=3).for_each(refuse);
        assert_eq!(status.look().away.map(|away| away.since), Some(at(1)));
        status.opened(0, at(4), &relay, &metrics);
        assert!(status.look().away.is_some(), "nothing was acknowledged yet");
        status.publish(ForwardBacklog::default(), at(9), &metrics);
        assert_eq!(status.look().away, None, "it lasts");
        status.closed(0, &relay, &metrics);
        status.failed("cut".to_owned(), at(20));
        status.opened(0, at(21), &relay, &metrics);
        status.answered();
        assert_eq!(status.look().away, None, "it acknowledges");
    }
}
