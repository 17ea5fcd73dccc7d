//! What is being fetched: several that want the same wait for one.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};

use super::error::{AttemptError, FailedAttempt};

/// What came of it: nothing more to say, or what was tried in vain.
pub(super) type Outcome = Result<(), Vec<FailedAttempt>>;

/// Everything that is under way, by name. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct SingleFlight(Arc<Mutex<HashMap<String, SharedTask>>>);

type SharedTask = Shared<BoxFuture<'static, Outcome>>;

/// Takes a flight off the list when it has ended, however it ended: one that panicked must not answer for ever.
struct InFlightGuard {
    flights: SingleFlight,
    key: String,
}

impl SingleFlight {
    /// Runs `work` unless it is under way already, and waits for it. It goes on when nobody waits any more: the next
    /// one who asks finds the answer.
    pub(super) async fn join(
        &self,
        key: String,
        work: impl Future<Output = Outcome> + Send + 'static,
    ) -> Outcome {
        let flight = {
            let mut flights = self.lock();
            match flights.get(&key) {
                Some(flight) => flight.clone(),
                None => {
                    let landing = InFlightGuard { flights: self.clone(), key: key.clone() };
                    let task = tokio::spawn(async move {
                        let _landing = landing;
                        work.await
                    });
                    let what = key.clone();
                    let broken =
                        move |_| Err(vec![FailedAttempt { target: what, error: AttemptError::Fault }]);
                    let flight = async move { task.await.unwrap_or_else(broken) }.boxed().shared();
                    flights.insert(key, flight.clone());
                    flight
                }
            }
        };
        flight.await
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, SharedTask>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        self.flights.lock().remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn those_who_want_the_same_wait_for_one() {
        let (flights, runs) = (SingleFlight::default(), Arc::new(AtomicUsize::new(0)));
        let join = |key: &str| {
            let (flights, runs, key) = (flights.clone(), Arc::clone(&runs), key.to_owned());
            async move {
                let work = async move {
                    runs.fetch_add(1, Ordering::SeqCst);
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    Ok(())
                };
                flights.join(key, work).await
            }
        };
        let (one, two, other) = tokio::join!(join("a"), join("a"), join("b"));
        assert!(one.is_ok() && two.is_ok() && other.is_ok());
        assert_eq!(runs.load(Ordering::SeqCst), 2);
        assert!(join("a").await.is_ok());
        assert_eq!(runs.load(Ordering::SeqCst), 3, "what has landed is asked anew");
        assert!(flights.lock().is_empty());
    }

    #[tokio::test]
    async fn one_that_panics_is_asked_again() {
        let flights = SingleFlight::default();
        let broken = flights.join("a".to_owned(), async { panic!("a fault of ours") }).await;
        assert_eq!(broken.unwrap_err()[0].error, AttemptError::Fault);
        assert_eq!(flights.join("a".to_owned(), async { Ok(()) }).await, Ok(()));
    }

    #[tokio::test]
    async fn it_goes_on_when_nobody_waits() {
        let (flights, done) = (SingleFlight::default(), Arc::new(AtomicUsize::new(0)));
        let end = Arc::clone(&done);
        let work = async move {
            tokio::time::sleep(Duration::from_millis(20)).await;
            end.fetch_add(1, Ordering::SeqCst);
            Ok(())
        };
        let waiting = flights.join("a".to_owned(), work);
        assert!(tokio::time::timeout(Duration::from_millis(1), waiting).await.is_err());
        assert!(flights.join("a".to_owned(), async { unreachable!("it is under way") }).await.is_ok());
        assert_eq!(done.load(Ordering::SeqCst), 1);
    }
}
