//! Waits at the start for the store.

use std::time::Duration;

use super::service_manager::ServiceManager;
use super::stored_before;
use crate::config::Config;
use crate::model::{Clock, explained};
use crate::store::{Store, StoreError};

/// Waits until the server of the store can be used, for at most `store.start-wait`. The service manager is
/// informed, so that it does not end a start that waits. Refuses a store that is missing, if there was one.
pub(super) async fn await_store(config: &Config, clock: &Clock) -> Result<(), StoreError> {
    let manager = ServiceManager::from_environment();
    let mut is_logged = false;
    let report = |error: &StoreError, left: Duration| {
        let error = explained(error);
        if !std::mem::replace(&mut is_logged, true) {
            tracing::warn!(error, ?left, "the store's server cannot be used yet; the start waits for it");
        }
        manager.waiting(&format!("waiting for the store: {error}"), NEXT_REPORT_WITHIN);
    };
    Store::await_server(&config.store.url, config.store.start_wait, clock, report).await?;
    stored_before::require_store(config, clock).await?;
    // The lease of a process that has died, and a migration, may take their time.
    let opening = NEXT_REPORT_WITHIN + config.store.max_migration_time;
    manager.waiting("opening the store", opening);
    Ok(())
}

/// Longer than the time between two reports, with the timeouts of several servers.
const NEXT_REPORT_WITHIN: Duration = Duration::from_secs(30);
