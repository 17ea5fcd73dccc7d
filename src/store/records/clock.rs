//! The time up to which the clock was confirmed.

use jiff::Timestamp;

/// What the store knows about the clock of its machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConfirmedClock {
    /// The last time at which the clock was believed.
    pub at: Timestamp,
    /// The operator allowed to remove what was received before this time without the limit of a day's worth
    /// at a time.
    pub release_before: Timestamp,
    /// The clock of the database server; `None` on SQLite.
    pub server_now: Option<Timestamp>,
}
