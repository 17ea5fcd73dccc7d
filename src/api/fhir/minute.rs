//! Reads of a minute that share a row of the audit trail.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::try_join_all;

use super::answer::Failure;
use crate::audit::{Event, ResourcesRead};
use crate::model::Fingerprint;
use crate::store::{Store, StoreError};

/// Reads that wait for the row of their minute, by kind: one of each kind has its row. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct MinuteReads {
    /// `None` when the platform stops: then each read has a row of its own.
    waiting: Arc<Mutex<Option<HashMap<Kind, Shared>>>>,
    interval: Duration,
}

/// What reads share: a row, or several where they are of many patients.
#[derive(Debug, Clone)]
struct Shared {
    /// Without its patients.
    read: ResourcesRead,
    patients: BTreeSet<String>,
}

/// What reads have in common that share a row.
type Kind = (String, Option<String>, Fingerprint, IpAddr, &'static str, &'static str);

impl Default for MinuteReads {
    fn default() -> Self {
        Self { waiting: Arc::new(Mutex::new(Some(HashMap::new()))), interval: MINUTE }
    }
}

impl MinuteReads {
    /// Counts a read with those of its minute. False: none of its kind has a row yet, or the row has no place
    /// for its patients; so it needs one.
    pub(super) fn joins(&self, read: &ResourcesRead) -> bool {
        let mut waiting = self.waiting();
        waiting
            .as_mut()
            .and_then(|waiting| waiting.get_mut(&kind(read)))
            .is_some_and(|shared| shared.add(read))
    }

    /// Writes the row of a read. When it is durable, the reads of its kind in the minute after it share a
    /// row.
    ///
    /// A task of its own does this, which outlives the request: a client that goes away, or a request that
    /// takes too long, must not leave a minute that never ends.
    ///
    /// # Errors
    /// When the row cannot be written: the next read writes one.
    pub(super) async fn begin(&self, read: ResourcesRead, store: Store) -> Result<(), Failure> {
        let reads = self.clone();
        let written = tokio::spawn(async move {
            let shared = ResourcesRead { count: 0, requests: 0, patients: Vec::new(), ..read.clone() };
            write_rows(read, &store).await?;
            reads.share(Shared { read: shared, patients: BTreeSet::new() }, store);
            Ok::<_, StoreError>(())
        });
        Ok(written.await.map_err(|_| Failure::fault())??)
    }

    /// Reads of this kind share a row from now on, which is written at the end of the minute. Another request
    /// may have begun it.
    fn share(&self, shared: Shared, store: Store) {
        let kind = kind(&shared.read);
        let mut waiting = self.waiting();
        match waiting.as_mut() {
            Some(waiting) if waiting.len() < MAX_WAITING && !waiting.contains_key(&kind) => {
                waiting.insert(kind.clone(), shared);
            }
            _ => return,
        }
        drop(waiting);
        let reads = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(reads.interval).await;
            let shared = reads.waiting().as_mut().and_then(|waiting| waiting.remove(&kind));
            write(shared, &store).await;
        });
    }

    /// Writes the rows of minutes that are not over: the platform stops.
    pub(super) async fn finish(&self, store: &Store) {
        let all = self.waiting().take();
        for shared in all.into_iter().flat_map(HashMap::into_values) {
            write(Some(shared), store).await;
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Option<HashMap<Kind, Shared>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes the rows of a read, which share a commit.
///
/// # Errors
/// When they cannot be written.
pub(super) async fn write_rows(read: ResourcesRead, store: &Store) -> Result<(), StoreError> {
    let mut rows = Vec::new();
    for row in read.rows() {
        rows.push(store.audit(Event::ResourcesRead(Box::new(row))));
    }
    try_join_all(rows).await.map(drop)
}

async fn write(shared: Option<Shared>, store: &Store) {
    let Some(Shared { read, patients }) = shared.filter(|shared| shared.read.requests > 0) else { return };
    let read = ResourcesRead { patients: patients.into_iter().collect(), ..read };
    for row in read.rows() {
        store.audit_or_defer(Event::ResourcesRead(Box::new(row))).await;
    }
}

fn kind(read: &ResourcesRead) -> Kind {
    (read.client.clone(), read.person.clone(), read.certificate, read.peer, read.interaction, read.kind)
}

impl Shared {
    /// Adds a read; false when it would have more patients than are remembered.
    fn add(&mut self, read: &ResourcesRead) -> bool {
        let new = read.patients.iter().filter(|patient| !self.patients.contains(*patient)).count();
        if self.patients.len() + new > MAX_PATIENTS {
            return false;
        }
        self.patients.extend(read.patients.iter().cloned());
        self.read.count = self.read.count.saturating_add(read.count);
        self.read.requests += 1;
        true
    }
}

const MINUTE: Duration = Duration::from_mins(1);
/// Clients and kinds of reads of one minute; further ones have a row each.
const MAX_WAITING: usize = 10_000;
/// Patients of one minute and kind; a read of further ones has rows of its own.
const MAX_PATIENTS: usize = 2048;

#[cfg(test)]
impl MinuteReads {
    /// With another time than a minute.
    pub(super) fn every(interval: Duration) -> Self {
        Self { interval, ..Self::default() }
    }
}
