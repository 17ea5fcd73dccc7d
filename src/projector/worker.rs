//! The thread on which messages are mapped for the index.
//!
//! It has a low priority: while devices need all processors, it has a small share of one, and otherwise as
//! much as it can use. It is not the lowest one, so that other programs of the machine cannot stop the index.

use std::io;
use std::sync::mpsc;
use std::thread;

use tokio::sync::oneshot;

type Job = Box<dyn FnOnce() + Send>;

/// The thread, until this is dropped.
#[derive(Debug)]
pub(super) struct Worker(mpsc::Sender<Job>);

impl Worker {
    /// Starts it.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub(super) fn start() -> io::Result<Self> {
        let (jobs, queue) = mpsc::channel::<Job>();
        let work = move || {
            // A unit or a container may forbid it; then the pause after each batch is what leaves time.
            if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
                tracing::debug!(%error, "the thread that maps messages has the priority of all others");
            }
            queue.into_iter().for_each(|job| job());
        };
        thread::Builder::new().name("projector".to_owned()).spawn(work).map(|_| Self(jobs))
    }

    /// Runs a job there; `None` when it did not come to its end.
    pub(super) async fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let (answer, done) = oneshot::channel();
        let job = move || {
            let _ = answer.send(job());
        };
        self.0.send(Box::new(job)).ok()?;
        done.await.ok()
    }
}

/// The nice value: a tenth of the share of the threads that serve devices.
const NICENESS: i32 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_job_that_panics_has_no_result_and_neither_has_a_later_one() {
        let worker = Worker::start().unwrap();
        assert_eq!(
            worker.run(|| thread::current().name().map(str::to_owned)).await,
            Some(Some("projector".into()))
        );
        assert_eq!(
            worker.run(|| rustix::process::getpriority_process(None).ok()).await,
            Some(Some(NICENESS))
        );
        assert_eq!(worker.run(|| -> u32 { panic!("a fault") }).await, None);
        assert_eq!(worker.run(|| 1).await, None, "its thread has ended");
    }
}
