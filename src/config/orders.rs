//! `[orders]`: messages from the platform to devices.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::key::{Key, ReloadClass};
use super::quantity;

/// Messages from the platform to devices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Orders {
    /// How long the result of an order is awaited, from when the device has accepted it (CA).
    #[serde(with = "quantity::duration")]
    pub acknowledgement_timeout: Duration,
}

impl Default for Orders {
    fn default() -> Self {
        Self { acknowledgement_timeout: Duration::from_mins(5) }
    }
}

// An order keeps the time that applied when its device accepted it.
pub(super) const KEYS: &[Key] = &[Key::new("orders.acknowledgement-timeout", ReloadClass::Applied).timeout()];
