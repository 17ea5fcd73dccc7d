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
use crate::store::{HourVolume, StoreError, Volume, Volumes};

impl Platform {
    /// Measures hours that have ended, and compares each kind with its limit.
    pub(super) async fn measure_sizes(&self, now: Timestamp) -> Result<(), StoreError> {
        let limits = self.config.load().store.message_sizes();
        if limits.iter().all(Option::is_none) {
            self.sizes.note(Vec::new());
            return Ok(());
        }
        self.sizes.note_measured(self.store.measure_volumes(now, MAX_HOURS_IN_PASS).await?);
        let volumes = self.store.volumes(now).await?;
        let mut known = self.compare_sizes(&volumes, limits, now).await?;
        if known.iter().any(|known| known.cutoff().is_some()) {
            let measured = self.measured_here(volumes).await?;
            known = self.compare_sizes(&measured, limits, now).await?;
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

    /// Each kind with a limit, and what the limit removes.
    async fn compare_sizes(
        &self,
        volumes: &Volumes,
        limits: [Option<u64>; KINDS.len()],
        now: Timestamp,
    ) -> Result<Vec<LimitedKind>, StoreError> {
        let mut known = Vec::with_capacity(limits.len());
        let oldest_large = self.store.oldest_message_of(MessageKind::Large, now).await?;
        for (kind, limit) in KINDS.into_iter().zip(limits) {
            let Some(limit) = limit else { continue };
            let oldest = self.store.oldest_message_of(kind, now).await?;
            let volume = Volume::new(&volumes.hours, kind, [oldest, oldest_large], limit, now);
            let removed_at = self.sizes.of(kind).and_then(|known| known.removed_at);
            known.push(LimitedKind { kind, limit, volume, unmeasured: volumes.unmeasured, removed_at });
        }
        Ok(known)
    }

    /// The same hours as this process has measured them: nothing is removed for a size that only the table of
    /// the store states. Some hours are measured in each pass, and nothing goes before all of them are.
    async fn measured_here(&self, stated: Volumes) -> Result<Volumes, StoreError> {
        let Some(first) = stated.hours.first().map(|volume| volume.hour) else { return Ok(stated) };
        let (_, missing) = self.sizes.measured_of(&stated.hours);
        let newest: Vec<_> = missing.into_iter().rev().take(MAX_HOURS_IN_PASS).collect();
        self.sizes.note_measured(self.store.measure_hours(&newest, first).await?);
        let (hours, missing) = self.sizes.measured_of(&stated.hours);
        let is_stated = |volume: &HourVolume| {
            let at = stated.hours.binary_search_by_key(&volume.hour, |stated| stated.hour);
            at.ok().and_then(|at| stated.hours.get(at)) == Some(volume)
        };
        let differ = hours.iter().filter(|volume| !is_stated(volume)).count();
        if differ > 0 {
            // Retention removes the messages of an hour in parts, so this is usual for the oldest hours.
            tracing::info!(
                hours = differ,
                "stored sizes of hours are not those of their messages; measured again"
            );
        }
        Ok(Volumes { hours, unmeasured: stated.unmeasured + missing.len() })
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
