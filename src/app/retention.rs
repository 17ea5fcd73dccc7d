//! Removes messages and audit rows that are older than `[store]` allows.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use super::Platform;
use crate::audit_forwarder;
use crate::config::Retain;
use crate::model::explained;
use crate::store::Store;

/// The tables with a retention time.
#[derive(Clone, Copy)]
enum Table {
    Messages,
    Audit,
}

impl Platform {
    /// An alert on the increase of a counter does not see the event that creates it.
    pub(super) fn start_prune_counters_at_zero(&self) {
        for table in [Table::Messages, Table::Audit] {
            self.metrics.retention_pruned_total.with_label_values(&[table.label()]);
        }
    }

    /// Runs retention passes until `done` is cancelled.
    pub(super) async fn prune(&self, done: &CancellationToken) {
        loop {
            let (messages, audit) = {
                let store = &self.config.load().store;
                (store.retain_messages, store.retain_audit)
            };
            let tenths = [messages, audit].into_iter().filter_map(|retain| match retain {
                Retain::For(time) => Some(time / 10),
                Retain::Forever => None,
            });
            let pause = tenths.min().unwrap_or(MAX_PASS_INTERVAL).min(MAX_PASS_INTERVAL);
            let pass = async {
                self.prune_table(Table::Messages, messages).await;
                self.prune_table(Table::Audit, audit).await;
                tokio::time::sleep(pause).await;
            };
            tokio::select! {
                () = done.cancelled() => return,
                () = pass => {}
            }
        }
    }

    /// Removes rows batch by batch. The pause after a batch is as long as the batch took: senders have the
    /// store for at least half of the time.
    async fn prune_table(&self, table: Table, retain: Retain) {
        let Some(before) = self.cutoff(retain) else { return };
        loop {
            let started = self.clock.instant();
            let pruned = match table {
                Table::Messages => self.store.prune_messages(before).await,
                Table::Audit => {
                    // Rows that the Audit Record Repository has not received stay.
                    let received = audit_forwarder::received(&self.config.load(), self.store.node());
                    self.store.prune_audit(before, received, &*self.acceptor).await
                }
            };
            match pruned {
                Ok(rows) => {
                    self.metrics.retention_pruned_total.with_label_values(&[table.label()]).inc_by(rows);
                    let is_last = match table {
                        // A batch of messages that are expensive to delete is smaller.
                        Table::Messages => rows == 0,
                        Table::Audit => rows < u64::from(Store::PRUNED_AT_ONCE),
                    };
                    if is_last {
                        return;
                    }
                }
                Err(error) => {
                    let error = explained(&error);
                    tracing::warn!(
                        what = table.label(),
                        error,
                        "retention pass failed; will retry at the next pass"
                    );
                    return;
                }
            }
            let spent = self.clock.instant().saturating_duration_since(started);
            tokio::time::sleep(spent.max(MIN_BATCH_PAUSE)).await;
        }
    }

    /// Rows before this time are too old.
    fn cutoff(&self, retain: Retain) -> Option<Timestamp> {
        match retain {
            Retain::Forever => None,
            Retain::For(time) => self.clock.now().checked_sub(SignedDuration::try_from(time).ok()?).ok(),
        }
    }
}

impl Table {
    const fn label(self) -> &'static str {
        match self {
            Self::Messages => "messages",
            Self::Audit => "audit",
        }
    }
}

/// Longest time between two passes; a tenth of the shortest retention time if that is less.
const MAX_PASS_INTERVAL: Duration = Duration::from_mins(1);
/// Shortest pause between two batches.
const MIN_BATCH_PAUSE: Duration = Duration::from_millis(5);
