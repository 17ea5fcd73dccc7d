//! Whether the clock of the machine is believed.
//!
//! A clock that is far ahead would make everything in the store look old, and one that is far behind would
//! give identifiers of the past. The store knows the time at which the clock was believed last. From there
//! monotonic time says what the clock should show; a clock that differs from that by more than
//! `store.max-clock-difference` is not believed until it is corrected, or until an operator confirms it.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::Platform;
use super::clock_watch::Base;
use crate::audit::Event;
use crate::model::{MessageId, explained};
use crate::store::StoreError;

/// What a retention pass may rely on.
#[derive(Debug, Clone, Copy)]
pub(super) struct RetentionTime {
    /// The time, or an earlier one.
    pub(super) now: Timestamp,
    /// What was received before this time may be removed without the limit of a day's worth at a time.
    pub(super) release_before: Timestamp,
}

impl Platform {
    /// Compares the clock with the store, and makes identifiers continue behind those in the store. To be
    /// called before anything else is written.
    pub(super) async fn begin_with_clock(&self) {
        let begun = async {
            self.retention_time().await?;
            let max = self.config.load().store.max_clock_difference;
            self.store.continue_identifiers(self.expected_time(), max).await
        };
        match begun.await {
            Ok(None) => {}
            Ok(Some(newest)) => tracing::warn!(
                code = "identifier-of-the-future",
                %newest,
                "the newest identifier in the store is of a time to come; new messages are listed before it"
            ),
            Err(error) => tracing::warn!(
                error = %explained(&error),
                "the clock could not be compared with the store; it is compared at the next retention pass"
            ),
        }
    }

    /// The time for retention; `None` while the clock is not believed.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub(super) async fn retention_time(&self) -> Result<Option<RetentionTime>, StoreError> {
        let max = self.config.load().store.max_clock_difference;
        let known = self.store.confirmed_clock().await?;
        let (wall, instant) = (self.clock.now(), self.clock.instant());
        let base = self.clock_watch.base(known, wall, instant);
        let expected = base.expected(instant);
        let is_believed = wall.duration_since(expected).unsigned_abs() <= max;
        let at = if is_believed { wall } else { expected };
        self.clock_watch.state().base = Some(Base { at, instant, ..base });
        MessageId::expect_time(at, max);
        self.metrics.housekeeping.clock_confirmed.set(i64::from(is_believed));
        self.report_clock(is_believed, wall, expected, instant).await;
        if known.is_none() || at.duration_since(base.stored).unsigned_abs() >= STORE_INTERVAL {
            self.store.keep_clock(at).await?;
            self.clock_watch.state().base = Some(Base { at, instant, stored: at });
        }
        let release_before = known.map_or(Timestamp::UNIX_EPOCH, |known| known.release_before);
        // Two clocks have to say that a row is old.
        let server = known.and_then(|known| known.server_now);
        let now = server.map_or(wall, |server| server.min(wall));
        Ok(is_believed.then_some(RetentionTime { now, release_before }))
    }

    fn expected_time(&self) -> Timestamp {
        let (wall, instant) = (self.clock.now(), self.clock.instant());
        self.clock_watch.state().base.map_or(wall, |base| base.expected(instant))
    }

    async fn report_clock(&self, is_believed: bool, clock: Timestamp, expected: Timestamp, instant: Instant) {
        let (is_new, is_due) = {
            let mut state = self.clock_watch.state();
            let reported = state.reported;
            let is_due = !is_believed
                && reported.is_none_or(|last| instant.saturating_duration_since(last) >= REPORT_INTERVAL);
            if is_believed {
                state.reported = None;
            } else if is_due {
                state.reported = Some(instant);
            }
            (reported.is_none() != is_believed, is_due)
        };
        if is_due {
            tracing::error!(
                code = "clock-unconfirmed",
                %clock,
                %expected,
                "the clock is too far from the expected time; retention removes nothing until the clock is \
                 corrected, or confirmed with `store retention --force`"
            );
        }
        if is_new && is_believed {
            tracing::warn!(%clock, "the clock is believed again; retention goes on");
        } else if is_new {
            self.store.audit_or_defer(Event::ClockUnconfirmed { clock, expected }).await;
        }
    }
}

/// How far the time in the store may be behind: a process that starts after a crash knows no later one.
const STORE_INTERVAL: Duration = Duration::from_mins(10);
/// One line in this time about a clock that is not believed.
const REPORT_INTERVAL: Duration = Duration::from_hours(1);
