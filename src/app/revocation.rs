//! Checks the certificates of open sessions again (A9.4).

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::expiry;
use crate::config::ConfigHandle;
use crate::interface_a::Registry;
use crate::metrics::Metrics;
use crate::revocation::Engine;
use crate::tls::{Acceptor, ApiAcceptor, PeopleAcceptor};

/// What the checks read and change.
pub(super) struct Watched {
    pub(super) revocation: Engine,
    pub(super) acceptor: Arc<Acceptor>,
    pub(super) people: Arc<PeopleAcceptor>,
    pub(super) api: Arc<ApiAcceptor>,
    pub(super) registry: Registry,
    pub(super) config: ConfigHandle,
    pub(super) metrics: Metrics,
}

/// Checks the certificates of all open sessions (revocation, validity, root) after every change of the
/// revocation status of some certificate, and at `[revocation] check-interval`, until `done` is cancelled.
pub(super) async fn watch(watched: Watched, done: CancellationToken) {
    let Watched { revocation, acceptor, people, api, registry, config, metrics } = watched;
    let mut changes = revocation.subscribe();
    loop {
        let interval = config.load().revocation.check_interval;
        tokio::select! {
            () = done.cancelled() => return,
            () = tokio::time::sleep(interval) => {}
            changed = changes.changed() => if changed.is_err() { return },
        }
        // CAs of devices that have connected meanwhile.
        expiry::publish(&acceptor, &people, &api, config.load().gateway.as_ref(), &metrics);
        let (registry, acceptor) = (registry.clone(), Arc::clone(&acceptor));
        // Thousands of sessions take longer than a task may hold its thread.
        let check = move || registry.recheck_certificates(|path| acceptor.lost_admission(path));
        let checked = tokio::task::spawn_blocking(check).await;
        if let Some(panic) = checked.err().and_then(|error| error.try_into_panic().ok()) {
            std::panic::resume_unwind(panic);
        }
    }
}
