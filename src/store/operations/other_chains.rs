//! The chains of other nodes, which each signature lists as far as they verify.
//!
//! Who writes to the database can put rows under the name of any node. A row that does not continue its chain
//! is not listed: `audit verify` would miss it forever after it is removed, which would hide other faults.
//! The work is bounded: what was verified is remembered, and of a chain that has grown by more than some
//! thousands of rows only the last ones are followed. `audit verify` follows them all.

use std::collections::BTreeSet;

use crate::audit::{self, ChainHead, ChainRow, RowHash, SignatureVerifier};
use crate::model::NodeName;
use crate::store::error::StoreError;
use crate::store::handle::Store;
use crate::store::own_chain::{OtherChain, OtherFault};
use crate::store::read::acceptance::Acceptances;

impl Store {
    /// The last verified rows of other nodes' chains, for the row of a signature over `link`.
    pub(super) async fn other_chains(
        &self,
        link: &ChainHead,
        signatures: &dyn SignatureVerifier,
    ) -> Result<Vec<(NodeName, ChainHead)>, StoreError> {
        // Also those that were there, and of which nothing is left.
        let mut nodes: BTreeSet<_> = self.reader().audit_nodes().await?.into_iter().collect();
        nodes.extend(self.own_chain().other_nodes());
        let mut chains = Vec::new();
        for node in listed(nodes, self.node(), link) {
            let mut chain = self.follow_other(&node, self.own_chain().other(&node)).await?;
            if let Some(fault) = &chain.fault
                && let Some(accepted) = self.accepted(fault, signatures).await?
            {
                chain = self.follow_other(&node, accepted).await?;
            }
            chains.extend(chain.verified.map(|end| (node.clone(), end)));
            self.own_chain().other_followed(node, chain);
        }
        Ok(chains)
    }

    /// What is known of a chain whose fault an operator has accepted.
    async fn accepted(
        &self,
        fault: &OtherFault,
        signatures: &dyn SignatureVerifier,
    ) -> Result<Option<OtherChain>, StoreError> {
        let acceptances = Acceptances::read(self.reader(), signatures).await?;
        let Some(accepted) = acceptances.latest().remove(&fault.node) else { return Ok(None) };
        let covers = accepted.until >= fault.since || accepted.found.number >= fault.row.number;
        let verified = Some(accepted.found).filter(|found| *found != ChainHead::START);
        Ok(covers.then_some(OtherChain { verified, fault: None }))
    }

    /// Follows the chain from what is known of it.
    async fn follow_other(&self, node: &NodeName, known: OtherChain) -> Result<OtherChain, StoreError> {
        let fault = |row: ChainHead, is_gone| {
            let new = OtherFault { node: node.clone(), row, is_gone, since: self.now() };
            Some(known.fault.clone().filter(|former| former.is_same(&new)).unwrap_or(new))
        };
        let mut verified = known.verified;
        if let Some(head) = verified
            && !self.has_row_of(node, &head).await?
        {
            let beginning = self.reader().audit_beginning(node).await?;
            if beginning.is_none_or(|beginning| beginning.link.number < head.number) {
                return Ok(OtherChain { verified, fault: fault(head, true) });
            }
            verified = None;
        }
        let end = self.reader().audit_end(node).await?;
        let mut followed = match verified.filter(|head| end.number.saturating_sub(head.number) <= MAX_ROWS) {
            Some(head) => head,
            None => match self.anchor(node, &end).await? {
                Ok(anchor) => anchor,
                Err(row) => return Ok(OtherChain { verified, fault: fault(row, false) }),
            },
        };
        for _ in 0..MAX_ROWS / u64::from(PAGE_ROWS) {
            let rows = self.reader().audit_chain(node, Some(signed(followed.number)), PAGE_ROWS).await?;
            for row in &rows {
                let Some(next) = row.continues(node, &followed) else {
                    return Ok(OtherChain { verified, fault: fault(head_of(row), false) });
                };
                followed = next;
                verified = Some(next);
            }
            if rows.len() < PAGE_ROWS as usize {
                break;
            }
        }
        Ok(OtherChain { verified, fault: None })
    }

    /// The row behind which the chain is followed to `end`. It is itself not verified.
    ///
    /// # Errors
    /// The row that follows nothing.
    async fn anchor(
        &self,
        node: &NodeName,
        end: &ChainHead,
    ) -> Result<Result<ChainHead, ChainHead>, StoreError> {
        let after = end.number.saturating_sub(MAX_ROWS);
        let first = self.reader().audit_chain(node, Some(signed(after)), 1).await?;
        let Some(first) = first.first().map(head_of).filter(|first| first.number > 1) else {
            return Ok(Ok(ChainHead::START));
        };
        let before = self.reader().audit_chain(node, Some(signed(first.number) - 2), 1).await?;
        let is_behind = before.first().is_some_and(|row| head_of(row).number < first.number);
        let beginning = self.reader().audit_beginning(node).await?;
        let is_first = beginning.is_some_and(|beginning| beginning.link.number + 1 == first.number);
        Ok(if is_behind || is_first { Ok(first) } else { Err(first) })
    }

    async fn has_row_of(&self, node: &NodeName, head: &ChainHead) -> Result<bool, StoreError> {
        let before = signed(head.number).saturating_sub(1);
        let rows = self.reader().audit_chain(node, Some(before), 1).await?;
        Ok(rows.first().is_some_and(|row| head_of(row) == *head))
    }
}

/// Number and hash of a row as it is stored.
fn head_of(row: &ChainRow) -> ChainHead {
    ChainHead {
        number: u64::try_from(row.number).unwrap_or_default(),
        hash: RowHash::from_bytes(&row.hash).unwrap_or(ChainHead::START.hash),
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// At most [`MAX_LISTED_CHAINS`](audit::Event::MAX_LISTED_CHAINS) of the other nodes of `nodes`: with more of
/// them each signature lists others, by the hash of the row that it signs.
fn listed(nodes: BTreeSet<NodeName>, own: &NodeName, link: &ChainHead) -> Vec<NodeName> {
    let mut others: Vec<NodeName> = nodes.into_iter().filter(|node| node != own).collect();
    let count = others.len();
    if count > audit::Event::MAX_LISTED_CHAINS {
        let remainder = |rest, byte: &u8| (rest * 256 + usize::from(*byte)) % count;
        others.rotate_left(link.hash.as_bytes().iter().fold(0, remainder));
        others.truncate(audit::Event::MAX_LISTED_CHAINS);
    }
    others
}

/// Rows of a chain that are followed for one signature: some tens of milliseconds.
const MAX_ROWS: u64 = 10_000;
/// Rows per query.
const PAGE_ROWS: u32 = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_lists_a_bounded_number_of_chains_and_later_ones_the_others() {
        let nodes: Vec<NodeName> = (0..150).map(|n| format!("node-{n:03}").parse().unwrap()).collect();
        let own = nodes[7].clone();
        let all: BTreeSet<NodeName> = nodes.iter().cloned().collect();
        let mut seen = BTreeSet::new();
        for byte in 0..=255 {
            let link = ChainHead { number: 1, hash: RowHash::from([byte; 32]) };
            let listed = listed(all.clone(), &own, &link);
            assert_eq!(listed.len(), audit::Event::MAX_LISTED_CHAINS);
            seen.extend(listed);
        }
        assert!(seen.len() == 149 && !seen.contains(&own), "{}", seen.len());
        let three = nodes[..3].iter().cloned().collect();
        assert_eq!(listed(three, &nodes[0], &ChainHead::START), nodes[1..3]);
    }
}
