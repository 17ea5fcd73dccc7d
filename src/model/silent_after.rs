//! When a device counts as silent.

use std::time::Duration;

/// When a device that stopped sending counts as silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SilentAfter {
    /// `learned`: by the device's own habit, or by the interval that its watchdog announces.
    #[default]
    Learned,
    /// After this time.
    Fixed(Duration),
    /// `never`.
    Never,
}
