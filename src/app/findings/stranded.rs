//! What waits for the platform of a gateway on nodes that are gone.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::super::Platform;
use crate::finding::facts::ForwardStranded;
use crate::finding::{Finding, Severity, Subject};
use crate::model::NodeName;
use crate::store::StrandedForwards;

/// Nodes without a process, as they were last read.
#[derive(Debug, Default)]
pub(super) struct Stranded {
    known: Vec<StrandedForwards>,
    /// Since when each is without a process.
    since: BTreeMap<NodeName, Instant>,
    read: Option<Instant>,
}

impl Stranded {
    /// What waits on nodes that have not run for a while: a restart takes seconds.
    pub(super) async fn look(&mut self, platform: &Platform) -> Option<Finding> {
        let now = platform.clock.instant();
        let is_due = |read: Instant| now.saturating_duration_since(read) >= READ_INTERVAL;
        // A store that does not answer is a finding of its own.
        if self.read.is_none_or(is_due)
            && let Ok(stranded) = platform.store.stranded_forwards().await
        {
            self.read = Some(now);
            self.note(stranded, now);
        }
        let found = self.found(now, platform.store.believed_now());
        let messages = found.as_ref().map_or(0, |(facts, _)| facts.messages);
        platform.metrics.gateway.stranded.set(i64::try_from(messages).unwrap_or(i64::MAX));
        let (facts, oldest) = found?;
        let severity = if facts.alarms > 0 { Severity::Urgent } else { Severity::Attention };
        let finding = Finding::new(Subject::Platform, facts).with_severity(severity);
        Some(match oldest {
            Some(oldest) => finding.since(oldest),
            None => finding,
        })
    }

    fn note(&mut self, stranded: Vec<StrandedForwards>, now: Instant) {
        self.since.retain(|node, _| stranded.iter().any(|one| one.node == *node));
        for one in &stranded {
            self.since.entry(one.node.clone()).or_insert(now);
        }
        self.known = stranded;
    }

    /// The facts, and since when the oldest message waits.
    fn found(&self, now: Instant, time: Timestamp) -> Option<(ForwardStranded, Option<Timestamp>)> {
        let is_gone = |one: &&StrandedForwards| {
            self.since.get(&one.node).is_some_and(|since| now.saturating_duration_since(*since) >= GONE_AFTER)
        };
        let gone: Vec<_> = self.known.iter().filter(is_gone).collect();
        let sum = |part: fn(&StrandedForwards) -> u64| gone.iter().map(|one| part(one)).sum::<u64>();
        let oldest = gone.iter().filter_map(|one| one.oldest).min().map(|id| id.time());
        let age = oldest.map(|oldest| time.duration_since(oldest).as_secs()).unwrap_or_default();
        let facts = ForwardStranded {
            nodes: gone.iter().take(MAX_NAMED).map(|one| one.node.to_string()).collect(),
            messages: sum(|one| one.messages),
            alarms: sum(|one| one.alarms),
            orders: sum(|one| one.orders),
            seconds: u64::try_from(age).unwrap_or_default(),
        };
        (!gone.is_empty()).then_some((facts, oldest))
    }
}

/// How often the store is asked.
const READ_INTERVAL: Duration = Duration::from_secs(10);
/// How long a node is without a process before that is a finding.
const GONE_AFTER: Duration = Duration::from_mins(1);
/// Nodes that are named.
const MAX_NAMED: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Clock;

    #[test]
    fn a_node_that_is_gone_for_a_minute_is_found_and_one_that_restarts_is_not() {
        let (clock, mut stranded) = (Clock::system(), Stranded::default());
        let (began, time) = (clock.instant(), clock.now());
        let of = |node: &str, alarms| StrandedForwards {
            node: node.parse().unwrap(),
            messages: 3,
            alarms,
            orders: 1,
            oldest: None,
        };
        stranded.note(vec![of("gone", 2), of("restarts", 0)], began);
        assert_eq!(stranded.found(began, time), None);
        stranded.note(vec![of("gone", 2)], began + GONE_AFTER / 2);
        stranded.note(vec![of("gone", 2), of("restarts", 0)], began + GONE_AFTER);
        let (facts, _) = stranded.found(began + GONE_AFTER, time).unwrap();
        assert_eq!(facts.nodes, ["gone"]);
        assert_eq!((facts.messages, facts.alarms, facts.orders), (3, 2, 1));
    }
}
