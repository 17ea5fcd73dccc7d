//! Who may map messages now: devices come first, and no reader keeps others waiting.
//!
//! Mapping computes. At once as many messages are mapped as there are processors but one, and of one reader
//! only a part at a time, so that a reader with many costly searches delays another one by one part at most.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Readers that map. Clones share it.
#[derive(Debug, Clone)]
pub struct RenderTurns {
    all: Arc<Semaphore>,
    readers: Arc<Mutex<HashMap<String, Weak<Semaphore>>>>,
    #[cfg(test)]
    taken: Taken,
}

/// How many turns were taken.
#[cfg(test)]
pub(crate) type Taken = Arc<std::sync::atomic::AtomicUsize>;

/// The turns of one reader.
#[derive(Debug, Clone)]
pub struct ReaderTurns {
    all: Arc<Semaphore>,
    own: Arc<Semaphore>,
    #[cfg(test)]
    taken: Taken,
}

/// A turn, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn(#[expect(dead_code, reason = "held")] [Option<OwnedSemaphorePermit>; 2]);

impl Default for RenderTurns {
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let turns = processors.saturating_sub(1).max(1);
        Self {
            all: Arc::new(Semaphore::new(turns)),
            readers: Arc::default(),
            #[cfg(test)]
            taken: Taken::default(),
        }
    }
}

impl RenderTurns {
    /// Those of this reader, whatever it asks for at once.
    #[must_use]
    pub fn of(&self, reader: &str) -> ReaderTurns {
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        let known = readers.get(reader).and_then(Weak::upgrade);
        let own = known.unwrap_or_else(|| {
            // Those without a request are of no use.
            readers.retain(|_, own| own.strong_count() > 0);
            let own = Arc::new(Semaphore::new(1));
            readers.insert(reader.to_owned(), Arc::downgrade(&own));
            own
        });
        ReaderTurns {
            all: Arc::clone(&self.all),
            own,
            #[cfg(test)]
            taken: Arc::clone(&self.taken),
        }
    }

    /// How many turns all readers have taken.
    #[cfg(test)]
    pub(crate) fn taken(&self) -> usize {
        self.taken.load(std::sync::atomic::Ordering::Relaxed)
    }
}

impl ReaderTurns {
    /// Waits for a turn.
    pub(super) async fn take(&self) -> Turn {
        #[cfg(test)]
        self.taken.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        // Neither is ever closed.
        let own = Arc::clone(&self.own).acquire_owned().await.ok();
        let all = Arc::clone(&self.all).acquire_owned().await.ok();
        Turn([own, all])
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn a_reader_waits_for_itself_and_not_for_another_one() {
        let turns = RenderTurns { all: Arc::new(Semaphore::new(2)), ..RenderTurns::default() };
        let (greedy, same, other) = (turns.of("greedy"), turns.of("greedy"), turns.of("other"));
        let first = greedy.take().await;
        assert!(same.take().now_or_never().is_none(), "its second part waits");
        let second = other.take().now_or_never();
        assert!(second.is_some() && turns.of("third").take().now_or_never().is_none(), "two at once");
        drop(first);
        assert!(same.take().now_or_never().is_some());
        drop((greedy, same, other, second));
        drop(turns.of("another"));
        assert_eq!(turns.readers.lock().unwrap().len(), 1, "those that are gone are forgotten");
    }
}
