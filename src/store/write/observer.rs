//! Reports the commits of a writer to the metrics.

use std::time::Instant;

use crate::audit::Event;
use crate::metrics::Metrics;
use crate::model::Clock;
use crate::store::write::batch::Committed;
use crate::store::write::entry::Entry;

/// Where a writer reports its commits.
#[derive(Debug)]
pub(super) struct Observer {
    metrics: Metrics,
    pub(super) clock: Clock,
}

impl Observer {
    pub(super) fn new(metrics: Metrics, clock: Clock) -> Self {
        // An alert on the increase of a counter does not see the event that creates it.
        for name in Event::NAMES {
            metrics.audit_events_total.with_label_values(&[name]);
        }
        Self { metrics, clock }
    }

    /// A batch whose commit began at `begin`, and what was committed of it.
    pub(super) fn observe(&self, entries: &[Entry], begin: Instant, committed: Option<&Committed>) {
        let Self { metrics, clock } = self;
        let spent = clock.instant().saturating_duration_since(begin);
        metrics.store_commit_duration_seconds.observe(spent.as_secs_f64());
        let messages = entries.iter().filter(|entry| entry.incoming().is_some()).count();
        if messages > 0 {
            metrics.store_batch_messages.observe(messages as f64);
        }
        let outcomes = committed.map(|committed| committed.outcomes.as_slice()).unwrap_or_default();
        for (entry, outcome) in entries.iter().zip(outcomes) {
            let names = outcome.as_ref().map(|outcome| entry.audit_event_names(outcome));
            for name in names.unwrap_or_default() {
                metrics.audit_events_total.with_label_values(&[name]).inc();
            }
        }
    }
}
