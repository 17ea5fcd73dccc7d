//! A bounded number of different claims.

use std::collections::HashSet;

use super::claim::Claim;

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
}

impl Distinct {
    pub(super) fn new(limit: usize) -> Self {
        Self { claims: Vec::with_capacity(limit.min(8)), limit, full: limit.saturating_add(1) }
    }

    /// Like [`Distinct::new`], where most messages have none.
    pub(super) const fn empty(limit: usize) -> Self {
        Self { claims: Vec::new(), limit, full: limit.saturating_add(1) }
    }

    /// Whether there are more than the limit.
    pub(super) fn push(&mut self, claim: Claim) -> bool {
        self.claims.push(claim);
        if self.claims.len() < self.full {
            return false;
        }
        let mut seen = HashSet::with_capacity(self.limit);
        self.claims.retain(|claim| {
            seen.insert((claim.identity.clone(), claim.written.clone(), claim.encoded.clone()))
        });
        let exceeds_limit = self.claims.len() > self.limit;
        self.claims.truncate(self.limit);
        // Each removal of duplicates is paid for by `limit` claims.
        self.full = self.claims.len().saturating_add(self.limit).saturating_add(1);
        exceeds_limit
    }
}
