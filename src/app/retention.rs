//! Removes messages and audit rows that are older than `[store]` allows.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use super::Platform;
use super::clock::RetentionTime;
use super::retention_pace::{Allowance, Pace};
use super::retention_size::KINDS;
use super::size_watch::LimitedKind;
use crate::audit::MessageKind;
use crate::audit_forwarder;
use crate::config::{self, Retain};
use crate::model::explained;
use crate::store::{Store, StoreError, Volume};

/// The tables with a retention time.
#[derive(Clone, Copy)]
enum Table {
    /// Accepted messages, and settled orders.
    Messages,
    /// Rejected messages.
    Rejected,
    /// Large accepted messages, where they go sooner than others.
    Large,
    Audit,
}

impl Platform {
    /// An alert on the increase of a counter does not see the event that creates it.
    pub(super) fn start_prune_counters_at_zero(&self) {
        for table in TABLES {
            self.metrics.housekeeping.retention_pruned_total.with_label_values(&[table.label()]);
            self.metrics.housekeeping.retention_backlog_seconds.with_label_values(&[table.label()]);
        }
        for kind in KINDS {
            let metrics = &self.metrics.housekeeping;
            metrics.retention_by_size_total.with_label_values(&[kind.name()]);
            metrics.retention_size_bytes.with_label_values(&[kind.name()]);
            metrics.retention_size_limit_bytes.with_label_values(&[kind.name()]);
        }
    }

    /// A sender that repeats a message is acknowledged for a copy that stays long enough.
    pub(super) fn publish_retention_of_messages(&self) {
        let config = self.config.load();
        // Whatever kind of accepted message it is.
        let [accepted, _, large] = config.store.message_ages();
        let [accepted_size, _, large_size] = config.store.message_sizes();
        let by_size = accepted_size.or(large_size).map(|_| Volume::LEAST_AGE);
        let shortest = [accepted, large, by_size].into_iter().flatten().min();
        self.store.messages_stay(shortest.and_then(|time| Duration::try_from(time).ok()));
    }

    /// Runs retention passes until `done` is cancelled.
    pub(super) async fn prune(&self, done: &CancellationToken) {
        let mut paces = [Pace::starting(self.clock.instant()); TABLES.len()];
        let mut is_permitted = false;
        loop {
            let ages = {
                let store = &self.config.load().store;
                TABLES.map(|table| table.age(store))
            };
            self.publish_retention_of_messages();
            let tenths = ages.into_iter().filter_map(|retain| match retain {
                Retain::For(time) => Some(time / 10),
                Retain::Forever => None,
            });
            let pause = tenths.min().unwrap_or(MAX_PASS_INTERVAL).min(MAX_PASS_INTERVAL);
            let pass = async {
                self.pass(ages, &mut paces, &mut is_permitted).await;
                tokio::time::sleep(pause).await;
            };
            tokio::select! {
                () = done.cancelled() => return,
                () = pass => {}
            }
        }
    }

    async fn pass(
        &self,
        ages: [Retain; TABLES.len()],
        paces: &mut [Pace; TABLES.len()],
        is_permitted: &mut bool,
    ) {
        let time = match self.retention_time().await {
            Ok(time) => time,
            Err(error) => return warn("clock", &error),
        };
        // While the clock is not believed, nothing is old.
        let Some(time) = time else { return };
        // Once: what an earlier version removed, of both kinds by the age of messages.
        let [messages, ..] = ages;
        if let Some(cutoff) = cutoff(time.now, messages).filter(|_| !*is_permitted) {
            match self.store.permit_former_removals(cutoff, &*self.acceptor).await {
                Ok(()) => *is_permitted = true,
                Err(error) => warn(Table::Messages.label(), &error),
            }
        }
        if let Err(error) = self.measure_sizes(time.now).await {
            warn("sizes", &error);
        }
        if let Err(error) = self.take_release(time, ages, paces).await {
            warn("release", &error);
        }
        for ((table, retain), pace) in TABLES.into_iter().zip(ages).zip(paces) {
            let (by_age, limited) = (cutoff(time.now, retain), self.limited(table));
            let by_size = limited.as_ref().and_then(LimitedKind::cutoff);
            let Some(cutoff) = by_age.max(by_size) else { continue };
            let pass = async {
                let Some((oldest, before)) = self.before(table, cutoff, pace).await? else {
                    return Ok(());
                };
                // What has reached its age anyway is no removal by size.
                let limited = limited.filter(|_| by_age.is_none_or(|by_age| before > by_age));
                if let Some(limited) = &limited {
                    self.record_removal_by_size(limited, before).await?;
                }
                self.prune_table(table, oldest, before, limited.is_some(), time.now).await;
                Ok(())
            };
            if let Err(error) = pass.await {
                warn(table.label(), &error);
            }
        }
    }

    /// Takes what an operator released since the last pass, as far as it has reached its age by the present
    /// configuration. First it is taken out of the store: a process that starts later with another
    /// configuration would take it for more.
    async fn take_release(
        &self,
        time: RetentionTime,
        ages: [Retain; TABLES.len()],
        paces: &mut [Pace; TABLES.len()],
    ) -> Result<(), StoreError> {
        if time.release_before <= Timestamp::UNIX_EPOCH {
            return Ok(());
        }
        self.store.take_release(time.release_before).await?;
        for (retain, pace) in ages.into_iter().zip(paces) {
            if let Some(cutoff) = cutoff(time.now, retain) {
                pace.release(time.release_before, cutoff, self.clock.instant());
            }
        }
        Ok(())
    }

    /// What is known of the limit of the table by size.
    fn limited(&self, table: Table) -> Option<LimitedKind> {
        let kind = match table {
            Table::Messages => MessageKind::Accepted,
            Table::Rejected => MessageKind::Rejected,
            Table::Large => MessageKind::Large,
            Table::Audit => return None,
        };
        self.sizes.of(kind)
    }

    /// The time of the oldest row, and the time before which rows are removed by this pass; `None`: no row
    /// is.
    async fn before(
        &self,
        table: Table,
        cutoff: Timestamp,
        pace: &mut Pace,
    ) -> Result<Option<(Timestamp, Timestamp)>, StoreError> {
        let oldest = match table {
            Table::Messages => self.store.oldest_message_of(MessageKind::Accepted, cutoff).await?,
            Table::Rejected => self.store.oldest_message_of(MessageKind::Rejected, cutoff).await?,
            Table::Large => self.store.oldest_message_of(MessageKind::Large, cutoff).await?,
            Table::Audit => self.store.oldest_audit_row().await?.filter(|oldest| *oldest < cutoff),
        };
        let backlog = self.metrics.housekeeping.retention_backlog_seconds.with_label_values(&[table.label()]);
        let behind = oldest.map_or(0, |oldest| cutoff.duration_since(oldest).as_secs());
        // With what is spared: a gateway whose platform never comes back fills its disk.
        backlog.set(behind);
        let cutoff = self.spare_waiting(table, cutoff).await?;
        let Some(oldest) = oldest.filter(|oldest| *oldest < cutoff) else { return Ok(None) };
        match pace.allow(cutoff, oldest, self.clock.instant()) {
            Allowance::Before(before) => Ok(Some((oldest, before))),
            Allowance::Day(before) => {
                tracing::warn!(
                    code = "retention-backlog",
                    what = table.label(),
                    hours = behind / 3600,
                    "more than a day's worth has reached its age; one day's worth is removed every four \
                     hours; `store retention --force` releases what is older than `retain-messages`"
                );
                Ok(Some((oldest, before)))
            }
            Allowance::Wait => Ok(None),
        }
    }

    /// In a gateway nothing is removed that the platform has not acknowledged, nor what came later.
    async fn spare_waiting(&self, table: Table, cutoff: Timestamp) -> Result<Timestamp, StoreError> {
        match table {
            Table::Messages | Table::Large => {
                let oldest = self.store.oldest_forward().await?;
                Ok(oldest.map_or(cutoff, |oldest| cutoff.min(oldest.time())))
            }
            Table::Rejected | Table::Audit => Ok(cutoff),
        }
    }

    /// Removes rows batch by batch. The pause after a batch is as long as the batch took: senders have the
    /// store for at least half of the time.
    async fn prune_table(
        &self,
        table: Table,
        oldest: Timestamp,
        before: Timestamp,
        by_size: bool,
        now: Timestamp,
    ) {
        // Identifiers are more precise than the time of one.
        let from = oldest.checked_sub(SignedDuration::from_secs(1)).ok();
        while self.is_wanted(table, before, by_size, now) {
            let started = self.clock.instant();
            let pruned = match table {
                Table::Messages => {
                    self.store.prune_messages_of(MessageKind::Accepted, from, before, &*self.acceptor).await
                }
                Table::Rejected => {
                    self.store.prune_messages_of(MessageKind::Rejected, from, before, &*self.acceptor).await
                }
                Table::Large => {
                    self.store.prune_messages_of(MessageKind::Large, from, before, &*self.acceptor).await
                }
                Table::Audit => {
                    // Rows that the Audit Record Repository has not received stay.
                    let received = audit_forwarder::received(&self.config.load(), self.store.node());
                    self.store.prune_audit(before, received, &*self.acceptor).await
                }
            };
            match pruned {
                Ok(rows) => {
                    self.metrics
                        .housekeeping
                        .retention_pruned_total
                        .with_label_values(&[table.label()])
                        .inc_by(rows);
                    if by_size && let Some(LimitedKind { kind, .. }) = self.limited(table) {
                        let counter = &self.metrics.housekeeping.retention_by_size_total;
                        counter.with_label_values(&[kind.name()]).inc_by(rows);
                    }
                    let is_last = match table {
                        // A batch of messages that are expensive to delete is smaller.
                        Table::Messages | Table::Rejected | Table::Large => rows == 0,
                        Table::Audit => rows < u64::from(Store::PRUNED_AT_ONCE),
                    };
                    if is_last {
                        return;
                    }
                }
                Err(error) => return warn(table.label(), &error),
            }
            let spent = self.clock.instant().saturating_duration_since(started);
            tokio::time::sleep(spent.max(MIN_BATCH_PAUSE)).await;
        }
    }
}

impl Platform {
    /// Whether the configuration still removes what is before `before`: it may have been corrected since the
    /// pass began at `now`.
    fn is_wanted(&self, table: Table, before: Timestamp, by_size: bool, now: Timestamp) -> bool {
        let limit = self.limited(table).filter(|_| by_size).map(|known| known.limit);
        table.loses(&self.config.load().store, before, limit, now)
    }
}

/// Rows before this time are too old.
fn cutoff(now: Timestamp, retain: Retain) -> Option<Timestamp> {
    match retain {
        Retain::Forever => None,
        Retain::For(time) => now.checked_sub(SignedDuration::try_from(time).ok()?).ok(),
    }
}

fn warn(what: &'static str, error: &StoreError) {
    tracing::warn!(what, error = %explained(error), "retention pass failed; will retry at the next pass");
}

impl Table {
    /// How long its rows are retained.
    fn age(self, store: &config::Store) -> Retain {
        match self {
            Self::Messages => store.retain_messages,
            Self::Rejected => store.retain_rejected(),
            // Without an age of their own they go with the others.
            Self::Large => store.retain_large.unwrap_or(Retain::Forever),
            Self::Audit => store.retain_audit,
        }
    }

    /// Whether what is before `before` goes by its age, or by this limit of bytes, which the configuration
    /// may have raised.
    fn loses(self, store: &config::Store, before: Timestamp, limit: Option<u64>, now: Timestamp) -> bool {
        let is_old = cutoff(now, self.age(store)).is_some_and(|cutoff| before <= cutoff);
        is_old || limit.is_some_and(|limit| self.limit(store).is_some_and(|wanted| wanted <= limit))
    }

    /// Its limit by size, in bytes.
    const fn limit(self, store: &config::Store) -> Option<u64> {
        let [accepted, rejected, large] = store.message_sizes();
        match self {
            Self::Messages => accepted,
            Self::Rejected => rejected,
            Self::Large => large,
            Self::Audit => None,
        }
    }

    const fn label(self) -> &'static str {
        match self {
            Self::Messages => "messages",
            Self::Rejected => "rejected",
            Self::Large => "large",
            Self::Audit => "audit",
        }
    }
}

const TABLES: [Table; 4] = [Table::Messages, Table::Rejected, Table::Large, Table::Audit];
/// Longest time between two passes; a tenth of the shortest retention time if that is less.
const MAX_PASS_INTERVAL: Duration = Duration::from_mins(1);
/// Shortest pause between two batches.
const MIN_BATCH_PAUSE: Duration = Duration::from_millis(5);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn store(text: &str) -> config::Store {
        toml::from_str::<Config>(&format!("[store]\n{text}")).unwrap().store
    }

    #[test]
    fn a_removal_ends_when_the_configuration_wants_it_no_more() {
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        let days = |days: i64| now - SignedDuration::from_hours(24 * days);
        let short = store("retain-messages = \"3d\"\nretain-messages-size = \"1 GiB\"");
        assert!(Table::Messages.loses(&short, days(3), None, now));
        let corrected = store("retain-messages = \"30d\"\nretain-messages-size = \"2 GiB\"");
        assert!(!Table::Messages.loses(&corrected, days(3), None, now), "a longer age");
        assert!(!Table::Messages.loses(&corrected, days(3), Some(1 << 30), now), "a larger limit");
        assert!(Table::Messages.loses(&corrected, days(3), Some(2 << 30), now));
        let none = store("retain-messages = \"30d\"");
        assert!(!Table::Messages.loses(&none, days(3), Some(1 << 30), now), "no limit any more");
    }
}
