//! What `/readyz` knows of the store: one check at a time, and the result of the last one.
//!
//! A store that stands lets a check wait for seconds. A balancer or a kubelet gives up before, and then takes
//! a node out that still serves its devices, so a request gets what the last check found as soon as its own
//! takes longer than [`ANSWER_WITHIN`]. The check goes on, and the next requests get its result.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::timeout;

use crate::finding::Code;
use crate::model::Clock;

/// Why the store is not ready; `None`: it is.
pub(super) type Outcome = Option<(Code, String)>;

/// The checks. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct StoreCheck(Arc<watch::Sender<Known>>, Clock);

#[derive(Debug, Default)]
struct Known {
    is_running: bool,
    /// Checks that have ended.
    ended: u64,
    /// What the last one found, and when it ended.
    last: Option<(Instant, Outcome)>,
}

/// Ends a check, also one that has panicked.
struct Running(StoreCheck);

impl Default for StoreCheck {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(Known::default())), Clock::system())
    }
}

impl StoreCheck {
    /// What is known of the store now. Runs `check` unless one runs, and waits for its result for half a
    /// second; or to its end, if no earlier one ended within [`REMEMBERED_FOR`].
    pub(super) async fn outcome(&self, check: impl Future<Output = Outcome> + Send + 'static) -> Outcome {
        self.outcome_within(check, ANSWER_WITHIN, REMEMBERED_FOR).await
    }

    async fn outcome_within(
        &self,
        check: impl Future<Output = Outcome> + Send + 'static,
        answer_within: Duration,
        remembered_for: Duration,
    ) -> Outcome {
        let mut seen = self.0.subscribe();
        let mut begins = false;
        let mut ended = 0;
        self.0.send_if_modified(|known| {
            begins = !std::mem::replace(&mut known.is_running, true);
            ended = known.ended;
            false
        });
        if begins {
            let running = Running(self.clone());
            tokio::spawn(async move {
                let outcome = check.await;
                let now = running.0.1.instant();
                running.0.0.send_modify(|known| known.last = Some((now, outcome)));
            });
        }
        if timeout(answer_within, seen.wait_for(|known| known.ended != ended)).await.is_err() {
            let remembered = self.0.borrow().last.clone();
            if let Some((_, outcome)) =
                remembered.filter(|(at, _)| self.1.instant().saturating_duration_since(*at) < remembered_for)
            {
                return outcome;
            }
            // The sender is this object: the wait ends with a value.
            let _ = seen.wait_for(|known| known.ended != ended).await;
        }
        let last = self.0.borrow().last.clone();
        last.map_or_else(|| Some((Code::TaskFailed, FAULT.to_owned())), |(_, outcome)| outcome)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.0.send_modify(|known| {
            known.is_running = false;
            known.ended = known.ended.wrapping_add(1);
        });
    }
}

/// A request is answered within this time, if an earlier check has ended lately: less than the timeouts of
/// probes, which are one or two seconds.
const ANSWER_WITHIN: Duration = Duration::from_millis(500);
/// How long the result of a check stands for that of the next one. A check takes ten seconds at most.
const REMEMBERED_FOR: Duration = Duration::from_secs(30);
/// The reason of a store whose first check ended by a fault of the program.
const FAULT: &str = "the check of the store ended because of a fault";

#[cfg(test)]
mod tests {
    use super::*;

    fn failure() -> Outcome {
        Some((Code::StoreUnavailable, "it stands".to_owned()))
    }

    /// A check that fails as soon as it is let go.
    fn held() -> (tokio::sync::oneshot::Sender<()>, impl Future<Output = Outcome> + Send + 'static) {
        let (end, ended) = tokio::sync::oneshot::channel();
        let check = async move {
            let _ = ended.await;
            failure()
        };
        (end, check)
    }

    #[tokio::test]
    async fn a_check_that_takes_long_is_answered_with_the_last_result() {
        let checks = StoreCheck::default();
        assert_eq!(checks.outcome(async { None }).await, None);
        let (end, check) = held();
        let soon = |check| checks.outcome_within(check, Duration::ZERO, Duration::MAX);
        assert_eq!(soon(check).await, None, "the result of the last one");
        assert_eq!(soon(held().1).await, None, "one check at a time");
        end.send(()).unwrap();
        let mut seen = checks.0.subscribe();
        seen.wait_for(|known| known.ended == 2).await.unwrap();
        let (_end, check) = held();
        assert_eq!(soon(check).await, failure());
    }

    #[tokio::test]
    async fn a_check_is_waited_for_where_no_earlier_one_has_ended_lately() {
        let checks = StoreCheck::default();
        for _ in 0..2 {
            let (end, check) = held();
            let waiting = checks.outcome_within(check, Duration::ZERO, Duration::ZERO);
            let (outcome, ()) = tokio::join!(waiting, async { end.send(()).unwrap() });
            assert_eq!(outcome, failure());
        }
        assert_eq!(checks.outcome_within(async { None }, Duration::MAX, Duration::ZERO).await, None);
    }

    #[tokio::test]
    async fn a_check_that_panicked_does_not_stop_the_next_one() {
        let checks = StoreCheck::default();
        let (code, _) = checks.outcome(async { panic!("a fault of ours") }).await.unwrap();
        assert_eq!(code, Code::TaskFailed);
        assert_eq!(checks.outcome(async { None }).await, None);
    }
}
