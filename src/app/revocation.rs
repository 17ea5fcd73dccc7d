//! Checks the certificates of open sessions again (A9.4).

use tokio_util::sync::CancellationToken;

use crate::config::ConfigHandle;
use crate::interface_a::Registry;
use crate::revocation::Engine;

/// Checks all open sessions after every change of the revocation status of some certificate, and at
/// `[revocation] check-interval`, until `done` is cancelled.
pub(super) async fn watch(
    revocation: Engine,
    registry: Registry,
    config: ConfigHandle,
    done: CancellationToken,
) {
    let mut changes = revocation.subscribe();
    loop {
        let interval = config.load().revocation.check_interval;
        tokio::select! {
            () = done.cancelled() => return,
            () = tokio::time::sleep(interval) => {}
            changed = changes.changed() => if changed.is_err() { return },
        }
        let (registry, revocation) = (registry.clone(), revocation.clone());
        // Thousands of sessions take longer than a task may hold its thread.
        let checked = tokio::task::spawn_blocking(move || registry.recheck_revocation(&revocation)).await;
        if let Some(panic) = checked.err().and_then(|error| error.try_into_panic().ok()) {
            std::panic::resume_unwind(panic);
        }
    }
}
