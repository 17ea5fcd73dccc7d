//! Which sessions of a device take orders.
//!
//! A gateway may keep a pool of connections and read orders on one of them only. The others are found out by
//! orders that stay unanswered.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::model::SessionId;

/// What is known of the open sessions. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct OrderHabits {
    /// Without an entry: no order was sent on the session yet.
    sessions: Arc<Mutex<HashMap<SessionId, Habit>>>,
}

/// What is known of one session.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Habit {
    /// Whether an order was ever answered on it.
    pub(super) has_answered: bool,
    /// How many orders were left unanswered since then.
    pub(super) unanswered: u32,
}

impl OrderHabits {
    pub(super) fn of(&self, session: SessionId) -> Habit {
        self.lock().get(&session).copied().unwrap_or_default()
    }

    /// An order was answered.
    pub(super) fn answered(&self, session: SessionId) {
        self.lock().insert(session, Habit { has_answered: true, unanswered: 0 });
    }

    /// An order that was sent on the session was not answered in time.
    pub(super) fn unanswered(&self, session: SessionId) {
        let mut sessions = self.lock();
        let habit = sessions.entry(session).or_default();
        habit.unanswered = habit.unanswered.saturating_add(1);
    }

    /// The session is over.
    pub(super) fn forget(&self, session: SessionId) {
        self.lock().remove(&session);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, Habit>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
