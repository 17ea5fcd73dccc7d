//! How many requests are answered at once, in all and of one client.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The requests that are answered now. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct Turns {
    max: usize,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_client: HashMap<String, usize>,
}

/// The turn of a request, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    turns: Turns,
    client: String,
}

impl Turns {
    /// At most `max` at once, and half of them (at least one) for one client.
    pub(super) fn new(max: usize) -> Self {
        Self { max, taken: Arc::default() }
    }

    /// A turn for a request of this client; `None` when there is none.
    pub(super) fn take(&self, client: &str) -> Option<Turn> {
        let mut taken = self.taken();
        let own = taken.by_client.get(client).copied().unwrap_or_default();
        if taken.all >= self.max || own >= (self.max / 2).max(1) {
            return None;
        }
        taken.all += 1;
        taken.by_client.insert(client.to_owned(), own + 1);
        Some(Turn { turns: self.clone(), client: client.to_owned() })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut taken = self.turns.taken();
        taken.all = taken.all.saturating_sub(1);
        let own = taken.by_client.get(&self.client).copied().unwrap_or_default();
        if own > 1 {
            taken.by_client.insert(self.client.clone(), own - 1);
        } else {
            taken.by_client.remove(&self.client);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_client_leaves_turns_to_the_others() {
        let turns = Turns::new(4);
        let own: Vec<_> = (0..4).map_while(|_| turns.take("greedy")).collect();
        assert_eq!(own.len(), 2);
        let others: Vec<_> = (0..4).filter_map(|number| turns.take(&format!("other-{number}"))).collect();
        assert_eq!(others.len(), 2, "four in all");
        drop(own);
        assert!(turns.take("other-9").is_some());
        drop(others);
        assert!(turns.taken().by_client.is_empty() && turns.taken().all == 0);
        let single = Turns::new(1);
        let turn = single.take("only");
        assert!(turn.is_some() && single.take("other").is_none());
    }
}
