//! Identifiers of stored messages and of sessions.

use std::fmt;
use std::str::FromStr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

use super::arrival_order::ArrivalOrder;
use super::clock::Clock;

/// The identifier of a received message: a UUID of version 7 (RFC 9562 5.7). Identifiers sort in order of
/// arrival: within one millisecond, when the clock steps back, and after a restart too.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct MessageId(Uuid);

/// The identifier of a session in logs, in the store and in the audit trail.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct SessionId(Uuid);

/// A text that is not a message id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a message id looks like 0198c6a1-7d2e-7c52-9b0e-3f6f2f0c1a55")]
pub struct MessageIdError;

impl MessageId {
    /// A new identifier for a message that arrived at `at`.
    #[must_use]
    pub fn at(at: Timestamp) -> Self {
        Self(uuid_v7(at))
    }

    /// Later identifiers of this process follow `last`, which an earlier process made: a clock that was set
    /// back between them does not disturb the order of arrival. An identifier of a time after `until` is the
    /// mistake of a clock; then nothing changes, and the result is false.
    #[must_use]
    pub fn continue_after(last: Self, until: Timestamp) -> bool {
        order().continue_after(last.0, until)
    }

    /// From now on identifiers of this process follow a clock only while it differs from the expected time by
    /// at most `max_difference`, and the expected time otherwise: `at` now, and then monotonic time.
    pub fn expect_time(at: Timestamp, max_difference: Duration) {
        order().expect(at, Clock::system().instant(), max_difference);
    }

    /// The time of the clock, or the expected time while the clock is not believed.
    #[must_use]
    pub fn believed_time(at: Timestamp) -> Timestamp {
        order().believed(at, Clock::system().instant())
    }

    /// The time in the identifier, in milliseconds.
    #[must_use]
    pub fn time(&self) -> Timestamp {
        let milliseconds = i64::try_from(self.0.as_u128() >> 80).unwrap_or(i64::MAX);
        Timestamp::from_millisecond(milliseconds).unwrap_or(Timestamp::MAX)
    }

    /// The 16 bytes of the UUID.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// The identifier with these 16 bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }
}

impl SessionId {
    /// A new identifier for a connection that was accepted at `at`.
    #[must_use]
    pub fn at(at: Timestamp) -> Self {
        Self(uuid_v7(at))
    }
}

impl FromStr for MessageId {
    type Err = MessageIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self).map_err(|_| MessageIdError)
    }
}

impl FromStr for SessionId {
    type Err = MessageIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self).map_err(|_| MessageIdError)
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

fn uuid_v7(at: Timestamp) -> Uuid {
    let instant = Clock::system().instant();
    order().next(at, instant)
}

fn order() -> MutexGuard<'static, ArrivalOrder> {
    ORDER.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One order for the process, because messages of all sessions are listed together.
static ORDER: Mutex<ArrivalOrder> = Mutex::new(ArrivalOrder::new());

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_sort_by_arrival_and_parse() {
        let early = MessageId::at(Timestamp::from_second(1_700_000_000).unwrap());
        let late = MessageId::at(Timestamp::from_second(1_700_000_001).unwrap());
        assert!(early < late);
        assert_eq!(early.to_string().parse(), Ok(early));
        assert_eq!("not-an-id".parse::<MessageId>(), Err(MessageIdError));
        assert_eq!(MessageId::from_bytes(*late.as_bytes()), late);
    }

    #[test]
    fn identifiers_of_one_millisecond_sort_by_arrival_across_threads() {
        const EACH: usize = 2_000;
        let at = Timestamp::from_second(1_700_000_000).unwrap();
        let arrived = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let mut last = MessageId::at(at);
                    for _ in 0..EACH {
                        let next = MessageId::at(at);
                        assert!(last < next, "in one thread, without a lock between");
                        // An identifier after one of another thread is greater too.
                        let mut arrived = arrived.lock().unwrap();
                        last = MessageId::at(at);
                        arrived.push(last);
                        assert!(next < last);
                    }
                });
            }
        });
        let arrived = arrived.into_inner().unwrap();
        assert_eq!(arrived.len(), 8 * EACH);
        assert!(arrived.is_sorted_by(|earlier, later| earlier < later), "strictly, and none twice");
    }

    #[test]
    fn identifiers_keep_increasing_when_the_clock_steps_back() {
        let before = MessageId::at(Timestamp::from_second(1_700_000_100).unwrap());
        let after = MessageId::at(Timestamp::from_second(1_700_000_000).unwrap());
        assert!(before < after);
    }
}
