//! Whether the last reload was refused.

use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use crate::audit::ConfigurationFault;

/// What became of the last reload.
#[derive(Debug, Default)]
pub(super) struct LastReload(Mutex<Option<(Timestamp, String)>>);

impl LastReload {
    /// It was refused, for the `fault` of these keys.
    pub(super) fn refuse(&self, at: Timestamp, fault: ConfigurationFault, keys: &[String]) {
        let keys = if keys.is_empty() { String::new() } else { format!(" of {}", keys.join(", ")) };
        let what = format!("the last reload was refused ({}{keys}); the log has the reason", fault.code());
        *self.lock() = Some((at, what));
    }

    /// It was published.
    pub(super) fn publish(&self) {
        *self.lock() = None;
    }

    /// When it was refused, and why, without a value.
    pub(super) fn refused(&self) -> Option<(Timestamp, String)> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Option<(Timestamp, String)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
