//! What is examined once in a minute: the size of the store, its last backup, and the last verification of
//! the audit trail.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use super::disk::{self, DiskWatch, Forecast};
use crate::app::Platform;
use crate::app::live::LiveView;
use crate::config::BackupAge;
use crate::finding::facts::{AuditChainBroken, BackupOld, MessageDamaged};
use crate::finding::{Finding, Subject};
use crate::store::{Milestone, Reached, StoreError, StoreSize};
use crate::view::StoreRoomView;

/// What was found in the last minute.
#[derive(Debug, Default)]
pub(super) struct Upkeep {
    looked: Option<Instant>,
    disk: DiskWatch,
    found: Vec<Finding>,
}

impl Upkeep {
    /// The findings; those of the last look if it was less than a minute ago.
    pub(super) async fn look(&mut self, platform: &Platform, live: &LiveView) -> Vec<Finding> {
        let now = platform.clock.instant();
        let is_due = self.looked.is_none_or(|at| now.saturating_duration_since(at) >= INTERVAL);
        if is_due {
            self.looked = Some(now);
            // A store that cannot be read is a finding by itself; what was known of it stays.
            if let Ok(found) = self.examine(platform, live).await {
                self.found = found;
            }
        }
        self.found.clone()
    }

    async fn examine(&mut self, platform: &Platform, live: &LiveView) -> Result<Vec<Finding>, StoreError> {
        let size = platform.store.size().await?;
        let (instant, now) = (platform.clock.instant(), platform.clock.now());
        let forecast = size.disk.and_then(|disk| self.disk.observe(instant, disk.free, size.bytes));
        publish(platform, &size);
        live.room.store(Some(Arc::new(room(&size, forecast, now))));
        let percent = platform.config.load().store.min_free_percent;
        let filling = size.disk.and_then(|disk| disk::filling(disk, percent, forecast, now));
        let milestones = platform.store.milestones().await?;
        let last = |what| milestones.iter().find(|reached| reached.what == what).copied();
        // The server of a store is copied by its own tools, of which the platform knows nothing.
        let backup = size.disk.and_then(|_| backup(platform, live, last(Milestone::Backup)));
        let damaged = last(Milestone::Backup).and_then(damaged);
        let verified = last(Milestone::AuditVerified).and_then(|reached| verified(platform, reached));
        Ok([filling, backup, damaged, verified].into_iter().flatten().collect())
    }
}

fn publish(platform: &Platform, StoreSize { bytes, disk, rows }: &StoreSize) {
    let metrics = &platform.metrics.operation;
    let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    metrics.store_size_bytes.set(number(*bytes));
    if let Some(disk) = disk {
        metrics.store_free_bytes.with_label_values::<&str>(&[]).set(number(disk.free));
        metrics.store_disk_bytes.with_label_values::<&str>(&[]).set(number(disk.bytes));
    }
    for (table, rows) in rows {
        metrics.store_rows.with_label_values(&[table]).set(number(*rows));
    }
}

fn room(
    StoreSize { bytes, disk, .. }: &StoreSize,
    forecast: Option<Forecast>,
    now: Timestamp,
) -> StoreRoomView {
    StoreRoomView {
        size_bytes: *bytes,
        free_bytes: disk.map(|disk| disk.free),
        disk_bytes: disk.map(|disk| disk.bytes),
        bytes_per_day: forecast.map(|forecast| forecast.bytes_per_day),
        store_bytes_per_day: forecast.map(|forecast| forecast.store_bytes_per_day),
        measured_seconds: forecast.map(|forecast| forecast.over.as_secs()),
        full_at: forecast.and_then(|forecast| forecast.full_at(now)).map(|at| format!("{at:.0}")),
    }
}

/// The last backup is older than it may be. Without any, the start of the process counts.
fn backup(platform: &Platform, live: &LiveView, last: Option<Reached>) -> Option<Finding> {
    let gauge = &platform.metrics.operation.store_last_backup_timestamp_seconds;
    let now = platform.clock.now();
    // Made while the clock was ahead: how old it is, is not known.
    let is_future = last.is_some_and(|reached| reached.at.duration_since(now) > CLOCK_STEP);
    let counted = last.filter(|_| !is_future);
    gauge.with_label_values::<&str>(&[]).set(counted.map_or(0, |reached| reached.at.as_second()));
    let BackupAge::AtMost(max) = platform.config.load().store.max_backup_age else { return None };
    let since = last.map_or(live.started, |reached| reached.at);
    let age = Duration::try_from(now.duration_since(since)).unwrap_or_default();
    if age <= max && !is_future {
        return None;
    }
    let last = last.map(|reached| reached.at.into());
    Some(Finding::new(Subject::Store, BackupOld { last, allowed_seconds: max.as_secs() }))
}

/// The last copy has damaged messages of the store.
fn damaged(Reached { at, is_good, .. }: Reached) -> Option<Finding> {
    let facts = MessageDamaged { found: at.into() };
    (!is_good).then(|| Finding::new(Subject::Store, facts).since(at))
}

/// The last verification found a fault.
fn verified(platform: &Platform, Reached { at, is_good, .. }: Reached) -> Option<Finding> {
    platform.metrics.operation.set_verified(at.as_second(), is_good);
    let facts = AuditChainBroken { verified: Some(at.into()), ..AuditChainBroken::default() };
    (!is_good).then(|| Finding::new(Subject::AuditTrail, facts).since(at))
}

/// A time that is later than now by more than this is that of a clock that was ahead.
const CLOCK_STEP: SignedDuration = SignedDuration::from_mins(5);
/// How often it is examined.
const INTERVAL: Duration = Duration::from_mins(1);
