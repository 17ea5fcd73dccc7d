//! `[fhir]`: the index from which messages are read as FHIR R4.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::key::{Key, ReloadClass};
use super::quantity;

/// The index from which messages are read as FHIR R4.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Fhir {
    /// Whether stored messages are indexed. The first time all of them are.
    pub enabled: bool,
    /// How far the index may be behind before that is a finding.
    #[serde(with = "quantity::duration")]
    pub max_lag: Duration,
}

impl Default for Fhir {
    fn default() -> Self {
        Self { enabled: false, max_lag: Duration::from_mins(5) }
    }
}

pub(super) const KEYS: &[Key] = &[
    Key::new("fhir.enabled", ReloadClass::Applied),
    Key::new("fhir.max-lag", ReloadClass::Applied).timeout(),
];
