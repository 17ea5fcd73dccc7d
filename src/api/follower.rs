//! Organisations and clients in memory, which follow those in the store.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::state::ApiState;
use crate::clients::Registry;
use crate::model::explained;
use crate::store::StoreError;

/// Follows the store until `done`: what a command changes counts on every node within a second. When it
/// cannot be read for a while, requests are refused: who was suspended meanwhile is not known.
pub(super) async fn follow(state: &ApiState, first: Option<u64>, done: CancellationToken) {
    let (mut last, mut is_failing, mut read_at) = (first, false, state.clock.instant());
    loop {
        match read(state, &mut last).await {
            Ok(()) => (is_failing, read_at) = (false, state.clock.instant()),
            // Logged once for each outage.
            Err(error) => {
                if !std::mem::replace(&mut is_failing, true) {
                    tracing::error!(
                        error = %explained(&error),
                        "the clients of hospital systems could not be read; after {} s without them, requests are refused",
                        MAX_AGE.as_secs(),
                    );
                }
                if last.is_some() && state.clock.instant().saturating_duration_since(read_at) >= MAX_AGE {
                    last = None;
                    state.registry.store(Arc::default());
                }
            }
        }
        tokio::select! {
            () = done.cancelled() => return,
            () = tokio::time::sleep(POLL_INTERVAL) => {}
        }
    }
}

/// Reads them before the first connection is accepted. Returns their revision; none: they cannot be read yet.
pub(super) async fn read_first(state: &ApiState) -> Option<u64> {
    let mut revision = None;
    // The error is logged when they are read again.
    let _ = read(state, &mut revision).await;
    revision
}

async fn read(state: &ApiState, last: &mut Option<u64>) -> Result<(), StoreError> {
    let revision = state.store.clients_revision().await?;
    if *last == Some(revision) {
        return Ok(());
    }
    let (organisations, clients) = (state.store.organisations().await?, state.store.clients().await?);
    let registry = Registry::new(organisations, clients, state.store.removed_certificates().await?);
    state.metrics.api.clients.set(i64::try_from(registry.len()).unwrap_or(i64::MAX));
    state.registry.store(Arc::new(registry));
    // The revision was read before: a change meanwhile is read again.
    *last = Some(revision);
    Ok(())
}

/// How often the revision is read.
const POLL_INTERVAL: Duration = Duration::from_millis(300);
/// How long those that were read last apply when they cannot be read again.
const MAX_AGE: Duration = Duration::from_secs(10);
