//! The supervisor of the running parts.
//!
//! A part that ends before the shutdown, by a panic or by returning, is logged with its name and counted. If
//! the platform cannot do without it, the platform is not ready any more, drains and exits 70, so that its
//! service manager starts it again. A part of another kind is restarted after a backoff, or done without.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::metrics::Metrics;
use crate::model::{Clock, Task, explained, injected_fault};

/// The running parts of the platform.
#[derive(Debug)]
pub(super) struct Tasks {
    supervisor: Supervisor,
    /// Tasks, each of which ends when `done` is cancelled.
    running: JoinSet<()>,
    /// One for each thread, waiting for its end.
    watching: JoinSet<()>,
    done: CancellationToken,
    closing: CancellationToken,
}

/// Records the failures of running parts. Clones share everything.
#[derive(Debug, Clone)]
pub(super) struct Supervisor(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    metrics: Metrics,
    clock: Clock,
    drain: CancellationToken,
    /// The parts whose end was fatal, the first one first.
    failed: Mutex<Vec<Task>>,
}

/// How a part ended.
#[derive(Debug, Clone, Copy)]
enum End {
    Returned,
    Panicked,
}

/// What the platform does when a thread has ended.
#[derive(Debug, Clone, Copy)]
pub(super) enum OnEnd {
    /// It stops.
    Stop,
    /// It goes on: other parts do the work, more slowly.
    Degrade,
}

impl Tasks {
    /// No part yet. The end of a part cancels `drain` if it is fatal.
    pub(super) fn new(metrics: Metrics, clock: Clock, drain: CancellationToken) -> Self {
        let supervisor = Supervisor(Arc::new(Inner { metrics, clock, drain, failed: Mutex::default() }));
        Self {
            supervisor,
            running: JoinSet::new(),
            watching: JoinSet::new(),
            done: CancellationToken::new(),
            closing: CancellationToken::new(),
        }
    }

    /// Where failures are recorded.
    pub(super) fn supervisor(&self) -> Supervisor {
        self.supervisor.clone()
    }

    /// Cancelled when the sessions have ended and the tasks are to end as well.
    pub(super) fn done(&self) -> CancellationToken {
        self.done.clone()
    }

    /// Runs a task that the platform cannot do without until the tasks are to end.
    pub(super) fn spawn(&mut self, task: Task, work: impl Future<Output = ()> + Send + 'static) {
        let until = self.done.clone();
        self.spawn_until(task, until, work);
    }

    /// Runs a task that the platform cannot do without and that ends after `until` is cancelled. The token
    /// that is returned is cancelled when the task has ended.
    pub(super) fn spawn_until(
        &mut self,
        task: Task,
        until: CancellationToken,
        work: impl Future<Output = ()> + Send + 'static,
    ) -> CancellationToken {
        let (supervisor, ended) = (self.supervisor.clone(), CancellationToken::new());
        let guard = ended.clone().drop_guard();
        let run = async move {
            let _guard = guard;
            match attempt(task, work).await {
                End::Returned if until.is_cancelled() => {}
                end => supervisor.stop(task, end.as_str()),
            }
        };
        self.running.spawn(run.instrument(task.span()));
        ended
    }

    /// Runs a task until the tasks are to end, and starts it again with exponential backoff when it ends
    /// before that.
    pub(super) fn spawn_restarting<F>(&mut self, task: Task, mut work: impl FnMut() -> F + Send + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (supervisor, done) = (self.supervisor.clone(), self.done.clone());
        let run = async move {
            let clock = supervisor.0.clock.clone();
            let mut backoff = FIRST_BACKOFF;
            loop {
                let started = clock.instant();
                let end = attempt(task, work()).await;
                if done.is_cancelled() && matches!(end, End::Returned) {
                    return;
                }
                if clock.instant().saturating_duration_since(started) > STABLE_AFTER {
                    backoff = FIRST_BACKOFF;
                }
                supervisor.count(task);
                tracing::error!(
                    end = end.as_str(),
                    ?backoff,
                    "running part ended; it is restarted after the backoff"
                );
                tokio::select! {
                    () = done.cancelled() => return,
                    () = tokio::time::sleep(backoff) => {}
                }
                backoff = (backoff * 2).min(MAX_BACKOFF);
            }
        };
        self.running.spawn(run.instrument(task.span()));
    }

    /// Watches a thread that another module runs until [`Tasks::close`]; `ended` resolves when it has ended.
    pub(super) fn watch(
        &mut self,
        task: Task,
        on_end: OnEnd,
        ended: impl Future<Output = ()> + Send + 'static,
    ) {
        let (supervisor, closing) = (self.supervisor.clone(), self.closing.clone());
        let watch = async move {
            tokio::select! {
                biased;
                () = closing.cancelled() => return,
                () = ended => {}
            }
            match on_end {
                OnEnd::Stop => supervisor.stop(task, "ended"),
                OnEnd::Degrade => {
                    supervisor.count(task);
                    tracing::error!("running part ended; the platform goes on without it");
                }
            }
        };
        self.watching.spawn(watch.instrument(task.span()));
    }

    /// Ends the tasks and waits until all have ended.
    pub(super) async fn finish(&mut self) {
        self.done.cancel();
        while let Some(ended) = self.running.join_next().await {
            if let Err(error) = ended {
                tracing::error!(
                    error = %explained(&error),
                    "running part could not be awaited"
                );
            }
        }
    }

    /// From now on the threads may end.
    pub(super) fn close(&self) {
        self.closing.cancel();
    }
}

impl Supervisor {
    /// The parts whose end stops the platform, the first one first.
    pub(super) fn failed(&self) -> Vec<Task> {
        self.failures().clone()
    }

    /// Records the end of a part that the platform cannot do without. Draining begins before this returns:
    /// from then on no connection is accepted.
    pub(super) fn stop(&self, task: Task, end: &'static str) {
        self.failures().push(task);
        self.0.drain.cancel();
        self.count(task);
        tracing::error!(end, "running part ended; the platform drains and exits 70");
    }

    fn count(&self, task: Task) {
        self.0.metrics.task_failures_total.with_label_values(&[task.name()]).inc();
    }

    fn failures(&self) -> MutexGuard<'_, Vec<Task>> {
        self.0.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl End {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Returned => "returned",
            Self::Panicked => "panicked",
        }
    }
}

/// Runs `work` to its end. What a panic leaves behind is not used again: the process ends, or new work is
/// built.
async fn attempt(task: Task, work: impl Future<Output = ()>) -> End {
    let work = async {
        tokio::select! {
            () = injected_fault(task) => {}
            () = work => {}
        }
    };
    match AssertUnwindSafe(work).catch_unwind().await {
        Ok(()) => End::Returned,
        Err(_) => End::Panicked,
    }
}

/// Delay before the first restart of a task.
const FIRST_BACKOFF: Duration = Duration::from_secs(1);
/// Longest delay before a restart.
const MAX_BACKOFF: Duration = Duration::from_mins(1);
/// A task that ran for longer than this is restarted after [`FIRST_BACKOFF`] again.
const STABLE_AFTER: Duration = Duration::from_mins(10);
