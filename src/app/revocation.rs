//! Trust is watched after admission (A9.4): live sessions, and what is known about their certificates.

use tokio_util::sync::CancellationToken;

use crate::config::ConfigHandle;
use crate::interface_a::Registry;
use crate::revocation::Engine;

/// Looks at the certificates of live sessions whenever something has changed, and at an interval, until `done`.
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
