//! Entries that wait until another node ends its transaction.
//!
//! Clients, tokens and notifications are written by one node at a time
//! ([`Connection::exclude_other_nodes`]). Where another node has stopped within such a transaction, the
//! server ends it after some seconds. Until then these entries wait here, and are tried again between the
//! batches of devices, which go on.
//!
//! [`Connection::exclude_other_nodes`]: super::connection::Connection::exclude_other_nodes

use std::time::{Duration, Instant};

/// The entries that wait, with their jobs, in the order of their arrival.
#[derive(Debug)]
pub(super) struct Deferred<J> {
    waiting: Vec<J>,
    /// While another node keeps this one from writing: since when, and when it is tried again.
    contended: Option<(Instant, Instant)>,
}

impl<J> Deferred<J> {
    pub(super) const fn new() -> Self {
        Self { waiting: Vec::new(), contended: None }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Adds the jobs, and takes the first of them if it is time to try: as many as a transaction may have
    /// beside the messages of devices.
    pub(super) fn take_with(&mut self, mut jobs: Vec<J>, now: Instant) -> Vec<J> {
        self.waiting.append(&mut jobs);
        match self.contended {
            Some((_, next)) if now < next => Vec::new(),
            _ => self.waiting.drain(..self.waiting.len().min(MAX_AT_ONCE)).collect(),
        }
    }

    /// They were written, or failed for another reason.
    pub(super) const fn is_over(&mut self) {
        self.contended = None;
    }

    /// They could not be written yet. Returns those that wait no longer.
    pub(super) fn put_back(&mut self, mut jobs: Vec<J>, now: Instant) -> Vec<J> {
        let since = self.contended.map_or(now, |(since, _)| since);
        self.contended = Some((since, now + RETRIED_AFTER));
        jobs.append(&mut self.waiting);
        let kept = if now.duration_since(since) < MAX_WAIT { MAX_DEFERRED } else { 0 };
        let refused = jobs.split_off(jobs.len().min(kept));
        self.waiting = jobs;
        if self.waiting.is_empty() {
            self.contended = None;
        }
        refused
    }

    /// Resolves when it is time to try.
    pub(super) async fn due(&self) {
        if let Some((_, next)) = self.contended {
            tokio::time::sleep_until(next.into()).await;
        }
    }
}

/// Devices have the writer for at least half of the time.
const RETRIED_AFTER: Duration = Duration::from_millis(250);
/// Longer than a server lets a node that has stopped keep the others waiting.
const MAX_WAIT: Duration = Duration::from_secs(10);
/// Entries that wait here.
const MAX_DEFERRED: usize = 1024;
/// Entries of one transaction.
const MAX_AT_ONCE: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Clock;

    #[test]
    fn what_waits_for_another_node_is_tried_again_and_then_refused() {
        let (mut deferred, now) = (Deferred::new(), Clock::system().instant());
        assert_eq!(deferred.take_with(vec![1, 2], now), [1, 2], "at once");
        assert!(deferred.put_back(vec![1, 2], now).is_empty());
        assert!(deferred.take_with(vec![3], now).is_empty(), "not yet");
        let now = now + RETRIED_AFTER;
        assert_eq!(deferred.take_with(Vec::new(), now), [1, 2, 3], "in the order of arrival");
        let now = now + MAX_WAIT;
        assert_eq!(deferred.put_back(vec![1, 2, 3], now), [1, 2, 3], "for too long");
        assert!(deferred.is_empty());
        assert_eq!(deferred.take_with(vec![4], now), [4], "the time begins again");
        assert!(deferred.put_back(vec![4], now).is_empty());
        let now = now + RETRIED_AFTER;
        let many = deferred.take_with((5..MAX_DEFERRED + 10).collect(), now);
        assert_eq!(many, (4..4 + MAX_AT_ONCE).collect::<Vec<_>>(), "a part, and the first ones");
        let refused = deferred.put_back(many, now);
        assert_eq!(refused, (MAX_DEFERRED + 4..MAX_DEFERRED + 10).collect::<Vec<_>>(), "as many as may wait");
        let many = deferred.take_with(Vec::new(), now + RETRIED_AFTER);
        assert_eq!(many.first(), Some(&4), "in the order of arrival");
        deferred.is_over();
        assert_eq!(deferred.take_with(Vec::new(), now).len(), MAX_AT_ONCE, "the next ones at once");
    }
}
