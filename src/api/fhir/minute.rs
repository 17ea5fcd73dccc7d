//! Reads of a minute that share a row of the audit trail.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::audit::{Event, ResourcesRead};
use crate::model::Fingerprint;
use crate::store::Store;

/// Reads that wait for the row of their minute. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct MinuteReads {
    waiting: Arc<Mutex<HashMap<Kind, ResourcesRead>>>,
    interval: Duration,
}

/// What reads have in common that share a row.
pub(super) type Kind = (String, Fingerprint, &'static str, &'static str);

impl Default for MinuteReads {
    fn default() -> Self {
        Self { waiting: Arc::default(), interval: MINUTE }
    }
}

impl MinuteReads {
    /// Counts a read with those of its minute. False: it is the first one.
    pub(super) fn joins(&self, read: &ResourcesRead) -> bool {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shared) = waiting.get_mut(&kind(read)) {
            add(shared, read);
            return true;
        }
        if waiting.len() < MAX_WAITING {
            let (patients, more_patients) = (Vec::new(), 0);
            waiting.insert(
                kind(read),
                ResourcesRead { count: 0, requests: 0, patients, more_patients, ..read.clone() },
            );
        }
        false
    }

    /// Writes the row of a minute when that is over.
    pub(super) fn write_later(&self, kind: Kind, store: Store) {
        let reads = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(reads.interval).await;
            if let Some(shared) = reads.take(&kind).filter(|shared| shared.requests > 0) {
                store.audit_or_defer(Event::ResourcesRead(Box::new(shared))).await;
            }
        });
    }

    /// What was counted so far; the next read is a first one.
    pub(super) fn take(&self, kind: &Kind) -> Option<ResourcesRead> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(kind)
    }
}

pub(super) fn kind(read: &ResourcesRead) -> Kind {
    (read.client.clone(), read.certificate, read.interaction, read.kind)
}

fn add(shared: &mut ResourcesRead, read: &ResourcesRead) {
    shared.count = shared.count.saturating_add(read.count);
    shared.requests += 1;
    shared.more_patients = shared.more_patients.saturating_add(read.more_patients);
    for patient in &read.patients {
        if shared.patients.contains(patient) {
            continue;
        }
        if shared.patients.len() < ResourcesRead::MAX_PATIENTS {
            shared.patients.push(patient.clone());
        } else {
            shared.more_patients = shared.more_patients.saturating_add(1);
        }
    }
}

const MINUTE: Duration = Duration::from_mins(1);
/// Clients and kinds of reads of one minute; further ones have a row each.
const MAX_WAITING: usize = 10_000;

#[cfg(test)]
impl MinuteReads {
    /// With another time than a minute.
    pub(super) fn every(interval: Duration) -> Self {
        Self { interval, ..Self::default() }
    }
}
