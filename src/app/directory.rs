//! The device directory in memory, kept as the store has it.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::authz::Directory;
use crate::authz::DirectoryHandle;
use crate::interface_a::Registry;
use crate::metrics::Metrics;
use crate::store::{Store, StoreError};

pub(super) async fn read(store: &Store) -> Result<Directory, StoreError> {
    Ok(Directory::from(store.devices().await?))
}

/// Follows the directory until `done`: a device that is suspended or removed loses its sessions as well.
pub(super) async fn watch(
    store: Store,
    directory: DirectoryHandle,
    registry: Registry,
    metrics: Metrics,
    done: CancellationToken,
) {
    let mut changes = store.directory_changes();
    let mut seen = None;
    let mut failing = false;
    loop {
        match refresh(&store, &directory, &mut seen).await {
            Ok(changed) => {
                failing = false;
                if changed {
                    let known = directory.load();
                    metrics.directory_devices.set(i64::try_from(known.len()).unwrap_or(i64::MAX));
                    registry.recheck(&known);
                }
            }
            // What was known stays in force; said once, not every time.
            Err(error) => {
                if !std::mem::replace(&mut failing, true) {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "the device directory cannot be read"
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

async fn refresh(
    store: &Store,
    directory: &DirectoryHandle,
    seen: &mut Option<u64>,
) -> Result<bool, StoreError> {
    let revision = store.device_revision().await?;
    if *seen == Some(revision) {
        return Ok(false);
    }
    directory.store(Arc::new(read(store).await?));
    *seen = Some(revision);
    Ok(true)
}
