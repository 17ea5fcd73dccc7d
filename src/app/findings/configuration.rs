//! Findings about the configuration of a running platform.

use crate::app::Platform;
use crate::config::ReloadClass;
use crate::finding::facts::RestartPending;
use crate::finding::{Finding, Subject};

/// Keys that wait for a restart, and a reload that was refused.
pub(super) fn look(platform: &Platform) -> Vec<Finding> {
    let config = platform.config.load();
    let changes = config.values.changes(&config.values, &platform.started);
    let pending = changes.into_iter().filter(|change| change.effect == ReloadClass::Restart);
    let keys: Vec<_> = pending.map(|change| change.key.to_string()).collect();
    platform.metrics.operation.config_restart_pending.set(i64::try_from(keys.len()).unwrap_or(i64::MAX));
    let restart = (!keys.is_empty()).then(|| Finding::new(Subject::Platform, RestartPending { keys }));
    let refused = platform.last_reload.refused();
    let refused = refused.map(|(at, facts)| Finding::new(Subject::Platform, facts).since(at));
    restart.into_iter().chain(refused).collect()
}
