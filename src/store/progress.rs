//! Whether messages are stored as they arrive.
//!
//! A probe shows that the probe can be written. Whether messages can be stored, messages show: how long ago
//! the last one was committed, while others wait or fail. When no message arrives, the probe decides.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::model::DeviceId;
use crate::store::error::StoreError;

/// The messages that wait for their commit, and what became of the last ones.
#[derive(Debug, Default)]
pub(in crate::store) struct Progress(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Messages that wait now.
    waiting: u64,
    /// When the first message arrived after the last commit of one.
    since: Option<Instant>,
    /// The last failure after the last commit of a message, and after the last probe.
    failure: Option<StoreError>,
    failed_at: Option<Instant>,
    /// The messages that the database refused after the last commit of one.
    refusals: Option<Refusals>,
}

/// Messages that the database refused for their content, without one that it took between them.
#[derive(Debug)]
struct Refusals {
    since: Instant,
    last: Instant,
    /// The device of the first one.
    device: DeviceId,
    /// Whether those of another device were refused as well.
    are_of_several: bool,
    error: StoreError,
}

/// A message that waits.
#[derive(Debug)]
pub(in crate::store) struct Arrival<'p> {
    progress: &'p Progress,
    device: DeviceId,
}

/// Messages arrive and none is stored.
#[derive(Debug)]
pub(in crate::store) struct Stall {
    /// Since the first of them has arrived.
    pub(in crate::store) age: Duration,
    /// The last failure; none while they wait.
    pub(in crate::store) failure: Option<StoreError>,
}

impl Progress {
    /// A message has arrived.
    pub(in crate::store) fn arrive(&self, device: DeviceId, now: Instant) -> Arrival<'_> {
        let mut state = self.lock();
        let is_old = |at: Instant| now.saturating_duration_since(at) > QUIET_AFTER;
        if state.waiting == 0 && state.failed_at.is_none_or(is_old) {
            // What failed long ago says nothing about this one.
            state.forget_failure();
        }
        state.waiting += 1;
        state.since.get_or_insert(now);
        drop(state);
        Arrival { progress: self, device }
    }

    /// Whether messages have waited or failed for [`MAX_AGE`], or the database has refused those of several
    /// devices for so long, or of one for [`MAX_REFUSED_AGE`], and none was committed.
    pub(in crate::store) fn stall(&self, now: Instant) -> Option<Stall> {
        let state = self.lock();
        state.waiting_stall(now).or_else(|| state.refusals.as_ref()?.stall(now))
    }

    /// A probe was written: what failed before it counts no more, unless another message fails.
    pub(in crate::store) fn probed(&self) {
        self.lock().failure = None;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Arrival<'_> {
    /// The message was committed, or not. A message that the database refuses for its content says nothing
    /// about others: one device must not make the platform unready. But if those of other devices are refused
    /// as well, and none is taken, then the database refuses messages.
    pub(in crate::store) fn finish<T>(self, outcome: &Result<T, StoreError>, now: Instant) {
        let mut state = self.progress.lock();
        match outcome {
            Ok(_) => {
                state.forget_failure();
                state.refusals = None;
                // Others wait still, from now on for the next commit.
                state.since = (state.waiting > 1).then_some(now);
            }
            Err(error @ StoreError::Refused(_)) => state.refuse(&self.device, error, now),
            Err(error) => {
                state.failure = Some(error.clone());
                state.failed_at = Some(now);
            }
        }
    }
}

impl Drop for Arrival<'_> {
    /// Also when its session has ended meanwhile.
    fn drop(&mut self) {
        let mut state = self.progress.lock();
        state.waiting = state.waiting.saturating_sub(1);
        if state.waiting == 0 && state.failed_at.is_none() {
            state.since = None;
        }
    }
}

impl State {
    fn waiting_stall(&self, now: Instant) -> Option<Stall> {
        let age = now.saturating_duration_since(self.since?);
        let is_stalled = age >= MAX_AGE && (self.waiting > 0 || self.failure.is_some());
        is_stalled.then(|| Stall { age, failure: self.failure.clone() })
    }

    fn refuse(&mut self, device: &DeviceId, error: &StoreError, now: Instant) {
        let known = self.refusals.take().filter(|known| known.is_recent(now));
        self.refusals = Some(match known {
            Some(known) => Refusals {
                are_of_several: known.are_of_several || known.device != *device,
                last: now,
                error: error.clone(),
                ..known
            },
            None => Refusals {
                since: now,
                last: now,
                device: device.clone(),
                are_of_several: false,
                error: error.clone(),
            },
        });
    }

    fn forget_failure(&mut self) {
        self.since = None;
        self.failure = None;
        self.failed_at = None;
    }
}

impl Refusals {
    /// Whether one was refused lately: of those of long ago nothing follows.
    fn is_recent(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.last) <= QUIET_AFTER
    }

    fn stall(&self, now: Instant) -> Option<Stall> {
        let age = now.saturating_duration_since(self.since);
        let limit = if self.are_of_several { MAX_AGE } else { MAX_REFUSED_AGE };
        (age >= limit && self.is_recent(now)).then(|| Stall { age, failure: Some(self.error.clone()) })
    }
}

/// Without a commit for so long, while messages arrive, the store does not do its work. As long as the
/// probe may take.
const MAX_AGE: Duration = Duration::from_secs(5);
/// The same, while only messages of one device arrive, and the database refuses them: either they are unfit,
/// or every message is refused.
const MAX_REFUSED_AGE: Duration = Duration::from_secs(60);
/// After so long without a message, the next one starts a new count.
const QUIET_AFTER: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    fn failed() -> Result<(), StoreError> {
        Err(StoreError::Closed)
    }

    fn device(name: &str) -> DeviceId {
        name.parse().unwrap()
    }

    fn refused() -> Result<(), StoreError> {
        let error = crate::store::error::DatabaseError::Sqlx(sqlx::Error::RowNotFound);
        Err(StoreError::Refused(std::sync::Arc::new(error)))
    }

    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn messages_that_fail_or_wait_are_a_stall_until_one_is_committed() {
        let (progress, start) = (Progress::default(), crate::model::Clock::system().instant());
        assert!(progress.stall(start).is_none());
        for second in 0..4 {
            progress.arrive(device("A"), after(start, second)).finish(&failed(), after(start, second));
            assert!(progress.stall(after(start, second)).is_none(), "not for long");
            progress.probed();
        }
        progress.arrive(device("A"), after(start, 6)).finish(&failed(), after(start, 6));
        let stall = progress.stall(after(start, 6)).unwrap();
        assert!(stall.age == Duration::from_secs(6) && stall.failure.is_some());
        // No other message arrives, and the probe can be written.
        progress.probed();
        assert!(progress.stall(after(start, 7)).is_none());
        progress.arrive(device("A"), after(start, 8)).finish(&failed(), after(start, 8));
        assert!(progress.stall(after(start, 8)).is_some(), "one fails again");
        progress.arrive(device("A"), after(start, 9)).finish(&Ok(()), after(start, 9));
        assert!(progress.stall(after(start, 100)).is_none());

        let (one, other) = (
            progress.arrive(device("A"), after(start, 100)),
            progress.arrive(device("A"), after(start, 104)),
        );
        let stall = progress.stall(after(start, 105)).unwrap();
        assert!(stall.failure.is_none(), "they wait");
        one.finish(&Ok(()), after(start, 105));
        assert!(progress.stall(after(start, 109)).is_none(), "counted from the last commit");
        assert!(progress.stall(after(start, 110)).is_some());
        drop(other);
        assert!(progress.stall(after(start, 200)).is_none(), "its session has ended");
    }

    #[test]
    fn a_message_that_the_database_refuses_is_no_stall() {
        let (progress, start) = (Progress::default(), crate::model::Clock::system().instant());
        for second in 0..60 {
            progress.arrive(device("A"), after(start, second)).finish(&refused(), after(start, second));
            assert!(progress.stall(after(start, second)).is_none());
        }
    }

    #[test]
    fn messages_that_the_database_refuses_are_a_stall_when_none_of_any_device_is_taken() {
        let (progress, start) = (Progress::default(), crate::model::Clock::system().instant());
        let arrive = |name: &str, second, outcome: Result<(), StoreError>| {
            let at = after(start, second);
            progress.arrive(device(name), at).finish(&outcome, at);
            progress.stall(at).map(|stall| (stall.age.as_secs(), stall.failure.is_some()))
        };
        // One device is refused, and the others are not.
        for second in 0..200 {
            assert_eq!(
                arrive(
                    ["A", "B"][second as usize % 2],
                    second,
                    [refused(), Ok(())][second as usize % 2].clone()
                ),
                None
            );
        }
        // All are.
        assert_eq!(arrive("A", 200, refused()), None);
        assert_eq!(arrive("B", 204, refused()), None, "not for long");
        assert_eq!(arrive("A", 205, refused()), Some((5, true)));
        progress.probed();
        assert!(progress.stall(after(start, 206)).is_some(), "the probe says nothing about messages");
        assert!(progress.stall(after(start, 300)).is_none(), "no message arrives any more");
        assert_eq!(arrive("A", 400, refused()), None, "counted again");
        assert_eq!(arrive("A", 430, refused()), None);
        assert_eq!(arrive("A", 460, refused()), Some((60, true)), "the only device");
        assert_eq!(arrive("B", 461, Ok(())), None);
    }

    #[test]
    fn a_failure_of_long_ago_does_not_count() {
        let (progress, start) = (Progress::default(), crate::model::Clock::system().instant());
        progress.arrive(device("A"), start).finish(&failed(), start);
        progress.arrive(device("A"), after(start, 3600)).finish(&failed(), after(start, 3600));
        assert!(progress.stall(after(start, 3600)).is_none());
    }
}
