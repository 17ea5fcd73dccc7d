//! `[notifications]`: notifications of partners.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::key::{Key, ReloadClass};
use super::quantity;

/// Notifications of partners.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Notifications {
    /// How long a partner has to acknowledge a notification before it is delivered again.
    #[serde(with = "quantity::duration")]
    pub visibility: Duration,
    /// Deliveries that a partner answers and does not acknowledge, after which a notification is given up.
    pub deliveries: u32,
}

impl Default for Notifications {
    fn default() -> Self {
        Self { visibility: Duration::from_mins(5), deliveries: 10 }
    }
}

pub(super) const KEYS: &[Key] = &[
    Key::new("notifications.visibility", ReloadClass::Applied)
        .time(Duration::from_secs(1), Duration::from_hours(12)),
    Key::new("notifications.deliveries", ReloadClass::Applied).count(1..=1000),
];
