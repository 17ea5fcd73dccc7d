//! Findings about the configuration of a running platform.

use crate::app::Platform;
use crate::config::ReloadClass;
use crate::finding::{Code, Finding, Subject};

/// Keys that wait for a restart, and a reload that was refused.
pub(super) fn look(platform: &Platform) -> Vec<Finding> {
    let config = platform.config.load();
    let changes = config.values.changes(&config.values, &platform.started);
    let pending = changes.into_iter().filter(|change| change.effect == ReloadClass::Restart);
    let pending: Vec<_> = pending.map(|change| change.key).collect();
    platform.metrics.operation.config_restart_pending.set(i64::try_from(pending.len()).unwrap_or(i64::MAX));
    let restart = (!pending.is_empty()).then(|| {
        let what = format!("changed keys take effect at the next start: {}", pending.join(", "));
        Finding::new(Code::RestartPending, Subject::Platform, what)
    });
    let refused = platform
        .last_reload
        .refused()
        .map(|(at, what)| Finding::new(Code::ReloadRefused, Subject::Platform, what).since(at));
    restart.into_iter().chain(refused).collect()
}
