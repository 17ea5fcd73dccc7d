//! How soon the rows of a serving platform have to be signed.
//!
//! A chain from which every signature was removed, with all hashes recomputed, is intact by itself. But a
//! platform that serves signs at its start and at every interval, so messages without a signature soon after
//! them are a fault. Other rows do not count: commands write theirs while no platform runs, and rows about
//! connections are written later, with their former time, when the store has failed.
//!
//! While the store fails, nothing can be signed. So a gap in which no message is stored counts as one
//! interval at most, and gives the signature two intervals more.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::audit::Event;

/// How soon rows have to be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SigningRule {
    /// The interval of the signatures.
    pub sign_every: Duration,
    /// Rows before this time need no signature.
    pub since: Option<Timestamp>,
}

impl SigningRule {
    /// Whether a chain without any signature should have one at `now`. `served` is the time of its first row
    /// that only a serving platform writes: one that starts signs at once. A time in the future is no excuse.
    #[must_use]
    pub fn is_overdue(&self, served: Timestamp, now: Timestamp) -> bool {
        let interval = SignedDuration::try_from(self.sign_every).unwrap_or(SignedDuration::MAX);
        let limit = interval.saturating_mul(2).saturating_add(GRACE);
        self.since.is_none_or(|since| served >= since) && now.duration_since(served).abs() > limit
    }
}

/// Whether no command writes rows of this event. A chain that commands began, of a node that has not been
/// served yet, needs no signature.
#[must_use]
pub fn is_of_a_serving_platform(event: &str) -> bool {
    UnsignedRows::counts(event) || [Event::MESSAGES_PRUNED, Event::AUDIT_PRUNED].contains(&event)
}

/// The rows since the last signature, as far as the rule is concerned.
pub(super) struct UnsignedRows {
    rule: Option<SigningRule>,
    run: Option<Run>,
    /// How often the platform started since the last signature.
    starts: usize,
}

/// Unsigned rows that count.
struct Run {
    /// The number of the first one.
    first: u64,
    last: Timestamp,
    /// The time between them, each gap counted as one interval at most.
    lasted: SignedDuration,
    has_gap: bool,
}

impl UnsignedRows {
    pub(super) const fn new(rule: Option<SigningRule>) -> Self {
        Self { rule, run: None, starts: 0 }
    }

    /// Whether only a serving platform writes rows of this event, at their time.
    pub(super) fn counts(event: &str) -> bool {
        SERVING_EVENTS.contains(&event)
    }

    /// The next row.
    ///
    /// # Errors
    /// The number of the first row that should have been signed by now.
    pub(super) fn row(&mut self, number: u64, at: Timestamp, event: &str) -> Result<(), u64> {
        let Some(rule) = self.rule.filter(|rule| rule.since.is_none_or(|since| at >= since)) else {
            return Ok(());
        };
        if event == STARTED {
            // A platform that was killed has not signed its last rows; the next one signs at its start.
            self.run = Some(Run::new(number, at));
            self.starts += 1;
            return if self.starts > MAX_UNSIGNED_STARTS { Err(number) } else { Ok(()) };
        }
        if !Self::counts(event) {
            return Ok(());
        }
        let run = self.run.get_or_insert_with(|| Run::new(number, at));
        let interval = SignedDuration::try_from(rule.sign_every).unwrap_or(SignedDuration::MAX);
        if run.add(at, interval) { Ok(()) } else { Err(run.first) }
    }

    /// A signature; `first` is the first row behind the signed ones that counts.
    pub(super) fn signed(&mut self, first: Option<(u64, Timestamp)>) {
        self.run = first.map(|(number, at)| Run::new(number, at));
        self.starts = 0;
    }
}

impl Run {
    const fn new(first: u64, at: Timestamp) -> Self {
        Self { first, last: at, lasted: SignedDuration::ZERO, has_gap: false }
    }

    /// Adds a row; false when the run is too long without a signature.
    fn add(&mut self, at: Timestamp, interval: SignedDuration) -> bool {
        let gap = at.duration_since(self.last).max(SignedDuration::ZERO);
        self.last = at;
        self.has_gap |= gap > GRACE;
        self.lasted = self.lasted.saturating_add(gap.min(interval.max(GRACE)));
        let limit = if self.has_gap { interval.saturating_mul(3) } else { interval };
        self.lasted <= limit.saturating_add(GRACE)
    }
}

/// What a signature may be late by: a store or a key that did not answer.
const GRACE: SignedDuration = SignedDuration::from_mins(1);
/// Starts in a row that ended before their first signature.
const MAX_UNSIGNED_STARTS: usize = 10;

const STARTED: &str = "platform-started";

/// Events of a serving platform whose rows are written when they happen, or not at all.
const SERVING_EVENTS: [&str; 7] = [
    STARTED,
    "message-accepted",
    "message-rejected",
    Event::MESSAGE_RESENT,
    Event::COPY_REPLACED,
    Event::COPY_RENEWED,
    "southbound-sent",
];

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &str = "message-accepted";

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_750_000_000 + second).unwrap()
    }

    fn rows() -> UnsignedRows {
        UnsignedRows::new(Some(SigningRule { sign_every: Duration::from_mins(5), since: None }))
    }

    /// A message every `step` seconds from `from`, until the fault; how long that took.
    fn seconds_until_fault(rows: &mut UnsignedRows, from: i64, step: i64) -> i64 {
        let mut second = from;
        while rows.row(1, at(second), MESSAGE).is_ok() {
            second += step;
            assert!(second < from + 1_000_000, "no signature is demanded");
        }
        second - from
    }

    #[test]
    fn serving_events_are_events() {
        assert!(SERVING_EVENTS.iter().all(|event| Event::NAMES.contains(event)));
    }

    #[test]
    fn messages_of_a_serving_platform_are_signed_in_time() {
        assert_eq!(seconds_until_fault(&mut rows(), 0, 10), 370);
        // A platform to which few devices send.
        assert_eq!(seconds_until_fault(&mut rows(), 0, 3600), 4 * 3600);
        let mut rows = rows();
        assert_eq!(rows.row(1, at(0), MESSAGE), Ok(()));
        for second in 1..=360 {
            assert_eq!(rows.row(2, at(second), MESSAGE), Ok(()), "{second}");
        }
        assert_eq!(rows.row(3, at(361), "device-added"), Ok(()), "a command may have written it");
        assert_eq!(rows.row(4, at(361), MESSAGE), Err(1));
        // Signed up to the second row; the fourth is the first one that counts.
        rows.signed(Some((4, at(361))));
        assert_eq!(seconds_until_fault(&mut rows, 361, 1), 361);
        // Nothing happened for a day.
        rows.signed(None);
        assert_eq!(seconds_until_fault(&mut rows, 90_000, 1), 361);
    }

    #[test]
    fn a_store_that_fails_for_an_hour_leaves_time_for_the_signature() {
        let mut rows = rows();
        for second in (0..290).chain(3600..3900) {
            assert_eq!(rows.row(2, at(second), MESSAGE), Ok(()), "{second}");
        }
        assert!(seconds_until_fault(&mut rows, 3900, 1) < 300);
    }

    #[test]
    fn a_platform_that_was_killed_may_leave_unsigned_rows_but_not_again_and_again() {
        let mut rows = rows();
        assert_eq!(rows.row(1, at(0), MESSAGE), Ok(()));
        assert_eq!(rows.row(2, at(90_000), STARTED), Ok(()));
        assert_eq!(seconds_until_fault(&mut rows, 90_000, 1), 361);
        for n in 1..10 {
            assert_eq!(rows.row(n, at(100_000), STARTED), Ok(()), "{n}");
        }
        assert_eq!(rows.row(10, at(100_000), STARTED), Err(10));
    }

    #[test]
    fn a_chain_of_a_serving_platform_without_any_signature_is_excused_for_two_intervals() {
        let rule = SigningRule { sign_every: Duration::from_mins(5), since: None };
        assert!(!rule.is_overdue(at(0), at(660)) && rule.is_overdue(at(0), at(661)));
        assert!(rule.is_overdue(at(10_000), at(0)), "a time in the future");
        assert!(!SigningRule { since: Some(at(1)), ..rule }.is_overdue(at(0), at(10_000)));
        assert!(is_of_a_serving_platform("messages-pruned") && !is_of_a_serving_platform("device-added"));
    }

    #[test]
    fn rows_before_a_time_need_no_signature() {
        let rule = SigningRule { sign_every: Duration::from_mins(5), since: Some(at(10_000)) };
        let mut rows = UnsignedRows::new(Some(rule));
        assert_eq!(rows.row(1, at(0), MESSAGE), Ok(()));
        assert_eq!(rows.row(2, at(9_999), MESSAGE), Ok(()));
        assert_eq!(seconds_until_fault(&mut rows, 10_000, 10), 370);
    }
}
