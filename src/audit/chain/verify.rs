//! Verification of a chain.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;

use super::fault::Fault;
use super::head::ChainHead;
use super::signature::{Beginning, Distrust, SignatureVerifier, begin_bytes, signed_bytes};
use super::signature::{SignedLink, pruned_link};
use super::signing_rule::{SigningRule, UnsignedRows, is_of_a_serving_platform};
use crate::audit::Event;
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

    /// Checks the next row, in the order of the numbers.
    ///
    /// # Errors
    /// When it is not the row that was written.
    pub fn row(&mut self, row: &ChainRow) -> Result<(), Broken> {
        let expected = self.last.number.saturating_add(1);
        let number = u64::try_from(row.number).unwrap_or(0);
        if number < expected {
            return Err(self.broken(number, Fault::Inserted));
        }
        if number > expected {
            return Err(self.broken(expected, Fault::Missing));
        }
        let at = Timestamp::from_microsecond(row.at).map_err(|_| self.broken(number, Fault::Altered))?;
        let link = self.last.next(&self.node, at, &row.event, &row.details);
        if row.hash != link.hash.as_bytes() {
            return Err(self.broken(number, Fault::Altered));
        }
        if number == self.required.number && link != self.required {
            return Err(self.broken(number, Fault::OtherEnd));
        }
        if row.sequence <= self.last_sequence {
            return Err(self.broken(number, Fault::Moved));
        }
        if row.event == Event::AUDIT_SIGNED {
            self.signature(&row.details, at)
                .map_err(|distrust| self.broken(number, Fault::Signature(distrust)))?;
        }
        self.unsigned.row(number, at, &row.event).map_err(|first| self.broken(first, Fault::Unsigned))?;
        if row.event == Event::AUDIT_PRUNED {
            let link = pruned_link(&row.details).filter(|link| link.number <= self.begin.number);
            let link = link.ok_or_else(|| self.broken(number, Fault::PruningUnsigned))?;
            self.pruning_recorded |= link == self.begin;
        }
        if self.served.is_none() && is_of_a_serving_platform(&row.event) {
            self.served = Some((number, at));
        }
        if self.recent.len() == MAX_UNSIGNED {
            self.recent.pop_front();
        }
        self.recent.push_back(Recent { link, at, is_served: UnsignedRows::counts(&row.event) });
        self.last = link;
        self.last_sequence = row.sequence;
        Ok(())
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
        let is_signed = self.signature.is_some() || self.begin != ChainHead::START;
        let unsigned_since = self.served.filter(|_| !is_signed);
        Ok(Intact { end: self.last, signature: self.signature, unsigned_since, listed: self.listed })
    }

    /// The last checked row.
    #[must_use]
    pub const fn last(&self) -> &ChainHead {
        &self.last
    }

    fn signature(&mut self, details: &str, at: Timestamp) -> Result<(), Distrust> {
        let SignedLink { link, signature, chains } = SignedLink::read(details).ok_or(Distrust::Unreadable)?;
        for (node, end) in chains {
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
        let behind = self.last.number.checked_sub(link.number).filter(|_| link.number > self.signed.number);
        let behind = behind.and_then(|behind| usize::try_from(behind).ok()).ok_or(Distrust::OtherRows)?;
        if self.recent.iter().rev().nth(behind).map(|row| row.link) != Some(link) {
            return Err(Distrust::OtherRows);
        }
        self.signatures.verify(&signed_bytes(&self.node, &link), &signature, at)?;
        let left = self.recent.len().min(behind);
        self.recent.drain(..self.recent.len() - left);
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
mod tests {
    use super::*;
    use crate::audit::RowHash;
    use crate::audit::Signer as _;
    use crate::audit::fixtures::Repeating;

    /// The name of an event, and its details.
    type EventRow = (String, String);

    fn node() -> NodeName {
        "node-1".parse().unwrap()
    }

    /// Chains rows as the store does: `(event, details)` in order.
    fn linked(rows: &[EventRow]) -> Vec<ChainRow> {
        let mut link = ChainHead::START;
        let mut chain = Vec::new();
        for (event, details) in rows {
            link = link.next(&node(), Timestamp::UNIX_EPOCH, event, details);
            let number = i64::try_from(link.number).unwrap();
            let hash = link.hash.as_bytes().to_vec();
            chain.push(ChainRow {
                sequence: number * 10,
                number,
                at: 0,
                event: event.clone(),
                details: details.clone(),
                hash,
            });
        }
        chain
    }

    fn plain(count: usize) -> Vec<EventRow> {
        (0..count).map(|n| ("event".to_owned(), format!("{{\"n\":{n}}}"))).collect()
    }

    fn end(chain: &[ChainRow]) -> ChainHead {
        chain.last().map_or(ChainHead::START, |row| ChainHead {
            number: u64::try_from(row.number).unwrap(),
            hash: RowHash::from_bytes(&row.hash).unwrap(),
        })
    }

    /// Five rows, a signature over the fourth of them, and two more.
    fn signed() -> Vec<ChainRow> {
        let mut rows = plain(5);
        let link = end(&linked(&rows)[..4]);
        let signature = Repeating.sign(&signed_bytes(&node(), &link)).unwrap();
        let event = Event::AuditSigned { link, signature, chains: Vec::new() };
        rows.push((event.name().to_owned(), event.details()));
        rows.extend(plain(2));
        linked(&rows)
    }

    fn verify(chain: &[ChainRow], end: &ChainHead) -> Result<Intact, Broken> {
        let mut verifier = Verifier::new(node(), &Repeating).requiring(*end);
        chain.iter().try_for_each(|row| verifier.row(row))?;
        verifier.finish()
    }

    fn fault(chain: &[ChainRow], end: &ChainHead) -> (u64, Fault) {
        let broken = verify(chain, end).unwrap_err();
        (broken.number, broken.fault)
    }

    #[test]
    fn an_untouched_chain_is_intact_and_has_its_last_signature() {
        let chain = signed();
        let intact = verify(&chain, &end(&chain)).unwrap();
        assert_eq!(intact.end.number, 8);
        assert_eq!(intact.signature, Some(LastSignature { number: 4, at: Timestamp::UNIX_EPOCH }));
        assert_eq!(
            verify(&[], &ChainHead::START).unwrap(),
            Intact { end: ChainHead::START, signature: None, unsigned_since: None, listed: BTreeMap::new() }
        );
    }

    #[test]
    fn the_first_wrong_row_is_named() {
        let chain = signed();
        let end = end(&chain);
        let with = |change: &dyn Fn(&mut Vec<ChainRow>)| {
            let mut changed = chain.clone();
            change(&mut changed);
            fault(&changed, &end)
        };
        assert_eq!(with(&|chain| chain[2].details = "{}".to_owned()), (3, Fault::Altered));
        assert_eq!(with(&|chain| chain[2].at += 1), (3, Fault::Altered));
        assert_eq!(with(&|chain| chain[2].at = i64::MAX), (3, Fault::Altered));
        assert_eq!(with(&|chain| chain[2].event.clear()), (3, Fault::Altered));
        assert_eq!(with(&|chain| chain[2].hash.clear()), (3, Fault::Altered));
        assert_eq!(with(&|chain| drop(chain.remove(0))), (1, Fault::Missing));
        assert_eq!(with(&|chain| drop(chain.remove(2))), (3, Fault::Missing));
        assert_eq!(with(&|chain| chain.insert(2, chain[1].clone())), (2, Fault::Inserted));
        assert_eq!(with(&|chain| chain[2].number = -3), (0, Fault::Inserted));
        assert_eq!(with(&|chain| chain.truncate(6)), (7, Fault::TailCut));
        assert_eq!(with(&|chain| chain.clear()), (1, Fault::TailCut));
        assert_eq!(with(&|chain| chain[3].sequence = 0), (4, Fault::Moved));
        let swapped = with(&|chain| {
            let (one, other) = (chain[1].details.clone(), chain[2].details.clone());
            (chain[1].details, chain[2].details) = (other, one);
        });
        assert_eq!(swapped, (2, Fault::Altered));
        // New numbers for all later rows do not help.
        let renumbered = with(&|chain| {
            chain.remove(2);
            chain.iter_mut().skip(2).for_each(|row| row.number -= 1);
        });
        assert_eq!(renumbered, (3, Fault::Altered));
    }

    #[test]
    fn a_rewritten_chain_ends_elsewhere_or_breaks_at_its_signature() {
        let chain = signed();
        let rewritten = |change: &dyn Fn(&mut Vec<EventRow>)| {
            let mut rows: Vec<_> = chain.iter().map(|row| (row.event.clone(), row.details.clone())).collect();
            change(&mut rows);
            linked(&rows)
        };
        // The store's chain head was rewritten as well: only the signature detects it.
        let changed = rewritten(&|rows| rows[2].1 = "{}".to_owned());
        let other_rows = Fault::Signature(Distrust::OtherRows);
        assert_eq!(fault(&changed, &end(&changed)), (6, other_rows));
        let shorter = rewritten(&|rows| drop(rows.remove(2)));
        assert_eq!(fault(&shorter, &end(&shorter)), (5, other_rows));
        let unreadable = rewritten(&|rows| rows[5].1 = "{}".to_owned());
        assert_eq!(fault(&unreadable, &end(&unreadable)), (6, Fault::Signature(Distrust::Unreadable)));
        let forged =
            rewritten(&|rows| rows[5].1 = rows[5].1.replace("\"signature\":\"70", "\"signature\":\"71"));
        assert_eq!(fault(&forged, &end(&forged)), (6, Fault::Signature(Distrust::Forged)));
        // After the last signature only a head that was recorded elsewhere protects.
        let behind = rewritten(&|rows| rows[7].1 = "{}".to_owned());
        assert_eq!(fault(&behind, &end(&chain)), (8, Fault::OtherEnd));
        assert!(verify(&behind, &end(&chain[..6])).is_ok());
    }

    /// The chain with a row that records the removal of its first `gone` rows, and the result without these
    /// rows.
    fn pruned(chain: &[ChainRow], gone: usize) -> (Vec<ChainRow>, Result<Intact, Broken>) {
        let link = end(&chain[..gone]);
        let event = Event::AuditPruned { link, before: Timestamp::UNIX_EPOCH };
        let mut rows: Vec<_> = chain.iter().map(|row| (row.event.clone(), row.details.clone())).collect();
        rows.push((event.name().to_owned(), event.details()));
        let chain = linked(&rows);
        let verdict = begun(link).and_then(|mut verifier| {
            chain[gone..].iter().try_for_each(|row| verifier.row(row))?;
            verifier.requiring(end(&chain)).finish()
        });
        (chain, verdict)
    }

    /// Starts after `link`, as the platform signs it.
    fn begun(link: ChainHead) -> Result<Verifier<'static>, Broken> {
        let signature = Repeating.sign(&begin_bytes(&node(), &link)).unwrap();
        Verifier::beginning(node(), &Repeating, &Beginning { link, signature, at: Timestamp::UNIX_EPOCH })
    }

    #[test]
    fn a_chain_may_begin_where_the_platform_signed_its_beginning() {
        let chain = signed();
        for gone in 1..=chain.len() {
            let (rows, verdict) = pruned(&chain, gone);
            let intact = verdict.unwrap();
            assert_eq!(intact.end, end(&rows), "{gone}");
            assert_eq!(intact.signature.is_some(), gone <= 5, "{gone}: the signature is the sixth row");
        }
        // Signed, without a row about it.
        let mut verifier = begun(end(&chain[..2])).unwrap();
        chain[2..].iter().for_each(|row| verifier.row(row).unwrap());
        let broken = verifier.finish().unwrap_err();
        assert_eq!((broken.number, broken.fault), (3, Fault::PruningUnrecorded));
        // The beginning of another chain.
        let other = linked(&plain(8));
        let link = end(&other[..2]);
        let signature = Repeating.sign(&begin_bytes(&node(), &link)).unwrap();
        let beginning = Beginning { link, signature, at: Timestamp::UNIX_EPOCH };
        let mut verifier = Verifier::beginning(node(), &Repeating, &beginning).unwrap();
        assert_eq!(verifier.row(&chain[2]), Ok(()), "the same rows so far");
        assert_eq!(verifier.row(&chain[4]).unwrap_err().fault, Fault::Missing);
        // A signature over a head is not one over a beginning.
        let signature = Repeating.sign(&signed_bytes(&node(), &link)).unwrap();
        let forged = Beginning { signature, ..beginning };
        let broken = Verifier::beginning(node(), &Repeating, &forged).err().unwrap();
        assert_eq!((broken.number, broken.fault), (3, Fault::Beginning(Distrust::Forged)));
    }

    #[test]
    fn a_chain_may_grow_while_it_is_read() {
        let chain = signed();
        let mut verifier = Verifier::new(node(), &Repeating);
        chain.iter().take(7).for_each(|row| verifier.row(row).unwrap());
        assert_eq!(verifier.last(), &end(&chain[..7]));
        assert!(verifier.requiring(end(&chain[..6])).finish().is_ok());
    }
}
