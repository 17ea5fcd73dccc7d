//! A hospital's bad nights, one after the other: what can happen to a store, its server, its disk and the
//! nodes, while devices send. After each outage every acknowledged message is stored exactly once, the audit
//! trail verifies, and the platform is ready again without a restart. A table shows how long devices waited.
//!
//! In the suite an outage takes about a second. `PCD_OUTAGE_SECONDS=60` is the length of the requirement:
//!
//!     PCD_OUTAGE_SECONDS=60 cargo test --release --all-features --test it outages:: -- --nocapture
//!
//! `PCD_OUTAGES="disk full,frozen"` runs the outages whose names contain one of these texts.

pub mod devices;
mod postgres;
mod report;
pub mod servers;
mod sqlite;
pub mod trial;

use std::time::Duration;

/// How long the outages take that have a length.
#[derive(Debug, Clone)]
pub struct Plan {
    length: Option<Duration>,
    only: Vec<String>,
}

impl Plan {
    fn from_environment() -> Self {
        let list = std::env::var("PCD_OUTAGES").unwrap_or_default();
        let only = list.split(',').map(str::trim).filter(|name| !name.is_empty());
        Self {
            length: std::env::var("PCD_OUTAGE_SECONDS")
                .ok()
                .map(|text| Duration::from_secs_f64(text.parse().unwrap())),
            only: only.map(str::to_owned).collect(),
        }
    }

    /// `short` in the suite.
    fn length(&self, short: Duration) -> Duration {
        self.length.unwrap_or(short)
    }

    fn is_full(&self) -> bool {
        self.length.is_some()
    }

    fn includes(&self, outage: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|text| outage.contains(text))
    }
}

/// What an outage takes in the suite, when its length does not matter.
const SHORT: Duration = Duration::from_millis(600);
