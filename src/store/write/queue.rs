//! Group commit: one writer task commits the entries of all callers, all waiting entries in one transaction.
//!
//! While one commit is being synchronised to disk, the next batch accumulates. There is no timer: a single
//! entry is committed at once. The queue is bounded in entries and in bytes; when it is full, callers wait.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use crate::metrics::Metrics;
use crate::model::{Clock, Task, fault_point};
use crate::store::error::StoreError;
use crate::store::write::entry::{Entry, MAX_QUEUED_BYTES};
use crate::store::write::incoming::WriteOutcome;

/// Commits batches to a database.
pub(in crate::store) trait Backend: Send + 'static {
    /// Writes `entries` in order in one transaction, which is durable on return.
    ///
    /// Each inner result is the outcome of one entry. An entry that cannot be stored leaves no trace, and
    /// does not affect the other entries.
    ///
    /// # Errors
    /// When no entry was stored.
    fn commit(
        &mut self,
        entries: &[Entry],
    ) -> impl Future<Output = Result<Vec<Result<WriteOutcome, StoreError>>, StoreError>> + Send;

    /// Closes the connection.
    fn close(self) -> impl Future<Output = ()> + Send;
}

/// The entries that wait for the writer.
#[derive(Debug)]
pub(in crate::store) struct Queue {
    jobs: mpsc::Sender<Job>,
    memory: Arc<Semaphore>,
    /// Callers that wait for queue capacity.
    waiting: AtomicUsize,
    observer: Arc<OnceLock<Observer>>,
    closing: CancellationToken,
    task: TaskTracker,
}

/// Where the writer reports its commits.
#[derive(Debug)]
struct Observer {
    metrics: Metrics,
    clock: Clock,
}

/// Counts a caller that waits for queue capacity, while it waits.
struct WaiterGuard<'q>(&'q AtomicUsize);

impl<'q> WaiterGuard<'q> {
    fn new(count: &'q AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for WaiterGuard<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[derive(Debug)]
struct Job {
    entry: Entry,
    answer: oneshot::Sender<Result<WriteOutcome, StoreError>>,
    _memory: OwnedSemaphorePermit,
}

impl Queue {
    /// Starts the writer as a task, for a `backend` that waits for a server.
    pub(in crate::store) fn start(backend: impl Backend) -> Self {
        let (queue, work) = Self::with_worker(backend);
        tokio::spawn(work);
        queue
    }

    /// Starts the writer on a thread of its own, for a `backend` that computes and waits for the disk.
    ///
    /// # Errors
    /// When the operating system refuses to start a thread.
    pub(in crate::store) fn start_on_its_own_thread(backend: impl Backend) -> Result<Self, StoreError> {
        let (queue, work) = Self::with_worker(backend);
        let runtime = Handle::current();
        let thread = std::thread::Builder::new().name("store-writer".to_owned());
        thread.spawn(move || runtime.block_on(work)).map_err(|error| StoreError::Thread(Arc::new(error)))?;
        Ok(queue)
    }

    /// The queue, and the future that drives its writer.
    fn with_worker(backend: impl Backend) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (jobs, queued) = mpsc::channel(MAX_QUEUED);
        let closing = CancellationToken::new();
        let task = TaskTracker::new();
        let observer = Arc::<OnceLock<Observer>>::default();
        let work = run(backend, queued, closing.clone(), Arc::clone(&observer));
        let work = task.track_future(work.instrument(Task::StoreWriter.span()));
        task.close();
        let memory = Arc::new(Semaphore::new(MAX_QUEUED_BYTES as usize));
        (Self { jobs, memory, waiting: AtomicUsize::new(0), observer, closing, task }, work)
    }

    /// Reports every later commit to `metrics`. Only the first call has an effect.
    pub(in crate::store) fn report_to(&self, metrics: Metrics, clock: Clock) {
        // An alert on the increase of a counter does not see the event that creates it.
        for name in crate::audit::Event::NAMES {
            metrics.audit_events_total.with_label_values(&[name]);
        }
        let _ = self.observer.set(Observer { metrics, clock });
    }

    /// Whether a caller waits for queue capacity.
    pub(in crate::store) fn is_full(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// Returns when `entry` is durable.
    pub(in crate::store) async fn write(&self, entry: Entry) -> Result<WriteOutcome, StoreError> {
        let (answer, answered) = oneshot::channel();
        let cost = entry.cost();
        let queued = match Arc::clone(&self.memory).try_acquire_many_owned(cost) {
            Ok(memory) => self.jobs.try_send(Job { entry, answer, _memory: memory }).map_err(|full| {
                let (mpsc::error::TrySendError::Full(job) | mpsc::error::TrySendError::Closed(job)) = full;
                (job.entry, job.answer)
            }),
            Err(_) => Err((entry, answer)),
        };
        if let Err((entry, answer)) = queued {
            let _guard = WaiterGuard::new(&self.waiting);
            let memory = Arc::clone(&self.memory).acquire_many_owned(cost).await;
            let memory = memory.map_err(|_| StoreError::Closed)?;
            let job = Job { entry, answer, _memory: memory };
            self.jobs.send(job).await.map_err(|_| StoreError::Closed)?;
        }
        answered.await.map_err(|_| StoreError::Closed)?
    }

    /// Resolves when the writer has ended, for any reason.
    pub(in crate::store) fn ended(&self) -> impl Future<Output = ()> + Send + use<> {
        let task = self.task.clone();
        async move { task.wait().await }
    }

    /// Closes the queue, and returns when every queued entry has been answered.
    pub(in crate::store) async fn close(&self) {
        self.closing.cancel();
        self.task.wait().await;
    }
}

async fn run(
    mut backend: impl Backend,
    mut queued: mpsc::Receiver<Job>,
    closing: CancellationToken,
    observer: Arc<OnceLock<Observer>>,
) {
    let mut batch = Vec::with_capacity(MAX_BATCH);
    loop {
        tokio::select! {
            biased;
            () = closing.cancelled(), if !queued.is_closed() => queued.close(),
            taken = queued.recv_many(&mut batch, MAX_BATCH) => {
                if taken == 0 {
                    break;
                }
                fault_point(Task::StoreWriter);
                write_batch(&mut backend, &mut batch, observer.get()).await;
            }
        }
    }
    backend.close().await;
}

async fn write_batch(backend: &mut impl Backend, batch: &mut Vec<Job>, observer: Option<&Observer>) {
    let mut entries = Vec::with_capacity(batch.len());
    let mut waiting = Vec::with_capacity(batch.len());
    for Job { entry, answer, _memory } in batch.drain(..) {
        entries.push(entry);
        waiting.push((answer, _memory));
    }
    // The entry of a caller that has gone away is written all the same.
    let begin = observer.map(|observer| observer.clock.instant());
    let outcome = backend.commit(&entries).await;
    if let (Some(Observer { metrics, clock }), Some(begin)) = (observer, begin) {
        let spent = clock.instant().saturating_duration_since(begin);
        metrics.store_commit_duration_seconds.observe(spent.as_secs_f64());
        let messages = entries.iter().filter(|entry| entry.incoming().is_some()).count();
        if messages > 0 {
            metrics.store_batch_messages.observe(messages as f64);
        }
    }
    match outcome {
        Ok(outcomes) => {
            if let Some(Observer { metrics, .. }) = observer {
                for (entry, outcome) in entries.iter().zip(&outcomes) {
                    let names = outcome.as_ref().map(|outcome| entry.audit_event_names(outcome));
                    for name in names.unwrap_or_default() {
                        metrics.audit_events_total.with_label_values(&[name]).inc();
                    }
                }
            }
            for ((answer, _), outcome) in waiting.into_iter().zip(outcomes) {
                let _ = answer.send(outcome);
            }
        }
        Err(error) => {
            for (answer, _) in waiting {
                let _ = answer.send(Err(error.clone()));
            }
        }
    }
}

/// The maximum number of entries in one transaction.
const MAX_BATCH: usize = 512;
/// The maximum number of entries that wait.
const MAX_QUEUED: usize = 1024;

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use jiff::Timestamp;

    use super::*;
    use crate::model::Fingerprint;
    use crate::store::content::Content;
    use crate::store::fixtures::TestStore;
    use crate::store::write::entry::Write;

    /// A backend that waits for a permit before each batch and records the size of the batch.
    struct Gated {
        gate: Arc<Semaphore>,
        batches: Arc<Mutex<Vec<usize>>>,
        outcome: fn(usize) -> Result<WriteOutcome, StoreError>,
    }

    impl Backend for Gated {
        async fn commit(
            &mut self,
            entries: &[Entry],
        ) -> Result<Vec<Result<WriteOutcome, StoreError>>, StoreError> {
            self.gate.acquire().await.unwrap().forget();
            self.batches.lock().unwrap().push(entries.len());
            let outcome = (self.outcome)(entries.len())?;
            Ok(entries.iter().map(|_| Ok(outcome.clone())).collect())
        }

        async fn close(self) {}
    }

    struct Bench {
        queue: Arc<Queue>,
        gate: Arc<Semaphore>,
        batches: Arc<Mutex<Vec<usize>>>,
    }

    fn bench(outcome: fn(usize) -> Result<WriteOutcome, StoreError>) -> Bench {
        let (gate, batches) = (Arc::new(Semaphore::new(0)), Arc::<Mutex<Vec<usize>>>::default());
        let backend = Gated { gate: Arc::clone(&gate), batches: Arc::clone(&batches), outcome };
        Bench { queue: Arc::new(Queue::start(backend)), gate, batches }
    }

    fn probe() -> Entry {
        Entry { at: Timestamp::UNIX_EPOCH, write: Write::Probe }
    }

    fn large(place: &TestStore, bytes: usize) -> Entry {
        let record = Box::new(place.record("1", b""));
        let content = Content { bytes: vec![0; bytes].into(), size: None };
        let digest = Fingerprint::sha256(b"");
        Entry { at: Timestamp::UNIX_EPOCH, write: Write::Message { record, content, digest } }
    }

    type Answer = tokio::task::JoinHandle<Result<WriteOutcome, StoreError>>;

    impl Bench {
        fn send(&self, entry: Entry) -> Answer {
            let queue = Arc::clone(&self.queue);
            tokio::spawn(async move { queue.write(entry).await })
        }

        /// Lets every task run until it waits.
        async fn settle(&self) {
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
        }
    }

    #[tokio::test]
    async fn entries_that_arrive_during_a_commit_form_the_next_batch() {
        let bench = bench(|_| Ok(WriteOutcome::Applied));
        let mut answers = vec![bench.send(probe())];
        bench.settle().await;
        answers.extend((0..10).map(|_| bench.send(probe())));
        bench.settle().await;
        assert!(!bench.queue.is_full(), "the queue has capacity");
        assert!(answers.iter().all(|answer| !answer.is_finished()), "answered before the commit");
        bench.gate.add_permits(1);
        assert!(matches!(answers.remove(0).await.unwrap(), Ok(WriteOutcome::Applied)));
        assert!(answers.iter().all(|answer| !answer.is_finished()), "answered before the commit");
        bench.gate.add_permits(1);
        for answer in answers {
            assert!(matches!(answer.await.unwrap(), Ok(WriteOutcome::Applied)));
        }
        assert_eq!(*bench.batches.lock().unwrap(), [1, 10]);
    }

    #[tokio::test]
    async fn callers_wait_when_too_many_bytes_are_queued() {
        let (bench, place) = (bench(|_| Ok(WriteOutcome::Applied)), TestStore::new());
        let quarter = MAX_QUEUED_BYTES as usize / 4;
        let mut answers = vec![bench.send(large(&place, quarter))];
        bench.settle().await;
        answers.extend((0..5).map(|_| bench.send(large(&place, quarter))));
        bench.settle().await;
        // Three entries hold a quarter and their overhead each; the fourth waits, and all behind it.
        let left = bench.queue.memory.available_permits();
        assert!(left < quarter + quarter / 2, "{left} bytes are free");
        assert_eq!(bench.queue.jobs.capacity(), MAX_QUEUED - 2, "one is being written, two wait");
        assert!(bench.queue.is_full());
        bench.gate.add_permits(6);
        for answer in answers {
            answer.await.unwrap().unwrap();
        }
        assert_eq!(bench.queue.memory.available_permits(), MAX_QUEUED_BYTES as usize);
        assert!(!bench.queue.is_full());
    }

    #[tokio::test]
    async fn a_message_larger_than_the_queue_is_written() {
        let (bench, place) = (bench(|_| Ok(WriteOutcome::Applied)), TestStore::new());
        let answer = bench.send(large(&place, MAX_QUEUED_BYTES as usize + 1));
        bench.gate.add_permits(1);
        answer.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn callers_wait_when_too_many_entries_are_queued() {
        let bench = bench(|_| Ok(WriteOutcome::Applied));
        let first = bench.send(probe());
        bench.settle().await;
        let answers: Vec<_> = (0..MAX_QUEUED + 5).map(|_| bench.send(probe())).collect();
        bench.settle().await;
        assert_eq!(bench.queue.jobs.capacity(), 0);
        assert!(bench.queue.is_full());
        bench.gate.add_permits(MAX_QUEUED);
        for answer in answers.into_iter().chain([first]) {
            answer.await.unwrap().unwrap();
        }
        assert!(bench.batches.lock().unwrap().iter().all(|entries| *entries <= MAX_BATCH));
    }

    #[tokio::test]
    async fn a_failed_commit_fails_every_entry_of_its_batch_and_no_later_one() {
        let bench =
            bench(|entries| if entries == 3 { Err(StoreError::Url) } else { Ok(WriteOutcome::Applied) });
        bench.gate.add_permits(2);
        let answers: Vec<_> = (0..3).map(|_| bench.send(probe())).collect();
        for answer in answers {
            assert!(matches!(answer.await.unwrap(), Err(StoreError::Url)));
        }
        bench.send(probe()).await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_panic_of_the_writer_leaves_no_caller_waiting() {
        let bench = bench(|_| panic!("a fault of ours"));
        bench.gate.add_permits(1);
        let answers = [bench.send(probe()), bench.send(probe())];
        for answer in answers {
            assert!(matches!(answer.await.unwrap(), Err(StoreError::Closed)));
        }
        assert!(matches!(bench.queue.write(probe()).await, Err(StoreError::Closed)));
        tokio::time::timeout(Duration::from_secs(5), bench.queue.close()).await.unwrap();
    }
}
