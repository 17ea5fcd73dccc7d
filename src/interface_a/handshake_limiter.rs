//! How many handshakes run at once, and where.
//!
//! A handshake is milliseconds of arithmetic between two waits, a message is microseconds. On one set of threads the
//! sessions that are open would wait behind those that arrive, so handshakes have threads of their own, one per core, and
//! the scheduler prefers the others.

use std::future::Future;
use std::io;
use std::num::NonZero;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::model::{Task, injected_fault};

/// How much the scheduler holds back the threads of handshakes while others want to run: with 5, a contended core goes
/// to handshakes for a quarter of the time, so that nobody waits for ever on either side.
const NICENESS: i32 = 5;

/// Threads for what handshakes hand over, beside one for each that waits for an answer about revocation: names that are
/// looked up, answers that are read from the disk, CRLs that are taken in.
const BESIDE: usize = 128;

/// Where handshakes are done.
#[derive(Debug)]
pub(super) struct HandshakeLimiter {
    turns: Semaphore,
    /// Always there, until the drop.
    threads: Option<Runtime>,
    /// Cancelled when the threads run nothing any more.
    ended: CancellationToken,
}

impl HandshakeLimiter {
    /// For at most `at_once` handshakes; more wait their turn.
    ///
    /// # Errors
    /// When the operating system gives no threads.
    pub(super) fn new(at_once: usize) -> io::Result<Self> {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        let threads = Builder::new_multi_thread()
            .worker_threads(cores)
            // A handshake that waits holds its thread (rustls cannot wait otherwise), and another takes its place: were
            // there fewer, the last would wait for nobody.
            .max_blocking_threads(at_once.saturating_add(BESIDE))
            .thread_name("handshake")
            // On Linux the calling thread alone. Where it is not allowed, handshakes run like everything else.
            .on_thread_start(|| {
                let _ = rustix::process::setpriority_process(None, NICENESS);
            })
            .enable_all()
            .build()?;
        let ended = CancellationToken::new();
        let guard = ended.clone().drop_guard();
        // Ends with the runtime, and not before.
        threads.spawn(async move {
            let _guard = guard;
            injected_fault(Task::Handshakes).await;
        });
        Ok(Self { turns: Semaphore::new(at_once), threads: Some(threads), ended })
    }

    /// Cancelled when the threads run nothing any more; before the drop that is a fault.
    pub(super) fn ended(&self) -> CancellationToken {
        self.ended.clone()
    }

    /// Does one handshake when its turn has come; `None` when there are no turns any more. `handshake` is called then,
    /// so that its time begins then. Whoever stops waiting ends it.
    pub(super) async fn run<F>(&self, handshake: impl FnOnce() -> F) -> Option<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let _turn = self.turns.acquire().await.ok()?;
        match AbortOnDropHandle::new(self.threads.as_ref()?.spawn(handshake())).await {
            Ok(done) => Some(done),
            Err(ended) => ended.try_into_panic().map_or(None, |panic| std::panic::resume_unwind(panic)),
        }
    }
}

impl Drop for HandshakeLimiter {
    fn drop(&mut self) {
        // The last owner may be a task, where nothing may wait for threads to end.
        if let Some(threads) = self.threads.take() {
            threads.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn no_more_than_so_many_at_once_and_all_in_the_end() {
        let handshake_limiter = Arc::new(HandshakeLimiter::new(3).unwrap());
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..20 {
            let (handshake_limiter, now, most) =
                (Arc::clone(&handshake_limiter), Arc::clone(&now), Arc::clone(&most));
            tasks.spawn(async move {
                handshake_limiter
                    .run(|| async move {
                        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
                        now.fetch_sub(1, Ordering::SeqCst);
                    })
                    .await
            });
        }
        while let Some(done) = tasks.join_next().await {
            assert_eq!(done.unwrap(), Some(()));
        }
        assert_eq!(most.load(Ordering::SeqCst), 3);
    }

    #[tokio::test]
    async fn a_panic_is_the_callers_and_leaves_its_turn_to_others() {
        let handshake_limiter = Arc::new(HandshakeLimiter::new(1).unwrap());
        let own = Arc::clone(&handshake_limiter);
        let task = tokio::spawn(async move { own.run(|| async { panic!("a fault of ours") }).await });
        assert!(task.await.unwrap_err().is_panic());
        assert_eq!(
            handshake_limiter.run(|| async { std::thread::current().name() == Some("handshake") }).await,
            Some(true)
        );
    }

    #[tokio::test]
    async fn a_handshake_ends_with_whoever_waits_for_it() {
        struct Ended(Option<tokio::sync::oneshot::Sender<()>>);
        impl Drop for Ended {
            fn drop(&mut self) {
                let _ = self.0.take().unwrap().send(());
            }
        }
        let handshake_limiter = HandshakeLimiter::new(1).unwrap();
        let (sender, ended) = tokio::sync::oneshot::channel();
        let mark = Ended(Some(sender));
        let waiting = handshake_limiter.run(|| async move {
            let _mark = mark;
            std::future::pending::<()>().await;
        });
        assert!(tokio::time::timeout(std::time::Duration::from_millis(20), waiting).await.is_err());
        ended.await.unwrap();
    }
}
