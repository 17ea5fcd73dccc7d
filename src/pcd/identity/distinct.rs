//! A bounded number of different claims.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};

use super::claim::Claim;
use crate::model::work::count;

/// What one way of reading finds.
pub(super) struct Findings {
    pub(super) identities: Vec<Claim>,
    pub(super) names: Vec<Claim>,
    pub(super) exceeds_limit: bool,
    /// A field that names a device has an escape character.
    pub(super) has_escapes: bool,
}

/// Claims of which at most `limit` are distinct.
pub(super) struct Distinct {
    pub(super) claims: Vec<Claim>,
    limit: usize,
    /// The length at which duplicates are removed next.
    full: usize,
    /// So many claims, the first ones, are known to be distinct.
    distinct: usize,
    /// Those; `None` until duplicates are removed for the first time, which most messages do not reach.
    seen: Option<Seen>,
}

/// Which claims were seen, by hashes with a secret key: a sender cannot choose two claims with one hash.
#[derive(Default)]
struct Seen {
    hasher: RandomState,
    hashes: HashSet<u64>,
}

impl Distinct {
    pub(super) fn new(limit: usize) -> Self {
        Self { claims: Vec::with_capacity(limit.min(8)), ..Self::empty(limit) }
    }

    /// Like [`Distinct::new`], where most messages have none.
    pub(super) const fn empty(limit: usize) -> Self {
        Self { claims: Vec::new(), limit, full: limit.saturating_add(1), distinct: 0, seen: None }
    }

    /// Whether there are more than the limit. Each claim is hashed at most once: it may be as long as the
    /// message.
    pub(super) fn push(&mut self, claim: Claim) -> bool {
        self.claims.push(claim);
        if self.claims.len() < self.full {
            return false;
        }
        let seen = self.seen.get_or_insert_default();
        let new = self.claims.split_off(self.distinct.min(self.claims.len()));
        self.claims.extend(new.into_iter().filter(|claim| seen.is_new(claim)));
        let exceeds_limit = self.claims.len() > self.limit;
        self.claims.truncate(self.limit);
        self.distinct = self.claims.len();
        self.full = self.distinct.saturating_add(self.limit).saturating_add(1);
        exceeds_limit
    }
}

impl Seen {
    fn is_new(&mut self, Claim { identity, written, encoded, .. }: &Claim) -> bool {
        count(1 + written.as_deref().map_or(0, str::len));
        self.hashes.insert(self.hasher.hash_one((identity, written, encoded)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::claim::Place;
    use super::super::device_identity::DeviceIdentity;
    use super::*;
    use crate::hl7::Location;
    use crate::model::work::measure;

    fn claim(name: &str) -> Claim {
        let identity = DeviceIdentity::new(name, "").unwrap();
        Claim::new(Place::Equipment, Location::field(*b"OBX", 1, 18), identity, name)
    }

    #[test]
    fn a_claim_as_long_as_a_message_is_compared_once() {
        let mut found = Distinct::empty(16);
        let (is_too_many, steps) = measure(|| {
            let long = std::iter::once("A".repeat(100_000));
            let few = (0..10_000).map(|n| format!("B{}", n % 15));
            long.chain(few).any(|name| found.push(claim(&name)))
        });
        assert!(!is_too_many && steps > 100_000, "{steps}");
        assert!(steps < 200_000, "{steps}");
        assert!((0..40).any(|n| found.push(claim(&format!("C{n}")))), "a seventeenth");
        assert_eq!(found.claims.len(), 16);
    }
}
