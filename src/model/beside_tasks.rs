//! Long computations on a runtime.

use std::future::{Future, poll_fn};
use std::num::NonZero;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::Semaphore;

/// Computes on the current thread, while another thread takes over the tasks of this worker: a computation of
/// many milliseconds then delays no other task. The operating system shares the processors.
pub(crate) fn beside_tasks<T>(compute: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(compute),
        // A runtime with one thread, in tests and commands, or none.
        _ => compute(),
    }
}

/// Runs a future each step of which may be such a computation: for work whose cost depends on what others
/// have stored. It waits and is dropped as any other.
pub(crate) async fn steps_beside_tasks<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    poll_fn(|context| beside_tasks(|| future.as_mut().poll(context))).await
}

/// Turns on the processors, for what is asked of the platform beside the messages of devices. Clones share
/// them.
#[derive(Debug, Clone)]
pub(crate) struct ComputingTurns(Arc<Semaphore>);

impl ComputingTurns {
    /// As many turns as there are processors but one, which is left to devices, and at least one.
    pub(crate) fn beside_devices() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
        Self(Arc::new(Semaphore::new(processors.saturating_sub(1).max(1))))
    }

    /// Runs a future as [`steps_beside_tasks`] does, each step in a turn: however many futures there are, so
    /// many threads compute, and the others wait in their order.
    pub(crate) async fn steps<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        loop {
            let turn = self.0.acquire().await;
            let step = poll_fn(|context| Poll::Ready(beside_tasks(|| future.as_mut().poll(context)))).await;
            drop(turn);
            match step {
                Poll::Ready(output) => return output,
                Poll::Pending => until_woken().await,
            }
        }
    }
}

/// Waits until this task is woken.
async fn until_woken() {
    let mut is_polled = false;
    poll_fn(|_| if std::mem::replace(&mut is_polled, true) { Poll::Ready(()) } else { Poll::Pending }).await;
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::channel;
    use std::time::Duration;

    use super::*;

    /// With as many endless computations as the runtime has threads, the other tasks still run.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn other_tasks_run_while_steps_compute() {
        let computing: Vec<_> = (0..2)
            .map(|_| {
                let (release, wait) = channel::<()>();
                let step = async move { wait.recv().is_err() };
                (release, tokio::spawn(steps_beside_tasks(step)))
            })
            .collect();
        tokio::spawn(async { tokio::time::sleep(Duration::from_millis(20)).await }).await.unwrap();
        for (release, step) in computing {
            drop(release);
            assert!(step.await.unwrap());
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn as_many_steps_compute_as_there_are_turns() {
        static COMPUTING: AtomicUsize = AtomicUsize::new(0);
        let turns = ComputingTurns(Arc::new(Semaphore::new(2)));
        let all: Vec<_> = (0..20)
            .map(|_| {
                let turns = turns.clone();
                tokio::spawn(async move {
                    turns
                        .steps(async {
                            for _ in 0..5 {
                                let others = COMPUTING.fetch_add(1, Ordering::SeqCst);
                                assert!(others < 2, "{others} others compute");
                                let (_open, never) = channel::<()>();
                                assert!(never.recv_timeout(Duration::from_micros(200)).is_err());
                                COMPUTING.fetch_sub(1, Ordering::SeqCst);
                                tokio::time::sleep(Duration::from_micros(50)).await;
                            }
                        })
                        .await;
                })
            })
            .collect();
        for one in all {
            one.await.unwrap();
        }
        // Who is dropped while it waits takes no turn with it.
        let held = turns.0.acquire_many(2).await.unwrap();
        assert!(tokio::time::timeout(Duration::from_millis(5), turns.steps(async {})).await.is_err());
        drop(held);
        turns.steps(async {}).await;
    }
}
