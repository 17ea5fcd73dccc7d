//! How far a long work has come, for the person who waits for it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A work that takes minutes. Who does it says how far it is; who shows it asks. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct LongWork(Arc<Mutex<Option<Stage>>>);

/// A part of the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stage {
    /// What is done, and counted: "messages read".
    pub what: &'static str,
    /// Whether bytes are counted.
    pub is_bytes: bool,
    /// How many are done.
    pub done: u64,
    /// How many there are; `None` when that is not known.
    pub total: Option<u64>,
}

impl LongWork {
    /// A part of the work begins, in which `total` things are counted.
    pub fn begin(&self, what: &'static str, total: Option<u64>) {
        *self.stage_of_now() = Some(Stage { what, is_bytes: false, done: 0, total });
    }

    /// The same, in which bytes are counted.
    pub fn begin_bytes(&self, what: &'static str, total: Option<u64>) {
        *self.stage_of_now() = Some(Stage { what, is_bytes: true, done: 0, total });
    }

    /// So many more are done.
    pub fn advance(&self, count: u64) {
        if let Some(stage) = &mut *self.stage_of_now() {
            stage.done = stage.done.saturating_add(count);
        }
    }

    /// So many are done.
    pub fn reach(&self, done: u64) {
        if let Some(stage) = &mut *self.stage_of_now() {
            stage.done = done;
        }
    }

    /// Where the work is; `None` before it begins.
    #[must_use]
    pub fn stage(&self) -> Option<Stage> {
        *self.stage_of_now()
    }

    fn stage_of_now(&self) -> MutexGuard<'_, Option<Stage>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_work_says_how_far_its_present_part_is() {
        let work = LongWork::default();
        work.advance(7);
        assert_eq!(work.stage(), None, "nothing has begun");
        work.begin("messages read", Some(10));
        work.clone().advance(3);
        work.advance(4);
        let stage = Stage { what: "messages read", is_bytes: false, done: 7, total: Some(10) };
        assert_eq!(work.stage(), Some(stage));
        work.begin_bytes("bytes copied", None);
        work.reach(5);
        let stage = Stage { what: "bytes copied", is_bytes: true, done: 5, total: None };
        assert_eq!(work.stage(), Some(stage));
    }
}
