//! Threads of their own for handshakes.
//!
//! A handshake is milliseconds of arithmetic between two waits; a message is microseconds. On shared threads
//! the open sessions would wait behind new connections. So handshakes have their own threads, one per core,
//! with a lower priority.

use std::future::Future;
use std::io;
use std::num::NonZero;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use crate::model::{Task, injected_fault};

/// Runs handshakes.
#[derive(Debug)]
pub(super) struct HandshakeThreads {
    threads: Threads,
    /// The handshakes that run.
    running: TaskTracker,
    /// Cancelled when the threads have ended.
    ended: CancellationToken,
}

/// The runtime of the handshakes. Its drop waits for no thread: the last owner may be a task, and a task must
/// not block.
#[derive(Debug)]
struct Threads(Option<Runtime>);

impl HandshakeThreads {
    /// For handshakes of which `max_blocking` block their thread at once.
    ///
    /// # Errors
    /// When the operating system provides no threads.
    pub(super) fn new(max_blocking: usize) -> io::Result<Self> {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        let threads = Builder::new_multi_thread()
            .worker_threads(cores)
            // A handshake that waits for a revocation check blocks its thread (rustls has no other way), and
            // a blocking thread takes over its work. With fewer of them, the last handshakes could not run.
            .max_blocking_threads(max_blocking.saturating_add(EXTRA_BLOCKING_THREADS))
            .thread_name("handshake")
            // On Linux this affects the calling thread only. Where it is not permitted, the priority stays
            // normal.
            .on_thread_start(|| {
                let _ = rustix::process::setpriority_process(None, NICENESS);
            })
            .enable_all()
            .build()?;
        let ended = CancellationToken::new();
        let guard = ended.clone().drop_guard();
        // This task ends when the runtime ends, not earlier.
        threads.spawn(async move {
            let _guard = guard;
            injected_fault(Task::Handshakes).await;
        });
        Ok(Self { threads: Threads(Some(threads)), running: TaskTracker::new(), ended })
    }

    /// Cancelled when the threads have ended; before the drop that is a fault.
    pub(super) fn ended(&self) -> CancellationToken {
        self.ended.clone()
    }

    /// Runs one handshake; `None` when the threads have ended. Dropping the future aborts the handshake.
    pub(super) async fn run<F>(&self, handshake: F) -> Option<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let handshake = self.running.track_future(handshake);
        match AbortOnDropHandle::new(self.threads.0.as_ref()?.spawn(handshake)).await {
            Ok(done) => Some(done),
            Err(ended) => ended.try_into_panic().map_or(None, |panic| std::panic::resume_unwind(panic)),
        }
    }
}

impl Drop for HandshakeThreads {
    /// Nothing awaits the handshakes any more, so they are aborted. One that blocks its thread goes on until
    /// its next wait; without the timer of its runtime it would panic there. So the runtime ends after it.
    fn drop(&mut self) {
        self.running.close();
        if self.running.is_empty() {
            return;
        }
        let (threads, running) = (Threads(self.threads.0.take()), self.running.clone());
        // Without a thread, the drop of the closure ends the runtime at once.
        let _ = std::thread::Builder::new().name("handshakes-end".to_owned()).spawn(move || {
            if let Some(runtime) = &threads.0 {
                runtime.block_on(async { tokio::time::timeout(END_TIMEOUT, running.wait()).await.ok() });
            }
        });
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(threads) = self.0.take() {
            threads.shutdown_background();
        }
    }
}

/// The nice value of the handshake threads. With 5, handshakes get a quarter of a contended core: neither
/// they nor the open sessions starve.
const NICENESS: i32 = 5;
/// How long the end of the runtime waits for aborted handshakes: longer than a revocation check blocks.
const END_TIMEOUT: Duration = Duration::from_secs(30);
/// Blocking threads for DNS resolution, cache files and CRLs, in addition to one for each handshake that
/// waits for a revocation check.
const EXTRA_BLOCKING_THREADS: usize = 128;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn a_panic_reaches_the_caller_and_ends_no_thread() {
        let threads = Arc::new(HandshakeThreads::new(1).unwrap());
        let own = Arc::clone(&threads);
        let task = tokio::spawn(async move { own.run(async { panic!("a fault of ours") }).await });
        assert!(task.await.unwrap_err().is_panic());
        assert_eq!(
            threads.run(async { std::thread::current().name() == Some("handshake") }).await,
            Some(true)
        );
    }

    /// tokio panics in a task that waits for its timer after the end of its runtime.
    #[tokio::test]
    async fn a_handshake_that_blocks_its_thread_ends_before_the_timer() {
        struct Ended(Option<tokio::sync::oneshot::Sender<bool>>);
        impl Drop for Ended {
            fn drop(&mut self) {
                let _ = self.0.take().unwrap().send(std::thread::panicking());
            }
        }
        let threads = HandshakeThreads::new(1).unwrap();
        let (sender, ended) = tokio::sync::oneshot::channel();
        let mark = Ended(Some(sender));
        let waiting = threads.run(async move {
            let _mark = mark;
            #[expect(clippy::disallowed_methods, reason = "the test blocks the thread on purpose")]
            tokio::task::block_in_place(|| std::thread::sleep(Duration::from_millis(1500)));
            tokio::time::sleep(Duration::from_millis(1)).await;
        });
        tokio::time::timeout(Duration::from_millis(100), waiting).await.unwrap_err();
        drop(threads);
        assert!(!ended.await.unwrap(), "the handshake panicked");
    }

    #[tokio::test]
    async fn a_handshake_is_aborted_when_its_caller_stops_waiting() {
        struct Ended(Option<tokio::sync::oneshot::Sender<()>>);
        impl Drop for Ended {
            fn drop(&mut self) {
                let _ = self.0.take().unwrap().send(());
            }
        }
        let threads = HandshakeThreads::new(1).unwrap();
        let (sender, ended) = tokio::sync::oneshot::channel();
        let mark = Ended(Some(sender));
        let waiting = threads.run(async move {
            let _mark = mark;
            std::future::pending::<()>().await;
        });
        assert!(tokio::time::timeout(std::time::Duration::from_millis(20), waiting).await.is_err());
        ended.await.unwrap();
    }
}
