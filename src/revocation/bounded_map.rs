//! A map of bounded size.

use std::collections::{BTreeSet, HashMap};

/// The key of an entry: [`super::IssuedCertificate::identity`] or [`super::Issuer::identity`].
pub(super) type Identity = [u8; 32];

/// At most `capacity` entries. A full map evicts the entry of the lowest rank, which takes no search.
#[derive(Debug)]
pub(super) struct BoundedMap<R, V> {
    capacity: usize,
    entries: HashMap<Identity, (R, V)>,
    ranks: BTreeSet<(R, Identity)>,
}

impl<R: Ord + Copy, V> BoundedMap<R, V> {
    pub(super) fn new(capacity: usize) -> Self {
        Self { capacity, entries: HashMap::new(), ranks: BTreeSet::new() }
    }

    pub(super) fn get(&self, identity: &Identity) -> Option<&(R, V)> {
        self.entries.get(identity)
    }

    /// Inserts an entry, replacing one of the same identity.
    pub(super) fn insert(&mut self, identity: Identity, rank: R, value: V) {
        if let Some((old, _)) = self.entries.insert(identity, (rank, value)) {
            self.ranks.remove(&(old, identity));
        }
        self.ranks.insert((rank, identity));
        while self.entries.len() > self.capacity
            && let Some((_, lowest)) = self.ranks.pop_first()
        {
            self.entries.remove(&lowest);
        }
    }

    /// Evicts every entry of a lower rank.
    pub(super) fn evict_below(&mut self, rank: R) {
        while self.ranks.first().is_some_and(|(lowest, _)| *lowest < rank)
            && let Some((_, lowest)) = self.ranks.pop_first()
        {
            self.entries.remove(&lowest);
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Identity, &V)> {
        self.entries.iter().map(|(identity, (_, value))| (identity, value))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn identity(number: u8) -> Identity {
        [number; 32]
    }

    #[test]
    fn the_lowest_rank_is_evicted() {
        let mut map = BoundedMap::new(2);
        map.insert(identity(1), 5, "first");
        map.insert(identity(2), 1, "second");
        map.insert(identity(2), 9, "second, seen again");
        map.insert(identity(3), 7, "third");
        assert_eq!(map.get(&identity(1)), None);
        assert_eq!(map.get(&identity(2)), Some(&(9, "second, seen again")));
        map.evict_below(9);
        assert_eq!(map.iter().count(), 1);
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 128,
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn the_capacity_is_never_exceeded(entries in prop::collection::vec((0..20_u8, 0..50_u32), 0..80)) {
            let mut map = BoundedMap::new(6);
            for (number, rank) in &entries {
                map.insert(identity(*number), *rank, ());
                prop_assert_eq!(map.entries.len(), map.ranks.len());
                prop_assert!(map.entries.len() <= 6);
            }
        }
    }
}
