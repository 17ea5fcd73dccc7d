//! The platform's clock as a rustls time provider.

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::UnixTime;
use rustls::time_provider::TimeProvider;

use crate::model::Clock;

/// A time provider for rustls that reads `clock`.
pub(super) fn time_provider(clock: &Clock) -> Arc<dyn TimeProvider> {
    Arc::new(ClockTimeProvider(clock.clone()))
}

#[derive(Debug)]
struct ClockTimeProvider(Clock);

impl TimeProvider for ClockTimeProvider {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = u64::try_from(self.0.now().as_second()).ok()?;
        Some(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
    }
}
