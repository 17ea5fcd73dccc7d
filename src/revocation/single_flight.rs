//! Request coalescing: concurrent callers of one key share one run.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};

use super::error::{AttemptError, FailedAttempt};

/// Success without a value (the result is in the caches), or the attempts that failed.
pub(super) type AttemptResult = Result<(), Vec<FailedAttempt>>;

/// The runs in progress, by key. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct SingleFlight(Arc<Mutex<HashMap<String, SharedTask>>>);

type SharedTask = Shared<BoxFuture<'static, AttemptResult>>;

/// Removes a run when it ends. A run that panics is removed too, so that the next caller starts another.
struct InFlightGuard {
    calls: SingleFlight,
    key: String,
}

impl SingleFlight {
    /// Runs `work` unless a run of this key is in progress, and waits for the result. The run continues when
    /// all callers have gone; the next caller finds its result in the caches.
    pub(super) async fn run(
        &self,
        key: String,
        work: impl Future<Output = AttemptResult> + Send + 'static,
    ) -> AttemptResult {
        let call = {
            let mut calls = self.lock();
            match calls.get(&key) {
                Some(call) => call.clone(),
                None => {
                    let guard = InFlightGuard { calls: self.clone(), key: key.clone() };
                    let task = tokio::spawn(async move {
                        let _guard = guard;
                        work.await
                    });
                    let target = key.clone();
                    let panicked = move |_| Err(vec![FailedAttempt { target, error: AttemptError::Fault }]);
                    let call = async move { task.await.unwrap_or_else(panicked) }.boxed().shared();
                    calls.insert(key, call.clone());
                    call
                }
            }
        };
        call.await
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, SharedTask>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        self.calls.lock().remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn concurrent_callers_of_one_key_share_a_run() {
        let (calls, runs) = (SingleFlight::default(), Arc::new(AtomicUsize::new(0)));
        let run = |key: &str| {
            let (calls, runs, key) = (calls.clone(), Arc::clone(&runs), key.to_owned());
            async move {
                let work = async move {
                    runs.fetch_add(1, Ordering::SeqCst);
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    Ok(())
                };
                calls.run(key, work).await
            }
        };
        let (one, two, other) = tokio::join!(run("a"), run("a"), run("b"));
        assert!(one.is_ok() && two.is_ok() && other.is_ok());
        assert_eq!(runs.load(Ordering::SeqCst), 2);
        assert!(run("a").await.is_ok());
        assert_eq!(runs.load(Ordering::SeqCst), 3, "a finished run is not reused");
        assert!(calls.lock().is_empty());
    }

    #[tokio::test]
    async fn a_run_that_panicked_is_started_again() {
        let calls = SingleFlight::default();
        let panicked = calls.run("a".to_owned(), async { panic!("a fault of ours") }).await;
        assert_eq!(panicked.unwrap_err()[0].error, AttemptError::Fault);
        assert_eq!(calls.run("a".to_owned(), async { Ok(()) }).await, Ok(()));
    }

    #[tokio::test]
    async fn a_run_continues_when_its_callers_have_gone() {
        let (calls, done) = (SingleFlight::default(), Arc::new(AtomicUsize::new(0)));
        let (end, (finish, finished)) = (Arc::clone(&done), tokio::sync::oneshot::channel::<()>());
        let work = async move {
            let _ = finished.await;
            end.fetch_add(1, Ordering::SeqCst);
            Ok(())
        };
        let waiting = calls.run("a".to_owned(), work);
        assert!(tokio::time::timeout(Duration::from_millis(1), waiting).await.is_err());
        let again = calls.run("a".to_owned(), async { unreachable!("it is under way") });
        assert!(tokio::join!(again, async { finish.send(()).unwrap() }).0.is_ok());
        assert_eq!(done.load(Ordering::SeqCst), 1);
    }
}
