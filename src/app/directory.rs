//! The device directory in memory, which follows the one in the store.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::authz::{Directory, DirectoryHandle};
use crate::interface_a::Registry;
use crate::metrics::Metrics;
use crate::model::explained;
use crate::store::{Store, StoreError};

pub(super) async fn read(store: &Store) -> Result<Directory, StoreError> {
    Ok(Directory::from(store.devices().await?))
}

/// Follows the directory in the store until `done` is cancelled, and ends the sessions of devices that were
/// suspended or removed.
pub(super) async fn watch(
    store: Store,
    directory: DirectoryHandle,
    registry: Registry,
    metrics: Metrics,
    done: CancellationToken,
) {
    let mut changes = store.directory_changes();
    let mut revision = None;
    let mut is_failing = false;
    loop {
        match refresh(&store, &directory, &mut revision).await {
            Ok(changed) => {
                is_failing = false;
                if changed {
                    let current = directory.load();
                    metrics.directory_devices.set(i64::try_from(current.len()).unwrap_or(i64::MAX));
                    registry.recheck(&current);
                }
            }
            // Logged once for each outage.
            Err(error) => {
                if !std::mem::replace(&mut is_failing, true) {
                    tracing::error!(
                        error = %explained(&error),
                        "the device directory could not be read; the last one that was read still applies"
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

/// Reads the directory if its revision is another one; whether it is.
async fn refresh(
    store: &Store,
    directory: &DirectoryHandle,
    last: &mut Option<u64>,
) -> Result<bool, StoreError> {
    let revision = store.device_revision().await?;
    if *last == Some(revision) {
        return Ok(false);
    }
    directory.store(Arc::new(read(store).await?));
    *last = Some(revision);
    Ok(true)
}
