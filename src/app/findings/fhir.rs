//! Findings about the index of FHIR resources.

use super::super::Platform;
use crate::finding::facts::FhirBehind;
use crate::finding::{Finding, Subject};

/// Whether the index follows what is stored.
pub(super) fn look(platform: &Platform) -> Option<Finding> {
    let config = platform.config.load();
    let lag = platform.projection.lag(platform.store.now()).filter(|_| config.fhir.enabled)?;
    let seconds = u64::try_from(lag.as_secs()).unwrap_or_default();
    let allowed = config.fhir.max_lag.as_secs();
    (seconds > allowed).then(|| Finding::new(Subject::Platform, FhirBehind { seconds, allowed }))
}
