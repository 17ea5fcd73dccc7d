//! The device directory in memory, which follows the one in the store.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::authz::{Directory, DirectoryHandle};
use crate::interface_a::Registry;
use crate::metrics::Metrics;
use crate::model::explained;
use crate::revocation::{Engine, WithdrawnCertificates};
use crate::store::{Store, StoreError};

/// Takes the directory, and the certificates that operators have revoked, from the store.
pub(super) async fn load(
    store: &Store,
    directory: &DirectoryHandle,
    revocation: &Engine,
) -> Result<(), StoreError> {
    directory.store(Arc::new(read(store).await?));
    revocation.withdraw(read_withdrawn(store).await?);
    Ok(())
}

async fn read(store: &Store) -> Result<Directory, StoreError> {
    Ok(Directory::from(store.devices().await?))
}

/// The certificates that operators have revoked.
///
/// # Errors
/// When they cannot be read.
pub async fn read_withdrawn(store: &Store) -> Result<WithdrawnCertificates, StoreError> {
    let mut withdrawn = WithdrawnCertificates::default();
    for enrolment in store.revoked_enrolments().await? {
        let Some(certificate) = &enrolment.record.certificate else { continue };
        let when = enrolment.record.decision.as_ref().map_or(enrolment.record.invitation.at, |own| own.at);
        match certificate.facts() {
            Ok(facts) => withdrawn.add(&facts, when),
            Err(error) => tracing::error!(
                enrolment = %enrolment.id,
                error = %explained(&error),
                "a revoked certificate cannot be read; its CA alone refuses it"
            ),
        }
    }
    Ok(withdrawn)
}

/// Keeps the directory, and the certificates that operators have revoked, in memory as they are in the store.
#[derive(Debug)]
pub(super) struct Follower {
    store: Store,
    directory: DirectoryHandle,
    registry: Registry,
    revocation: Engine,
    metrics: Metrics,
    /// The revision that was read. Locked while a change is read: no older one is applied after a newer one.
    revision: Mutex<Option<u64>>,
}

impl Follower {
    pub(super) fn new(
        store: Store,
        directory: DirectoryHandle,
        registry: Registry,
        revocation: Engine,
        metrics: Metrics,
    ) -> Self {
        Self { store, directory, registry, revocation, metrics, revision: Mutex::default() }
    }

    /// Follows the directory in the store until `done` is cancelled.
    pub(super) async fn watch(self: Arc<Self>, done: CancellationToken) {
        let mut changes = self.store.directory_changes();
        let mut is_failing = false;
        loop {
            match self.follow().await {
                Ok(()) => is_failing = false,
                // Logged once for each outage.
                Err(error) => {
                    if !std::mem::replace(&mut is_failing, true) {
                        tracing::error!(
                            error = %explained(&error),
                            "the device directory or the revoked certificates could not be read; the last ones still apply"
                        );
                    }
                }
            }
            tokio::select! {
                () = done.cancelled() => return,
                () = changes.next() => {}
            }
        }
    }

    /// Follows now, because a command may have changed the directory. Whether the directory in memory is as
    /// new as the command; waits a few seconds at most, and the watch goes on.
    pub(super) async fn follow_now(self: Arc<Self>) -> bool {
        matches!(tokio::time::timeout(LONGEST_FOLLOW, self.follow()).await, Ok(Ok(())))
    }

    /// Reads the directory if its revision is another one, and ends the sessions of devices that were
    /// suspended or removed, or whose certificates were revoked.
    async fn follow(&self) -> Result<(), StoreError> {
        let mut last = self.revision.lock().await;
        let revision = self.store.device_revision().await?;
        if *last == Some(revision) {
            return Ok(());
        }
        let (current, withdrawn) = tokio::join!(read(&self.store), read_withdrawn(&self.store));
        // Each counts by itself: who is suspended is not heard because what is revoked cannot be read. The
        // watch of revocation ends the sessions of revoked certificates.
        let withdrawn = withdrawn.map(|withdrawn| self.revocation.withdraw(withdrawn));
        let current = Arc::new(current?);
        self.directory.store(Arc::clone(&current));
        self.metrics.directory_devices.set(i64::try_from(current.len()).unwrap_or(i64::MAX));
        self.registry.recheck(&current);
        withdrawn?;
        *last = Some(revision);
        Ok(())
    }
}

/// How long a command waits until the platform has read what it has changed.
const LONGEST_FOLLOW: Duration = Duration::from_secs(5);
