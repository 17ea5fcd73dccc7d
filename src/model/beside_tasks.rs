//! Long computations on a runtime.

use std::future::{Future, poll_fn};
use std::pin::pin;

use tokio::runtime::{Handle, RuntimeFlavor};

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

#[cfg(test)]
mod tests {
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
}
