//! The order in which identifiers are made: UUIDs of version 7 that never go back, and whose time does not
//! follow a clock that is not believed.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use uuid::{Builder, NoContext, Uuid};

/// The order of the identifiers of one process.
///
/// RFC 9562 6.2, method 1: identifiers of one millisecond count up from a random number. A clock that steps
/// back leaves the milliseconds where they are and the count goes on, so the order is that of arrival.
#[derive(Debug)]
pub(super) struct ArrivalOrder {
    last: Position,
    expected: Option<ExpectedTime>,
}

/// The part of an identifier that decides its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Position {
    milliseconds: u64,
    /// 42 bits.
    count: u64,
}

/// What the clock should say, by a clock that was believed earlier and the monotonic time since then.
#[derive(Debug, Clone, Copy)]
struct ExpectedTime {
    at: Timestamp,
    instant: Instant,
    max_difference: Duration,
}

impl ArrivalOrder {
    pub(super) const fn new() -> Self {
        Self { last: Position { milliseconds: 0, count: 0 }, expected: None }
    }

    /// The next identifier. `at` is the time of the clock; it counts only as far as it is expected.
    pub(super) fn next(&mut self, at: Timestamp, instant: Instant) -> Uuid {
        let at = self.believed(at, instant);
        let milliseconds = u64::try_from(at.as_millisecond()).unwrap_or(0);
        // 74 random bits.
        let random = Uuid::new_v7(uuid::Timestamp::from_unix(NoContext, 0, 0)).as_u128();
        // Half of the numbers: there is room to count up.
        let first_count = u64::try_from((random >> 32) & (MAX_COUNT >> 1)).unwrap_or(0);
        let Position { milliseconds: last, count } = self.last;
        self.last = if milliseconds > last {
            Position { milliseconds, count: first_count }
        } else if u128::from(count) < MAX_COUNT {
            Position { milliseconds: last, count: count + 1 }
        } else {
            Position { milliseconds: last + 1, count: first_count }
        };
        self.last.uuid(random)
    }

    /// The time of the clock, or the expected one while the clock is not believed.
    pub(super) fn believed(&self, at: Timestamp, instant: Instant) -> Timestamp {
        self.expected.map_or(at, |expected| expected.believed(at, instant))
    }

    /// Continues behind `last`, an identifier of an earlier process. One of a time after `until` is a mistake
    /// of a clock: then nothing changes, and the result is false.
    pub(super) fn continue_after(&mut self, last: Uuid, until: Timestamp) -> bool {
        let last = Position::read(last);
        let until = u64::try_from(until.as_millisecond()).unwrap_or(0);
        let is_possible = last.milliseconds <= until;
        if is_possible {
            self.last = self.last.max(last);
        }
        is_possible
    }

    /// From now on a clock that differs from `at` by more than `max_difference` is not believed.
    pub(super) const fn expect(&mut self, at: Timestamp, instant: Instant, max_difference: Duration) {
        self.expected = Some(ExpectedTime { at, instant, max_difference });
    }
}

impl ExpectedTime {
    fn believed(self, at: Timestamp, instant: Instant) -> Timestamp {
        let passed = instant.saturating_duration_since(self.instant);
        let expected = self.at.saturating_add(passed).unwrap_or(Timestamp::MAX);
        let difference = at.duration_since(expected).unsigned_abs();
        if difference <= self.max_difference { at } else { expected }
    }
}

impl Position {
    /// 48 bits of time, 12 and 30 bits of the count, 32 random bits (RFC 9562 5.7).
    fn uuid(self, random: u128) -> Uuid {
        let count = u128::from(self.count);
        let bits = (count >> 30) << 64 | (count & 0x3fff_ffff) << 32 | random & 0xffff_ffff;
        let [_, _, _, _, _, _, bytes @ ..] = bits.to_be_bytes();
        Builder::from_unix_timestamp_millis(self.milliseconds, &bytes).into_uuid()
    }

    fn read(id: Uuid) -> Self {
        let bits = id.as_u128();
        let count = (bits >> 64 & 0xfff) << 30 | bits >> 32 & 0x3fff_ffff;
        Self {
            milliseconds: u64::try_from(bits >> 80).unwrap_or(0),
            count: u64::try_from(count).unwrap_or(0),
        }
    }
}

/// The highest count: 42 bits.
const MAX_COUNT: u128 = (1 << 42) - 1;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Clock;

    const HOUR: Duration = Duration::from_hours(1);
    const DAY: Duration = Duration::from_hours(24);

    /// A machine whose clock can be set; its monotonic time goes on.
    struct Machine {
        order: ArrivalOrder,
        clock: Clock,
        wall: Timestamp,
    }

    impl Machine {
        fn new() -> Self {
            let wall = "2026-06-01T12:00:00Z".parse().unwrap();
            Self { order: ArrivalOrder::new(), clock: Clock::manual(wall), wall }
        }

        fn next(&mut self) -> Uuid {
            self.order.next(self.wall, self.clock.instant())
        }

        fn pass(&mut self, time: Duration) {
            self.clock.advance(time);
            self.wall += time;
        }
    }

    fn milliseconds(id: Uuid) -> i64 {
        i64::try_from(Position::read(id).milliseconds).unwrap()
    }

    #[test]
    fn identifiers_are_uuids_of_version_7_whose_position_can_be_read() {
        let mut machine = Machine::new();
        for _ in 0..1000 {
            let id = machine.next();
            assert_eq!((id.get_version_num(), id.get_variant()), (7, uuid::Variant::RFC4122));
            assert_eq!(Position::read(id), machine.order.last);
            assert_eq!(milliseconds(id), machine.wall.as_millisecond());
        }
    }

    #[test]
    fn identifiers_stay_in_order_of_arrival_while_the_clock_steps_forward_and_back() {
        let mut machine = Machine::new();
        let mut made = vec![machine.next()];
        for step in [6, -6, -48, 30, -1, 24] {
            machine.wall += jiff::SignedDuration::from_hours(step);
            for _ in 0..100 {
                machine.pass(Duration::from_micros(400));
                made.push(machine.next());
            }
        }
        assert!(made.is_sorted_by(|earlier, later| earlier < later));
        // Six hours ahead once; not further ahead with every identifier.
        assert!(milliseconds(made[300]) - milliseconds(made[0]) <= 6 * 3_600_000 + 1000);
    }

    #[test]
    fn a_process_continues_behind_the_last_identifier_of_the_former_one() {
        let mut former = Machine::new();
        former.wall += 6 * HOUR;
        let last = (0..1000).map(|_| former.next()).last().unwrap();
        let mut machine = Machine::new();
        assert!(machine.next() < last, "the clock was corrected meanwhile");
        assert!(machine.order.continue_after(last, machine.wall + DAY));
        let made: Vec<Uuid> = (0..1000).map(|_| machine.next()).collect();
        assert!(last < made[0] && made.is_sorted());
        // Time catches up, and identifiers follow it again.
        machine.pass(7 * HOUR);
        assert_eq!(milliseconds(machine.next()), machine.wall.as_millisecond());
    }

    #[test]
    fn an_identifier_of_an_impossible_time_is_not_continued() {
        let mut former = Machine::new();
        former.wall += 100 * DAY;
        let mut machine = Machine::new();
        assert!(!machine.order.continue_after(former.next(), machine.wall + DAY));
        assert_eq!(milliseconds(machine.next()), machine.wall.as_millisecond());
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_move_the_believed_time() {
        let mut machine = Machine::new();
        machine.order.expect(machine.wall, machine.clock.instant(), DAY);
        machine.clock.advance(8 * DAY);
        let believed = machine.order.believed(machine.wall, machine.clock.instant());
        assert_eq!(believed, machine.wall + 8 * DAY);
        let right = machine.wall + 8 * DAY + HOUR;
        assert_eq!(machine.order.believed(right, machine.clock.instant()), right);
    }

    #[test]
    fn a_clock_that_is_not_believed_does_not_move_identifiers() {
        for wrong in [31, -31, 20_000, -20_000] {
            let mut machine = Machine::new();
            let first = machine.next();
            machine.order.expect(machine.wall, machine.clock.instant(), 3 * DAY);
            machine.wall += jiff::SignedDuration::from_hours(wrong * 24);
            machine.pass(HOUR);
            let id = machine.next();
            assert_eq!(milliseconds(id) - milliseconds(first), 3_600_000, "{wrong} days");
            // Corrected again.
            machine.wall -= jiff::SignedDuration::from_hours(wrong * 24);
            machine.pass(HOUR);
            let later = machine.next();
            assert!(id < later);
            assert_eq!(milliseconds(later), machine.wall.as_millisecond());
        }
    }

    #[test]
    fn a_full_count_moves_on_by_one_millisecond() {
        let mut machine = Machine::new();
        let id = machine.next();
        machine.order.last.count = u64::try_from(MAX_COUNT).unwrap();
        let full = machine.order.last;
        let next = machine.next();
        assert!(Position::read(next) > full);
        assert_eq!(milliseconds(next), milliseconds(id) + 1);
    }
}
