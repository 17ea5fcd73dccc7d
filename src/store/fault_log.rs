//! Log lines for failed writes, at a bounded rate.
//!
//! The senders decide how many messages come while the disk is full, so they must not decide how much is
//! logged: the log is often on the same disk. A fault gets one line when it begins, one in
//! [`LINE_INTERVAL`] with the counts while it lasts, and one when it is over.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::model::explained;
use crate::store::error::StoreError;

/// Logs failed writes.
#[derive(Debug, Default)]
pub(in crate::store) struct FaultLog {
    limiter: Mutex<Limiter>,
    /// Spares successful writes the lock.
    is_failing: AtomicBool,
}

/// What was not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Unwritten {
    /// A message, which its sender keeps.
    Message,
    /// A row of the audit trail, which waits.
    AuditRow(&'static str),
    /// The directory entry of a new device, which is enrolled when it connects again.
    Enrolment,
}

impl FaultLog {
    /// Logs a failed write, or counts it for a later line.
    pub(in crate::store) fn fail(&self, unwritten: Unwritten, error: &StoreError, now: Instant) {
        let line = self.limiter().fail(unwritten, now);
        self.is_failing.store(true, Ordering::Relaxed);
        let error = explained(error);
        match line {
            Some(Line::Began) => log_first(unwritten, &error),
            Some(Line::Lasts(Counts { messages, audit_rows, enrolments })) => tracing::error!(
                messages,
                audit_rows,
                enrolments,
                error,
                "the store fails still; these messages were not stored and stay with their senders, and these \
                 audit rows were not written; they wait in memory as far as there is room"
            ),
            None => {}
        }
    }

    /// A write succeeded: logs the end of a fault.
    pub(in crate::store) fn succeed(&self, now: Instant) {
        if !self.is_failing.load(Ordering::Relaxed) {
            return;
        }
        if let Some(Counts { messages, audit_rows, enrolments }) = self.limiter().succeed(now) {
            self.is_failing.store(false, Ordering::Relaxed);
            tracing::warn!(
                messages,
                audit_rows,
                enrolments,
                "the store has recovered; the counts are those of the whole fault"
            );
        }
    }

    fn limiter(&self) -> MutexGuard<'_, Limiter> {
        self.limiter.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn log_first(unwritten: Unwritten, error: &str) {
    match unwritten {
        Unwritten::Message => {
            tracing::error!(error, "cannot store a message; it is not acknowledged, and its sender keeps it");
        }
        Unwritten::AuditRow(event) => {
            tracing::error!(
                event,
                error,
                "cannot write an audit row; it waits in memory until the store has recovered"
            );
        }
        Unwritten::Enrolment => {
            tracing::error!(error, "cannot enrol a new device; it is enrolled when it connects again");
        }
    }
}

/// Decides which lines are logged.
#[derive(Debug, Default)]
struct Limiter(Option<Fault>);

/// A fault that lasts.
#[derive(Debug)]
struct Fault {
    logged_at: Instant,
    failed_at: Instant,
    /// Since the last line.
    recent: Counts,
    total: Counts,
}

/// What was not written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Counts {
    messages: u64,
    audit_rows: u64,
    enrolments: u64,
}

#[derive(Debug, PartialEq, Eq)]
enum Line {
    Began,
    /// With what was not written since the line before.
    Lasts(Counts),
}

impl Limiter {
    fn fail(&mut self, unwritten: Unwritten, now: Instant) -> Option<Line> {
        let Some(fault) = &mut self.0 else {
            let mut total = Counts::default();
            total.add(unwritten);
            self.0 = Some(Fault { logged_at: now, failed_at: now, recent: Counts::default(), total });
            return Some(Line::Began);
        };
        fault.failed_at = now;
        fault.recent.add(unwritten);
        fault.total.add(unwritten);
        if now.saturating_duration_since(fault.logged_at) < LINE_INTERVAL {
            return None;
        }
        fault.logged_at = now;
        Some(Line::Lasts(std::mem::take(&mut fault.recent)))
    }

    /// The counts of a fault that is over. On a full disk small rows still fit now and then: a fault is over
    /// when nothing has failed for [`LINE_INTERVAL`].
    fn succeed(&mut self, now: Instant) -> Option<Counts> {
        let is_over = |fault: &Fault| now.saturating_duration_since(fault.failed_at) >= LINE_INTERVAL;
        self.0.take_if(|fault| is_over(fault)).map(|fault| fault.total)
    }
}

impl Counts {
    fn add(&mut self, unwritten: Unwritten) {
        let count = match unwritten {
            Unwritten::Message => &mut self.messages,
            Unwritten::AuditRow(_) => &mut self.audit_rows,
            Unwritten::Enrolment => &mut self.enrolments,
        };
        *count = count.saturating_add(1);
    }
}

/// Between two lines about one fault.
const LINE_INTERVAL: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::model::Clock;

    #[test]
    fn a_lasting_fault_has_one_line_in_ten_seconds_and_one_at_its_end() {
        let clock = Clock::manual(Timestamp::UNIX_EPOCH);
        let mut limiter = Limiter::default();
        assert_eq!(limiter.succeed(clock.instant()), None);
        let (mut lines, mut failed) = (Vec::new(), 0);
        // 500 messages a second for a minute, and a small row that fits between them.
        while failed < 30_000 {
            lines.extend(limiter.fail(Unwritten::Message, clock.instant()));
            assert_eq!(limiter.succeed(clock.instant()), None);
            failed += 1;
            clock.advance(Duration::from_millis(2));
        }
        let lasts = |messages| Line::Lasts(Counts { messages, ..Counts::default() });
        assert_eq!(lines.len(), 6, "{lines:?}");
        assert_eq!((&lines[0], &lines[1]), (&Line::Began, &lasts(5000)));
        limiter.fail(Unwritten::AuditRow("session-ended"), clock.instant());
        clock.advance(LINE_INTERVAL);
        let total = Counts { messages: 30_000, audit_rows: 1, enrolments: 0 };
        assert_eq!(limiter.succeed(clock.instant()), Some(total));
        assert_eq!(limiter.succeed(clock.instant()), None);
        assert_eq!(limiter.fail(Unwritten::Message, clock.instant()), Some(Line::Began));
    }
}
