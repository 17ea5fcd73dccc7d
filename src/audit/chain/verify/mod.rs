//! Verification of a chain.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;

use crate::audit::Event;
use crate::audit::chain::fault::Fault;
use crate::audit::chain::head::{ChainHead, RowHash};
use crate::audit::chain::signature::{Beginning, Distrust, SignatureVerifier, begin_bytes, signed_bytes};
use crate::audit::chain::signature::{SignedLink, pruned_link};
use crate::audit::chain::signing_rule::{SigningRule, UnsignedRows, is_of_a_serving_platform};
use crate::model::NodeName;

/// A row as stored; nothing of it is trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainRow {
    /// Its position among the rows of all nodes.
    pub sequence: i64,
    /// Its number in the chain.
    pub number: i64,
    /// The time of the event, in microseconds since 1970-01-01 UTC.
    pub at: i64,
    /// The name of the event.
    pub event: String,
    /// The details.
    pub details: String,
    /// Its hash, as stored.
    pub hash: Vec<u8>,
}

impl ChainRow {
    /// The chain up to this row, if it continues the chain of `node` up to `head`: it has the next number,
    /// and its hash is that of its content.
    #[must_use]
    pub fn continues(&self, node: &NodeName, head: &ChainHead) -> Option<ChainHead> {
        let at = Timestamp::from_microsecond(self.at).ok()?;
        let next = head.next(node, at, &self.event, &self.details);
        let is_next = u64::try_from(self.number) == Ok(next.number) && self.hash == next.hash.as_bytes();
        is_next.then_some(next)
    }
}

/// Verifies a chain, row by row.
pub struct Verifier<'j> {
    node: NodeName,
    signatures: &'j dyn SignatureVerifier,
    /// The head of an empty chain.
    begin: ChainHead,
    last: ChainHead,
    last_sequence: i64,
    /// Whether a row records that the rows before `begin` were removed.
    pruning_recorded: bool,
    /// The last signed chain head.
    signed: ChainHead,
    /// A row that the chain must contain: what the store recorded of its end.
    required: ChainHead,
    /// The latest rows, up to `last`: the next signature may cover one of them.
    recent: VecDeque<Recent>,
    /// Whether signatures are demanded, and the rows that have none.
    unsigned: UnsignedRows,
    signature: Option<LastSignature>,
    /// The first row that only a serving platform writes.
    served: Option<(u64, Timestamp)>,
    /// The highest end of each other chain that signed rows list.
    listed: BTreeMap<NodeName, ChainHead>,
    /// Ends of these chains that were listed until then do not count.
    accepted: BTreeMap<NodeName, Timestamp>,
}

/// An intact chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intact {
    /// Its last row.
    pub end: ChainHead,
    /// Its last signature, if it has one.
    pub signature: Option<LastSignature>,
    /// The first row that only a serving platform writes, in a chain that the platform has never signed.
    pub unsigned_since: Option<(u64, Timestamp)>,
    /// The highest end of each other chain in its rows `audit-signed`, which that chain must contain.
    pub listed: BTreeMap<NodeName, ChainHead>,
}

/// The last signature of a chain. Without the platform's key the rows up to it cannot be rewritten
/// undetected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastSignature {
    /// The last row that it covers.
    pub number: u64,
    /// When it was created.
    pub at: Timestamp,
}

/// A row that the next signature may cover.
struct Recent {
    link: ChainHead,
    at: Timestamp,
    /// Whether only a serving platform writes such rows.
    is_served: bool,
}

/// The first wrong row of a chain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("row {number} of node {node} {fault}")]
pub struct Broken {
    /// The node of the chain.
    pub node: NodeName,
    /// The number of the row.
    pub number: u64,
    /// The fault.
    pub fault: Fault,
}

impl<'j> Verifier<'j> {
    /// Starts at the first row of the chain of `node`.
    #[must_use]
    pub fn new(node: NodeName, signatures: &'j dyn SignatureVerifier) -> Self {
        Self {
            node,
            signatures,
            begin: ChainHead::START,
            last: ChainHead::START,
            last_sequence: i64::MIN,
            pruning_recorded: true,
            signed: ChainHead::START,
            required: ChainHead::START,
            recent: VecDeque::new(),
            unsigned: UnsignedRows::new(None),
            signature: None,
            served: None,
            listed: BTreeMap::new(),
            accepted: BTreeMap::new(),
        }
    }

    /// Starts where the platform signed that older rows were removed.
    ///
    /// # Errors
    /// When the signature is not valid.
    pub fn beginning(
        node: NodeName,
        signatures: &'j dyn SignatureVerifier,
        beginning: &Beginning,
    ) -> Result<Self, Broken> {
        let Beginning { link, signature, at } = beginning;
        let verifier = Self::new(node, signatures);
        signatures
            .verify(&begin_bytes(&verifier.node, link), signature, *at)
            .map_err(|distrust| verifier.broken(link.number.saturating_add(1), Fault::Beginning(distrust)))?;
        Ok(Self { begin: *link, pruning_recorded: false, last: *link, signed: *link, ..verifier })
    }

    /// Starts behind `link`, whatever says that older rows were removed: for what is behind a fault there.
    #[must_use]
    pub fn behind(node: NodeName, signatures: &'j dyn SignatureVerifier, link: ChainHead) -> Self {
        Self { begin: link, last: link, signed: link, ..Self::new(node, signatures) }
    }

    /// Requires that the chain contains `head`, unless retention removed it.
    #[must_use]
    pub fn requiring(self, head: ChainHead) -> Self {
        Self { required: head, ..self }
    }

    /// Demands signatures by this rule.
    #[must_use]
    pub fn demanding(self, rule: Option<SigningRule>) -> Self {
        Self { unsigned: UnsignedRows::new(rule), ..self }
    }

    /// Ignores the ends of these chains that its rows listed until then: an operator has accepted what they
    /// were at that time.
    #[must_use]
    pub fn accepting(self, accepted: BTreeMap<NodeName, Timestamp>) -> Self {
        Self { accepted, ..self }
    }

    /// Checks the next row, in the order of the numbers. Behind a row with a fault the verification can go
    /// on: with the hash that the row has, so that later faults are found as well.
    ///
    /// # Errors
    /// When it is not the row that was written. Of several faults of a row the first is returned.
    pub fn row(&mut self, row: &ChainRow) -> Result<(), Broken> {
        let expected = self.last.number.saturating_add(1);
        let number = u64::try_from(row.number).unwrap_or(0);
        if number < expected {
            return Err(self.broken(number, Fault::Inserted));
        }
        let link = row.continues(&self.node, &self.last);
        let (Some(link), Ok(at)) = (link, Timestamp::from_microsecond(row.at)) else {
            let altered = self.broken(number, Fault::Altered);
            let missing = self.broken(expected, Fault::Missing);
            let hash = RowHash::from_bytes(&row.hash).unwrap_or(ChainHead::START.hash);
            self.add(row, ChainHead { number, hash }, Timestamp::UNIX_EPOCH);
            return Err(if number > expected { missing } else { altered });
        };
        let before = self.last_sequence;
        let checked = self.check(row, &link, at, before);
        self.add(row, link, at);
        checked
    }

    /// Checks a row that continues the chain.
    fn check(&mut self, row: &ChainRow, link: &ChainHead, at: Timestamp, before: i64) -> Result<(), Broken> {
        let number = link.number;
        if number == self.required.number && *link != self.required {
            return Err(self.broken(number, Fault::OtherEnd));
        }
        if row.sequence <= before {
            return Err(self.broken(number, Fault::Moved));
        }
        if row.event == Event::AUDIT_SIGNED {
            self.signature(&row.details, at)
                .map_err(|distrust| self.broken(number, Fault::Signature(distrust)))?;
        }
        if let Err(first) = self.unsigned.row(number, at, &row.event) {
            // Named once, and not with each further row.
            self.unsigned.signed(None);
            return Err(self.broken(first, Fault::Unsigned));
        }
        if row.event == Event::AUDIT_PRUNED {
            let link = pruned_link(&row.details).filter(|link| link.number <= self.begin.number);
            let link = link.ok_or_else(|| self.broken(number, Fault::PruningUnsigned))?;
            self.pruning_recorded |= link == self.begin;
        }
        if self.served.is_none() && is_of_a_serving_platform(&row.event) {
            self.served = Some((number, at));
        }
        Ok(())
    }

    /// Goes on behind the row.
    fn add(&mut self, row: &ChainRow, link: ChainHead, at: Timestamp) {
        if self.recent.len() == MAX_UNSIGNED {
            self.recent.pop_front();
        }
        self.recent.push_back(Recent { link, at, is_served: UnsignedRows::counts(&row.event) });
        self.last = link;
        self.last_sequence = row.sequence;
    }

    /// Ends the chain with the last checked row.
    ///
    /// # Errors
    /// When the chain does not reach the required row, or rows are missing at its beginning.
    pub fn finish(self) -> Result<Intact, Broken> {
        if self.last.number < self.required.number {
            return Err(self.broken(self.last.number.saturating_add(1), Fault::TailCut));
        }
        if !self.pruning_recorded {
            return Err(self.broken(self.begin.number.saturating_add(1), Fault::PruningUnrecorded));
        }
        Ok(self.so_far())
    }

    /// The chain up to the last checked row, whatever faults it has.
    #[must_use]
    pub fn so_far(&self) -> Intact {
        let is_signed = self.signature.is_some() || self.begin != ChainHead::START;
        let unsigned_since = self.served.filter(|_| !is_signed);
        Intact { end: self.last, signature: self.signature, unsigned_since, listed: self.listed.clone() }
    }

    /// The last checked row.
    #[must_use]
    pub const fn last(&self) -> &ChainHead {
        &self.last
    }

    fn signature(&mut self, details: &str, at: Timestamp) -> Result<(), Distrust> {
        let SignedLink { link, signature, chains } = SignedLink::read(details).ok_or(Distrust::Unreadable)?;
        let counts = |node: &NodeName| self.accepted.get(node).is_none_or(|until| at > *until);
        for (node, end) in chains.into_iter().filter(|(node, _)| counts(node)) {
            let highest = self.listed.entry(node).or_insert(end);
            *highest = if highest.number < end.number { end } else { *highest };
        }
        if self.begin != ChainHead::START && link.number <= self.begin.number {
            // The signed rows were removed since; only the hash of the last one is still known.
            if link.number == self.begin.number && link.hash != self.begin.hash {
                return Err(Distrust::OtherRows);
            }
            self.signatures.verify(&signed_bytes(&self.node, &link), &signature, at)?;
            self.signature = Some(LastSignature { number: link.number, at });
            return Ok(());
        }
        // The writer signs the head that it has just read, so it follows the last signed one and is recent.
        let place = self.recent.iter().rposition(|row| row.link.number <= link.number);
        let place = place.filter(|_| link.number > self.signed.number).ok_or(Distrust::OtherRows)?;
        if self.recent.get(place).map(|row| row.link) != Some(link) {
            return Err(Distrust::OtherRows);
        }
        self.signatures.verify(&signed_bytes(&self.node, &link), &signature, at)?;
        self.recent.drain(..=place);
        let first = self.recent.iter().find(|row| row.is_served).map(|row| (row.link.number, row.at));
        self.unsigned.signed(first);
        self.signed = link;
        self.signature = Some(LastSignature { number: link.number, at });
        Ok(())
    }

    fn broken(&self, number: u64, fault: Fault) -> Broken {
        Broken { node: self.node.clone(), number, fault }
    }
}

/// Rows between a signed row and its signature: some seconds of the busiest node.
const MAX_UNSIGNED: usize = 1 << 20;

#[cfg(test)]
mod tests;
