//! Which refusals get a line in the log.
//!
//! A pair of peer and reason gets one line in an hour, and then a line with the count of its repetitions.
//! All pairs together get [`MAX_LINES`] lines in any minute; the refusals beyond that get one line with their
//! count.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use crate::interface_a::refused_peer::RefusedPeer;

/// Decides which lines are logged. Its memory is bounded by the lines of an hour: `MAX_PAIRS`.
#[derive(Debug, Default)]
pub(super) struct Limiter {
    /// When lines were logged in the last minute, in order.
    logged: VecDeque<Instant>,
    /// The pairs that were logged in the last hour. Each took a line, so there are no more of them than
    /// `MAX_PAIRS`.
    pairs: BTreeMap<(RefusedPeer, &'static str), Pair>,
    /// Refusals without a line and without a pair.
    others: u64,
    /// When the first of them came.
    others_since: Option<Instant>,
}

/// A line that counts refusals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Line {
    /// The same peer was refused again for the same reason.
    Repeated { peer: RefusedPeer, reason: &'static str, count: u64 },
    /// Other refusals.
    Others { count: u64 },
}

#[derive(Debug)]
struct Pair {
    logged_at: Instant,
    repeated: u64,
}

impl Limiter {
    /// Records a refusal: whether it gets a line of its own, and the counting lines that are due before it.
    pub(super) fn record(
        &mut self,
        peer: RefusedPeer,
        reason: &'static str,
        now: Instant,
    ) -> (bool, Vec<Line>) {
        let due = self.due(now);
        let key = (peer, reason);
        if let Some(pair) = self.pairs.get_mut(&key) {
            pair.repeated = pair.repeated.saturating_add(1);
            return (false, due);
        }
        let is_first = self.take_line(now);
        if is_first {
            self.pairs.insert(key, Pair { logged_at: now, repeated: 0 });
        } else {
            self.count_others(1, now);
        }
        (is_first, due)
    }

    /// The counting lines that are due at `now`.
    pub(super) fn due(&mut self, now: Instant) -> Vec<Line> {
        let is_over = |since: Instant| now.saturating_duration_since(since) >= MINUTE;
        while self.logged.front().is_some_and(|at| is_over(*at)) {
            self.logged.pop_front();
        }
        let mut lines = Vec::new();
        let is_old = |since: Instant| now.saturating_duration_since(since) >= HOUR;
        let expired: Vec<_> = self.pairs.extract_if(.., |_, pair| is_old(pair.logged_at)).collect();
        for (key, Pair { repeated: count, .. }) in expired.into_iter().filter(|(_, pair)| pair.repeated > 0) {
            if self.take_line(now) {
                let (peer, reason) = key.clone();
                lines.push(Line::Repeated { peer, reason, count });
                // The next line of this pair is an hour away again.
                self.pairs.insert(key, Pair { logged_at: now, repeated: 0 });
            } else {
                self.count_others(count, now);
            }
        }
        if self.others_since.is_some_and(is_over) {
            self.others_since = None;
            lines.push(Line::Others { count: std::mem::take(&mut self.others) });
        }
        lines
    }

    /// One line for everything that was counted and not logged.
    pub(super) fn close(&mut self) -> Option<Line> {
        let repeated = self.pairs.values().map(|pair| pair.repeated).fold(0, u64::saturating_add);
        let count = repeated.saturating_add(self.others);
        *self = Self::default();
        (count > 0).then_some(Line::Others { count })
    }

    fn count_others(&mut self, count: u64, now: Instant) {
        self.others = self.others.saturating_add(count);
        self.others_since.get_or_insert(now);
    }

    fn take_line(&mut self, now: Instant) -> bool {
        let is_free = self.logged.len() < MAX_LINES;
        if is_free {
            self.logged.push_back(now);
        }
        is_free
    }
}

/// The first [`MAX_NAME_LENGTH`] characters of a name.
pub(super) fn truncate(name: &str) -> &str {
    name.char_indices().nth(MAX_NAME_LENGTH).map_or(name, |(end, _)| name.get(..end).unwrap_or(name))
}

const MINUTE: Duration = Duration::from_mins(1);
/// How often a pair has a line.
const HOUR: Duration = Duration::from_hours(1);
/// Pairs that can have had a line within an hour.
#[cfg(test)]
const MAX_PAIRS: usize = 60 * MAX_LINES;
/// Lines in any minute, the one that counts all other refusals not included.
const MAX_LINES: usize = 60;
const MAX_NAME_LENGTH: usize = 256;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::interface_a::fixtures::clock;
    use crate::model::Fingerprint;

    fn device(name: &str) -> RefusedPeer {
        let fingerprint = Fingerprint::sha256(name.as_bytes());
        RefusedPeer::Certificate { fingerprint, name: Some(name.to_owned()) }
    }

    #[test]
    fn a_repeated_refusal_is_counted_once_an_hour() {
        let (clock, mut limiter) = (clock(), Limiter::default());
        let mut record = |reason| limiter.record(device("PUMP"), reason, clock.instant());
        assert_eq!(record("revoked"), (true, vec![]));
        for _ in 0..59 {
            clock.advance(MINUTE);
            assert_eq!(record("revoked"), (false, vec![]));
        }
        assert_eq!(record("expired"), (true, vec![]), "another reason is another line");
        clock.advance(MINUTE);
        let repeated = |count| Line::Repeated { peer: device("PUMP"), reason: "revoked", count };
        assert_eq!(limiter.due(clock.instant()), [repeated(59)]);
        let mut record = |reason| limiter.record(device("PUMP"), reason, clock.instant());
        assert_eq!(record("revoked"), (false, vec![]), "the count was a line");
        clock.advance(HOUR);
        assert_eq!(limiter.due(clock.instant()), [repeated(1)]);
        clock.advance(HOUR);
        assert_eq!(limiter.due(clock.instant()), []);
        assert_eq!(limiter.record(device("PUMP"), "revoked", clock.instant()), (true, vec![]));
    }

    #[test]
    fn refusals_beyond_the_limit_are_counted_in_one_line() {
        let (clock, mut limiter) = (clock(), Limiter::default());
        for n in 0..1000 {
            let (is_first, due) = limiter.record(device(&n.to_string()), "expired", clock.instant());
            assert_eq!((is_first, due), (n < MAX_LINES, vec![]));
        }
        assert_eq!(limiter.pairs.len(), MAX_LINES, "memory is bounded");
        clock.advance(MINUTE);
        assert_eq!(limiter.due(clock.instant()), [Line::Others { count: 940 }]);
        assert_eq!(limiter.due(clock.instant()), []);
    }

    #[test]
    fn refusals_without_a_line_are_counted_at_the_end() {
        let (clock, mut limiter) = (clock(), Limiter::default());
        (0..3).for_each(|_| drop(limiter.record(device("PUMP"), "revoked", clock.instant())));
        assert_eq!(limiter.close(), Some(Line::Others { count: 2 }));
        assert_eq!(limiter.close(), None);
    }

    #[test]
    fn long_names_are_cut() {
        assert_eq!(truncate(&"ü".repeat(300)), "ü".repeat(256));
        assert_eq!(truncate("PUMP"), "PUMP");
    }

    const REASONS: [&str; 3] = ["expired", "revoked", "unknown-device"];

    proptest! {
        /// Whatever arrives: no minute has more than 60 lines and one counted line, each refusal is in
        /// exactly one line, and the first of a pair in an hour has its own line while the limit is not
        /// reached.
        #[test]
        fn no_minute_has_more_lines_than_the_limit(
            arrivals in prop::collection::vec((0u16..150, 0usize..3, prop_oneof![
                8 => 0u64..50, 3 => 50u64..2_000, 1 => 2_000u64..2_000_000,
            ]), 1..600),
        ) {
            let (clock, mut limiter) = (clock(), Limiter::default());
            let start = clock.instant();
            let (mut lines, mut counted_lines): (Vec<Duration>, Vec<Duration>) = Default::default();
            let (mut logged, mut counted) = (0_u64, 0_u64);
            let mut last_line = BTreeMap::<(u16, usize), Duration>::new();
            for (name, reason, milliseconds) in &arrivals {
                clock.advance(Duration::from_millis(*milliseconds));
                let at = clock.instant() - start;
                let (is_first, due) =
                    limiter.record(device(&name.to_string()), REASONS[*reason], clock.instant());
                for line in due {
                    match line {
                        Line::Repeated { peer: RefusedPeer::Certificate { name: Some(name), .. }, reason, count } => {
                            let reason = REASONS.iter().position(|known| *known == reason).unwrap();
                            let before = last_line.insert((name.parse().unwrap(), reason), at);
                            prop_assert!(before.is_some_and(|before| at - before >= HOUR));
                            lines.push(at);
                            counted += count;
                        }
                        Line::Others { count } => {
                            counted_lines.push(at);
                            counted += count;
                        }
                        line => panic!("{line:?}"),
                    }
                }
                let recent = lines.iter().filter(|line| at - **line < MINUTE).count();
                let is_new = last_line.get(&(*name, *reason)).is_none_or(|line| at - *line >= HOUR);
                prop_assert_eq!(is_first, is_new && recent < MAX_LINES);
                if is_first {
                    last_line.insert((*name, *reason), at);
                    lines.push(at);
                    logged += 1;
                }
                let in_last_minute = |lines: &[Duration]| lines.iter().filter(|line| at - **line < MINUTE).count();
                prop_assert!(in_last_minute(&lines) <= MAX_LINES && in_last_minute(&counted_lines) <= 1);
                prop_assert!(limiter.pairs.len() <= MAX_PAIRS && limiter.logged.len() <= MAX_LINES);
            }
            if let Some(Line::Others { count }) = limiter.close() {
                counted += count;
            }
            prop_assert_eq!(logged + counted, arrivals.len() as u64);
        }
    }
}
