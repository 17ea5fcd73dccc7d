//! Committed batches on their way to the task that reads them back and answers their callers.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::store::error::StoreError;
use crate::store::write::batch::Committed;
use crate::store::write::capacity::Place;
use crate::store::write::entry::Entry;
use crate::store::write::incoming::WriteOutcome;

/// Reads committed batches back.
pub(in crate::store) trait Checker: Send + 'static {
    /// The answers to the callers of a batch: an entry of which a row is not there as it was written has
    /// failed.
    fn check(
        &mut self,
        entries: &[Entry],
        committed: Committed,
    ) -> impl Future<Output = Vec<Result<WriteOutcome, StoreError>>> + Send;

    /// Closes the connection.
    fn close(self) -> impl Future<Output = ()> + Send;
}

/// Where a caller waits for its answer.
pub(super) type Caller = (oneshot::Sender<Result<WriteOutcome, StoreError>>, Place);

/// A committed batch that is not read back yet.
pub(super) struct Unread {
    pub(super) entries: Vec<Entry>,
    pub(super) committed: Committed,
    pub(super) callers: Vec<Caller>,
    /// Held for its drop.
    pub(super) slot: OwnedSemaphorePermit,
}

/// The way of committed batches to the task that reads them back.
pub(super) struct Unanswered {
    pub(super) batches: mpsc::UnboundedSender<Unread>,
    /// One for each batch that may be committed and not answered.
    pub(super) slots: Arc<Semaphore>,
}

/// Reads each committed batch back, and answers its callers.
pub(super) async fn answer(mut checker: impl Checker, mut unread: mpsc::UnboundedReceiver<Unread>) {
    while let Some(batch) = unread.recv().await {
        let Unread { entries, committed, callers, slot: _slot } = batch;
        let outcomes = checker.check(&entries, committed).await;
        for ((answer, _), outcome) in callers.into_iter().zip(outcomes) {
            let _ = answer.send(outcome);
        }
    }
    checker.close().await;
}

/// Batches that may be committed and not answered: one that is read back, one that waits for it, and the one
/// that is being written.
pub(super) const MAX_UNANSWERED: u32 = 3;
