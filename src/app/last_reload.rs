//! Whether the last reload was refused.

use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use crate::audit::ConfigurationFault;
use crate::finding::facts::ReloadRefused;

/// What became of the last reload.
#[derive(Debug, Default)]
pub(super) struct LastReload(Mutex<Option<(Timestamp, ReloadRefused)>>);

impl LastReload {
    /// It was refused, for the `fault` of these keys.
    pub(super) fn refuse(&self, at: Timestamp, fault: ConfigurationFault, keys: &[String]) {
        *self.lock() = Some((at, ReloadRefused { fault: fault.code().to_owned(), keys: keys.to_vec() }));
    }

    /// It was published.
    pub(super) fn publish(&self) {
        *self.lock() = None;
    }

    /// When it was refused, and why, without a value.
    pub(super) fn refused(&self) -> Option<(Timestamp, ReloadRefused)> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Option<(Timestamp, ReloadRefused)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
