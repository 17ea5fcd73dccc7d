//! Group commit: one writer task commits the entries of all callers, all waiting entries in one transaction.
//!
//! While one commit is being synchronised to disk, the next batch accumulates. There is no timer: a single
//! entry is committed at once. The queue is bounded in entries and in bytes, in all and for each device; when
//! it is full, callers wait. [`Lanes`] chooses the entries of a batch. Those of them that are contended have
//! a transaction of their own, behind the others ([`Entry::is_contended`]).
//!
//! A committed batch goes to a second task, which reads it back and answers its callers, while the next one
//! is written.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::{Notify, Semaphore, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use crate::metrics::Metrics;
use crate::model::{Clock, Task, fault_point};
use crate::store::error::StoreError;
use crate::store::write::batch::Committed;
use crate::store::write::capacity::{Capacity, Place};
use crate::store::write::deferred::Deferred;
use crate::store::write::entry::Entry;
use crate::store::write::incoming::WriteOutcome;
use crate::store::write::lanes::{Lane, Lanes};
use crate::store::write::observer::Observer;
use crate::store::write::unread::{Checker, MAX_UNANSWERED, Unanswered, Unread, answer};

/// Commits batches to a database.
pub(in crate::store) trait Backend: Send + 'static {
    type Checker: Checker;

    /// What reads committed batches back.
    fn checker(&self) -> Self::Checker;

    /// Writes `entries` in order in one transaction, which is durable on return.
    ///
    /// Each outcome is that of one entry. An entry that cannot be stored leaves no trace, and does not affect
    /// the other entries.
    ///
    /// # Errors
    /// When no entry was stored.
    fn commit(&mut self, entries: &[Entry]) -> impl Future<Output = Result<Committed, StoreError>> + Send;

    /// Closes the connection.
    fn close(self) -> impl Future<Output = ()> + Send;
}

/// The entries that wait for the writer.
#[derive(Debug)]
pub(in crate::store) struct Queue {
    waiting: Arc<Waiting>,
    observer: Arc<OnceLock<Observer>>,
    closing: CancellationToken,
    task: TaskTracker,
}

/// What callers and the writer share.
#[derive(Debug)]
struct Waiting {
    capacity: Capacity,
    jobs: Mutex<Jobs>,
    arrived: Notify,
}

#[derive(Debug)]
struct Jobs {
    lanes: Lanes<Job>,
    is_closed: bool,
}

#[derive(Debug)]
struct Job {
    entry: Entry,
    answer: oneshot::Sender<Result<WriteOutcome, StoreError>>,
    place: Place,
}

/// Fails every caller when the writer ends, however it ended.
struct WriterGuard(Arc<Waiting>);

impl Waiting {
    fn new() -> Self {
        let jobs = Jobs { lanes: Lanes::new(), is_closed: false };
        Self { capacity: Capacity::new(), jobs: Mutex::new(jobs), arrived: Notify::new() }
    }

    fn push(&self, lane: Lane, job: Job) -> Result<(), StoreError> {
        let mut jobs = self.lock();
        if jobs.is_closed {
            return Err(StoreError::Closed);
        }
        jobs.lanes.push(lane, job.entry.work(), job);
        drop(jobs);
        self.arrived.notify_one();
        Ok(())
    }

    /// Takes the next batch. False when there will be no more.
    fn take(&self, batch: &mut Vec<Job>) -> bool {
        let mut jobs = self.lock();
        jobs.lanes.take(batch);
        batch.iter_mut().for_each(|job| job.place.leave_queue());
        !batch.is_empty() || !jobs.is_closed
    }

    /// Accepts no more entries.
    fn close(&self) {
        self.lock().is_closed = true;
        self.capacity.close();
    }

    fn lock(&self) -> MutexGuard<'_, Jobs> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for WriterGuard {
    fn drop(&mut self) {
        self.0.close();
        self.0.lock().lanes.clear();
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.closing.cancel();
    }
}

impl Queue {
    /// Starts the writer as a task, for a `backend` that waits for a server.
    pub(in crate::store) fn start(backend: impl Backend) -> Self {
        let (queue, write, answer) = Self::with_workers(backend);
        tokio::spawn(write);
        tokio::spawn(answer);
        queue
    }

    /// Starts the writer on threads of its own, for a `backend` that computes and waits for the disk.
    ///
    /// # Errors
    /// When the operating system refuses to start a thread.
    pub(in crate::store) fn start_on_its_own_thread(backend: impl Backend) -> Result<Self, StoreError> {
        let (queue, write, answer) = Self::with_workers(backend);
        on_a_thread("store-reader", answer)?;
        on_a_thread("store-writer", write)?;
        Ok(queue)
    }

    /// The queue, and the futures that drive its writer and answer its callers.
    fn with_workers(
        backend: impl Backend,
    ) -> (Self, impl Future<Output = ()> + Send + 'static, impl Future<Output = ()> + Send + 'static) {
        let waiting = Arc::new(Waiting::new());
        let closing = CancellationToken::new();
        let task = TaskTracker::new();
        let observer = Arc::<OnceLock<Observer>>::default();
        let (batches, unread) = mpsc::unbounded_channel();
        let unanswered = Unanswered { batches, slots: Arc::new(Semaphore::new(MAX_UNANSWERED as usize)) };
        let answer = answer(backend.checker(), unread);
        let write = run(backend, Arc::clone(&waiting), closing.clone(), Arc::clone(&observer), unanswered);
        let write = task.track_future(write.instrument(Task::StoreWriter.span()));
        let answer = task.track_future(answer.instrument(Task::StoreWriter.span()));
        task.close();
        (Self { waiting, observer, closing, task }, write, answer)
    }

    /// Reports every later commit to `metrics`. Only the first call has an effect.
    pub(in crate::store) fn report_to(&self, metrics: Metrics, clock: Clock) {
        let _ = self.observer.set(Observer::new(metrics, clock));
    }

    /// Whether a caller of this lane waits for queue capacity, or all of the queue is full.
    pub(in crate::store) fn is_full(&self, lane: &Lane) -> bool {
        self.waiting.capacity.is_full(lane)
    }

    /// How many entries wait for the writer.
    pub(in crate::store) fn waiting(&self) -> usize {
        self.waiting.capacity.waiting()
    }

    /// Returns when `entry` is durable.
    pub(in crate::store) async fn write(&self, entry: Entry) -> Result<WriteOutcome, StoreError> {
        let (answer, answered) = oneshot::channel();
        let lane = entry.lane();
        let place = self.waiting.capacity.acquire(&lane, entry.cost()).await;
        let place = place.map_err(|_| StoreError::Closed)?;
        self.waiting.push(lane, Job { entry, answer, place })?;
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

fn on_a_thread(name: &str, work: impl Future<Output = ()> + Send + 'static) -> Result<(), StoreError> {
    let runtime = Handle::current();
    let thread = std::thread::Builder::new().name(name.to_owned());
    let started = thread.spawn(move || runtime.block_on(work));
    started.map(drop).map_err(|error| StoreError::Thread(Arc::new(error)))
}

async fn run(
    mut backend: impl Backend,
    waiting: Arc<Waiting>,
    closing: CancellationToken,
    observer: Arc<OnceLock<Observer>>,
    unanswered: Unanswered,
) {
    let guard = WriterGuard(waiting);
    let WriterGuard(waiting) = &guard;
    let mut batch = Vec::new();
    let mut deferred = Deferred::new();
    let mut is_closing = false;
    while waiting.take(&mut batch) || !deferred.is_empty() {
        let contended = batch.extract_if(.., |job| job.entry.is_contended()).collect();
        let contended = deferred.take_with(contended, Clock::system().instant());
        if !batch.is_empty() || !contended.is_empty() {
            fault_point(Task::StoreWriter);
            write_batch(&mut backend, mem::take(&mut batch), observer.get(), &unanswered).await;
            let again = write_batch(&mut backend, contended, observer.get(), &unanswered).await;
            defer(&mut deferred, again);
            continue;
        }
        tokio::select! {
            biased;
            () = waiting.arrived.notified() => {}
            // Without it no caller could be answered.
            () = unanswered.batches.closed() => break,
            () = closing.cancelled(), if !is_closing => {
                is_closing = true;
                waiting.close();
            }
            () = deferred.due(), if !deferred.is_empty() => {}
        }
    }
    backend.close().await;
}

/// Keeps what another node has kept from being written, as long as its callers may wait.
fn defer(deferred: &mut Deferred<Job>, again: Option<Vec<Job>>) {
    let Some(again) = again else { return };
    if again.is_empty() {
        deferred.is_over();
        return;
    }
    for Job { answer, .. } in deferred.put_back(again, Clock::system().instant()) {
        let _ = answer.send(Err(StoreError::Contended));
    }
}

/// Writes a batch, and answers its callers if that fails. Returns what is to be written later; `None`: there
/// was nothing to write.
async fn write_batch(
    backend: &mut impl Backend,
    batch: Vec<Job>,
    observer: Option<&Observer>,
    unanswered: &Unanswered,
) -> Option<Vec<Job>> {
    if batch.is_empty() {
        return None;
    }
    let is_removal = batch.iter().any(|job| job.entry.is_removal());
    let mut entries = Vec::with_capacity(batch.len());
    let mut callers = Vec::with_capacity(batch.len());
    for Job { entry, answer, place } in batch {
        entries.push(entry);
        callers.push((answer, place));
    }
    // What is removed is not read back any more: the batches before it are read first.
    let needed = if is_removal { MAX_UNANSWERED } else { 1 };
    // Nothing closes it.
    let Ok(mut slot) = Arc::clone(&unanswered.slots).acquire_many_owned(needed).await else { return None };
    slot.split(needed as usize - 1);
    // The entry of a caller that has gone away is written all the same.
    let begin = observer.map(|observer| observer.clock.instant());
    let outcome = backend.commit(&entries).await;
    if let (Some(observer), Some(begin)) = (observer, begin) {
        observer.observe(&entries, begin, outcome.as_ref().ok());
    }
    match outcome {
        Ok(committed) => {
            // When the other task has ended, the drop fails its callers.
            let _ = unanswered.batches.send(Unread { entries, committed, callers, slot });
        }
        Err(StoreError::Contended) => {
            let jobs = entries.into_iter().zip(callers);
            return Some(jobs.map(|(entry, (answer, place))| Job { entry, answer, place }).collect());
        }
        Err(error) => {
            for (answer, _) in callers {
                let _ = answer.send(Err(error.clone()));
            }
        }
    }
    Some(Vec::new())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;

    use super::*;
    use crate::audit::ChainHead;
    use crate::model::Fingerprint;
    use crate::store::content::Content;
    use crate::store::fixtures::TestStore;
    use crate::store::write::capacity::{MAX_LANE_BYTES, MAX_QUEUED, MAX_QUEUED_IN_LANE};
    use crate::store::write::entry::{MAX_QUEUED_BYTES, Write};
    use crate::store::write::grant::GrantChange;
    use crate::store::write::lanes::MAX_BATCH;

    /// A backend that waits for a permit before each batch and records the size of the batch.
    struct Gated {
        gate: Arc<Semaphore>,
        batches: Arc<Mutex<Vec<usize>>>,
        outcome: fn(usize) -> Result<WriteOutcome, StoreError>,
    }

    impl Backend for Gated {
        type Checker = Trusting;

        fn checker(&self) -> Trusting {
            Trusting
        }

        async fn commit(&mut self, entries: &[Entry]) -> Result<Committed, StoreError> {
            self.gate.acquire().await.unwrap().forget();
            self.batches.lock().unwrap().push(entries.len());
            let outcome = (self.outcome)(entries.len())?;
            let outcomes = entries.iter().map(|_| Ok(outcome.clone())).collect();
            Ok(Committed { outcomes, rows: Vec::new(), end: ChainHead::START })
        }

        async fn close(self) {}
    }

    /// Reads nothing back.
    struct Trusting;

    impl Checker for Trusting {
        async fn check(
            &mut self,
            _: &[Entry],
            committed: Committed,
        ) -> Vec<Result<WriteOutcome, StoreError>> {
            committed.outcomes
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

    /// A message of a device.
    fn large(place: &TestStore, device: usize, bytes: usize) -> Entry {
        let mut record = Box::new(place.record("1", b""));
        record.device = format!("D{device}").parse().unwrap();
        let content =
            Content { bytes: vec![0; bytes].into(), size: None, acknowledgement: bytes::Bytes::new() };
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
        assert!(!bench.queue.is_full(&Lane::Platform), "the queue has capacity");
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

    // What a client contends for, or is refused, costs no message a second write.
    #[tokio::test]
    async fn contended_entries_have_a_transaction_of_their_own() {
        let (bench, place) = (bench(|_| Ok(WriteOutcome::Applied)), TestStore::new());
        let grant = |name: u8| Entry {
            at: place.clock.now(),
            write: Write::Grant(Box::new(GrantChange::Use(Fingerprint::sha256(&[name]), Timestamp::MAX))),
        };
        let mut answers = vec![bench.send(probe())];
        bench.settle().await;
        for entry in [grant(1), large(&place, 1, 1), grant(2), large(&place, 2, 1), grant(3)] {
            answers.push(bench.send(entry));
        }
        bench.settle().await;
        bench.gate.add_permits(3);
        for answer in answers {
            answer.await.unwrap().unwrap();
        }
        assert_eq!(*bench.batches.lock().unwrap(), [1, 2, 3]);
    }

    #[tokio::test]
    async fn callers_wait_when_too_many_bytes_are_queued() {
        let (bench, place) = (bench(|_| Ok(WriteOutcome::Applied)), TestStore::new());
        // Five devices with a quarter of the queue each.
        let quarter = MAX_LANE_BYTES as usize;
        let mut answers = vec![bench.send(large(&place, 0, quarter))];
        bench.settle().await;
        answers.extend((1..5).map(|device| bench.send(large(&place, device, quarter))));
        bench.settle().await;
        let (entries, bytes) = bench.queue.waiting.capacity.available();
        assert_eq!(
            (entries, bytes),
            (MAX_QUEUED - 2, 0),
            "one is being written, two wait, all bytes are taken"
        );
        assert!(bench.queue.is_full(&Lane::Platform), "by those who wait for the rest");
        bench.gate.add_permits(5);
        for answer in answers {
            answer.await.unwrap().unwrap();
        }
        assert_eq!(bench.queue.waiting.capacity.available(), (MAX_QUEUED, MAX_QUEUED_BYTES as usize));
        assert!(!bench.queue.is_full(&Lane::Platform));
    }

    // One device with many sessions or large messages leaves the queue to the others.
    #[tokio::test]
    async fn a_device_that_has_filled_its_share_of_the_queue_waits_alone() {
        let (bench, place) = (bench(|_| Ok(WriteOutcome::Applied)), TestStore::new());
        let lane = |device: usize| Lane::Device(format!("D{device}").parse().unwrap());
        let first = bench.send(probe());
        bench.settle().await;
        let mut answers: Vec<_> =
            (0..3).map(|_| bench.send(large(&place, 1, MAX_LANE_BYTES as usize))).collect();
        answers.extend((0..MAX_QUEUED_IN_LANE + 5).map(|_| bench.send(large(&place, 2, 1))));
        bench.settle().await;
        assert!(bench.queue.is_full(&lane(1)) && bench.queue.is_full(&lane(2)));
        assert!(!bench.queue.is_full(&lane(3)) && !bench.queue.is_full(&Lane::Platform));
        let other = bench.send(large(&place, 3, 1));
        bench.settle().await;
        bench.gate.add_permits(2);
        first.await.unwrap().unwrap();
        other.await.unwrap().unwrap();
        assert!(answers.iter().any(|answer| !answer.is_finished()), "the other device waited for one batch");
        bench.gate.add_permits(40);
        for answer in answers {
            answer.await.unwrap().unwrap();
        }
    }

    #[tokio::test]
    async fn a_message_larger_than_the_queue_is_written() {
        let (bench, place) = (bench(|_| Ok(WriteOutcome::Applied)), TestStore::new());
        let answer = bench.send(large(&place, 1, MAX_QUEUED_BYTES as usize + 1));
        bench.gate.add_permits(1);
        answer.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn callers_wait_when_too_many_entries_are_queued() {
        let (bench, place) = (bench(|_| Ok(WriteOutcome::Applied)), TestStore::new());
        let first = bench.send(probe());
        bench.settle().await;
        let message = |number: usize| large(&place, number % 8, 1);
        let answers: Vec<_> = (0..MAX_QUEUED + 5).map(|number| bench.send(message(number))).collect();
        bench.settle().await;
        assert_eq!(bench.queue.waiting.capacity.available().0, 0);
        assert!(bench.queue.is_full(&Lane::Platform));
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
        tokio::time::timeout(Duration::from_secs(30), bench.queue.close()).await.unwrap();
    }
}
