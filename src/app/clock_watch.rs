//! What this process knows about the clock of the machine: when it was believed last.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use jiff::Timestamp;

use crate::store::ConfirmedClock;

/// What this process knows about the clock.
#[derive(Debug, Default)]
pub(super) struct ClockWatch(Mutex<State>);

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) base: Option<Base>,
    /// When the last line about a clock that is not believed was logged; `None` while it is believed.
    pub(super) reported: Option<Instant>,
}

/// When the clock was believed last.
#[derive(Debug, Clone, Copy)]
pub(super) struct Base {
    pub(super) at: Timestamp,
    pub(super) instant: Instant,
    /// The time in the store, which another node or an operator may change.
    pub(super) stored: Timestamp,
}

impl ClockWatch {
    /// When the clock was believed last: by this process, unless another one has written a time since.
    pub(super) fn base(&self, known: Option<ConfirmedClock>, wall: Timestamp, instant: Instant) -> Base {
        let own = self.state().base;
        match (own, known) {
            (Some(own), Some(known)) if own.stored != known.at => {
                Base { at: known.at, instant, stored: known.at }
            }
            (Some(own), _) => own,
            (None, Some(known)) => Base { at: known.at, instant, stored: known.at },
            // A new store: there is nothing to compare the clock with.
            (None, None) => Base { at: wall, instant, stored: wall },
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Base {
    pub(super) fn expected(self, instant: Instant) -> Timestamp {
        let passed = instant.saturating_duration_since(self.instant);
        self.at.saturating_add(passed).unwrap_or(Timestamp::MAX)
    }
}
