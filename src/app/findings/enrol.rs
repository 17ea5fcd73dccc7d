//! Findings about enrolment.

use super::super::Platform;
use crate::finding::facts::EnrolmentWaiting;
use crate::finding::{Finding, Subject};

/// Whether a request for a certificate waits for too long. Also counts those that wait.
pub(super) async fn look(platform: &Platform) -> Option<Finding> {
    let config = platform.config.load();
    if !config.enrol.enabled {
        return None;
    }
    // A store that does not answer is a finding of its own.
    let (waiting, since) = platform.store.pending_enrolments().await.ok()?;
    platform.metrics.api.pending_enrolments.set(i64::try_from(waiting).unwrap_or(i64::MAX));
    let waits = platform.store.now().duration_since(since?);
    let (seconds, allowed) =
        (u64::try_from(waits.as_secs()).unwrap_or_default(), config.enrol.max_wait.as_secs());
    (seconds > allowed)
        .then(|| Finding::new(Subject::Platform, EnrolmentWaiting { waiting, seconds, allowed }))
}
