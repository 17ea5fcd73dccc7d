//! What has ended is deleted.

use std::time::Duration;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::api::state::ApiState;
use crate::model::explained;

/// Deletes tokens and records of assertions that have ended, and old registrations, until `done`. Every node
/// does: what one deletes the others do not find.
pub(in crate::api) async fn forget_ended(state: &ApiState, done: CancellationToken) {
    let mut is_failing = false;
    loop {
        let age = state.config.load().api.registration.keep_pending;
        let now = state.clock.now();
        let before = now.checked_sub(age).unwrap_or(Timestamp::MIN);
        match state.store.forget_ended_grants(MAX_ROWS, before).await {
            // There may be more.
            Ok(rows) if rows >= u64::from(MAX_ROWS) => continue,
            Ok(_) => is_failing = false,
            // Logged once for each outage.
            Err(error) => {
                if !std::mem::replace(&mut is_failing, true) {
                    tracing::error!(
                        error = %explained(&error),
                        "access tokens that have ended could not be deleted; this is tried again every minute"
                    );
                }
            }
        }
        tokio::select! {
            () = done.cancelled() => return,
            () = tokio::time::sleep(INTERVAL) => {}
        }
    }
}

/// Between two passes.
const INTERVAL: Duration = Duration::from_mins(1);
/// Rows of a table that are deleted in one transaction.
const MAX_ROWS: u32 = 500;
