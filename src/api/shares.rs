//! What clients share: turns, and the memory of answers. One client takes a part of it at most, so that the
//! others still get something.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What is taken. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Shares(Arc<Mutex<Taken>>);

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_client: HashMap<String, usize>,
}

/// What a client has taken, until it is dropped.
#[derive(Debug)]
pub(super) struct Share {
    shares: Shares,
    client: String,
    amount: usize,
}

impl Shares {
    /// Takes an amount for a client, if no more than `total` is then taken in all, and no more than a quarter
    /// of that by the client. A client that has nothing may take more than
    /// its quarter, and the first client more than `total`: each answer can be given at some time.
    pub(super) fn take(&self, client: &str, amount: usize, total: usize) -> Option<Share> {
        let mut taken = self.taken();
        let own = taken.by_client.get(client).copied().unwrap_or_default();
        let fits = |taken: usize, most: usize| taken == 0 || taken.saturating_add(amount) <= most;
        if !fits(own, total.div_ceil(PARTS)) || !fits(taken.all, total) {
            return None;
        }
        taken.all = taken.all.saturating_add(amount);
        taken.by_client.insert(client.to_owned(), own.saturating_add(amount));
        Some(Share { shares: self.clone(), client: client.to_owned(), amount })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut taken = self.shares.taken();
        taken.all = taken.all.saturating_sub(self.amount);
        if let Some(own) = taken.by_client.get_mut(&self.client) {
            *own = own.saturating_sub(self.amount);
            if *own == 0 {
                taken.by_client.remove(&self.client);
            }
        }
    }
}

/// A client gets one of so many parts.
const PARTS: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_takes_a_part_and_each_answer_can_be_given() {
        let shares = Shares::default();
        let own: Vec<_> = (0..5).map_while(|_| shares.take("a", 1, 16)).collect();
        assert_eq!(own.len(), 4, "a quarter");
        let large = shares.take("b", 9, 16).unwrap();
        assert!(shares.take("b", 1, 16).is_none() && shares.take("c", 4, 16).is_none());
        let last = shares.take("c", 3, 16).unwrap();
        assert_eq!(shares.taken().all, 16);
        drop((own, large, last));
        assert!(shares.taken().all == 0 && shares.taken().by_client.is_empty());
        let all = shares.take("a", 99, 16).unwrap();
        assert!(shares.take("b", 1, 16).is_none());
        drop(all);
        assert!(shares.take("b", 1, 16).is_some());
    }
}
