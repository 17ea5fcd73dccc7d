//! Limits of messages by size: which messages go before their age.
//!
//! Each hour of messages is measured once it has ended (`message_volume`). When the hours of a kind take more
//! than its limit, the oldest hours go, and never what is younger than a day: a device that sends too much
//! cannot remove in an hour what others have sent before. The operator learns of it at nine tenths of the
//! limit, before anything goes.

use jiff::Timestamp;

use super::Platform;
use super::size_watch::LimitedKind;
use crate::audit::{Event, MessageKind, SizeLimit};
use crate::store::{StoreError, Volume};

impl Platform {
    /// Measures hours that have ended, and compares each kind with its limit.
    pub(super) async fn measure_sizes(&self, now: Timestamp) -> Result<(), StoreError> {
        let limits = self.config.load().store.message_sizes();
        if limits.iter().all(Option::is_none) {
            self.sizes.note(Vec::new());
            return Ok(());
        }
        self.store.measure_volumes(now, MAX_HOURS_IN_PASS).await?;
        let volumes = self.store.volumes(now).await?;
        let mut known = Vec::with_capacity(limits.len());
        for (kind, limit) in KINDS.into_iter().zip(limits) {
            let Some(limit) = limit else { continue };
            let oldest = self.store.oldest_message_of(kind, now).await?;
            let volume = Volume::new(&volumes.hours, kind, oldest, limit, now);
            let removed_at = self.sizes.of(kind).and_then(|known| known.removed_at);
            known.push(LimitedKind { kind, limit, volume, unmeasured: volumes.unmeasured, removed_at });
        }
        for LimitedKind { kind, limit, volume, .. } in &known {
            let metrics = &self.metrics.housekeeping;
            let number = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
            metrics.retention_size_bytes.with_label_values(&[kind.name()]).set(number(volume.bytes));
            metrics.retention_size_limit_bytes.with_label_values(&[kind.name()]).set(number(*limit));
        }
        self.sizes.note(known);
        Ok(())
    }

    /// Records in the trail that messages received before `before` go by size.
    pub(super) async fn record_removal_by_size(
        &self,
        known: &LimitedKind,
        before: Timestamp,
    ) -> Result<(), StoreError> {
        let LimitedKind { kind, limit, volume, .. } = known;
        let reached = SizeLimit { kind: *kind, bytes: volume.bytes, limit: *limit, before };
        self.store.audit(Event::SizeLimitReached(reached)).await?;
        tracing::warn!(
            code = "size-limit-near",
            what = kind.name(),
            bytes = volume.bytes,
            limit,
            %before,
            "the limit by size is reached; messages are removed before their age"
        );
        self.sizes.removed(*kind, self.clock.now());
        Ok(())
    }
}

/// The kinds in the order of [`message_sizes`](crate::config::Store::message_sizes).
pub(super) const KINDS: [MessageKind; 3] = [MessageKind::Accepted, MessageKind::Rejected, MessageKind::Large];
/// Hours that one retention pass measures, where a store has months of messages from before the limit.
const MAX_HOURS_IN_PASS: usize = 7 * 24;
