//! Verifies the audit chain of every node.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::audit::{
    Beginning, Broken, ChainHead, ChainRow, Fault, Intact, SignatureVerifier, SigningRule, Verifier,
    begin_bytes,
};
use crate::model::NodeName;
use crate::store::error::StoreError;
use crate::store::handle::Store;
use crate::store::read::acceptance::Acceptances;
use crate::store::read::passes::Passes;

/// The result of verifying the audit chain of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainReport {
    /// The node that wrote the chain.
    pub node: NodeName,
    /// The intact chain, or the first fault.
    pub verdict: Result<Intact, Broken>,
    /// The faults behind the first, of which at most [`ChainReport::MAX_FURTHER`] are here.
    pub further: Vec<Broken>,
    /// How many further faults there are.
    pub further_count: u64,
    /// Faults that an operator has accepted, of which at most [`ChainReport::MAX_FURTHER`] are here.
    pub accepted: Vec<Broken>,
}

impl ChainReport {
    /// Further faults that are named.
    pub const MAX_FURTHER: usize = 50;

    const fn new(node: NodeName, verdict: Result<Intact, Broken>) -> Self {
        Self { node, verdict, further: Vec::new(), further_count: 0, accepted: Vec::new() }
    }

    /// Every fault that is named, in the order in which they were found.
    pub fn faults(&self) -> impl Iterator<Item = &Broken> {
        self.verdict.as_ref().err().into_iter().chain(&self.further)
    }

    fn add(&mut self, number: u64, fault: Fault, acceptances: &Acceptances) {
        self.add_broken(Broken { node: self.node.clone(), number, fault }, acceptances);
    }

    fn add_broken(&mut self, broken: Broken, acceptances: &Acceptances) {
        if acceptances.has(&broken.node, broken.number) {
            if self.accepted.len() < Self::MAX_FURTHER && !self.accepted.contains(&broken) {
                self.accepted.push(broken);
            }
            return;
        }
        self.push(broken);
    }

    fn push(&mut self, broken: Broken) {
        if self.verdict.is_ok() {
            self.verdict = Err(broken);
            return;
        }
        self.further_count += 1;
        if self.further.len() < Self::MAX_FURTHER {
            self.further.push(broken);
        }
    }
}

/// The ends of other chains that the rows of a chain list.
type Listed = BTreeMap<NodeName, ChainHead>;

/// The result of looking up a chain head that was recorded outside of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeadReport {
    /// A chain contains it.
    Held,
    /// Retention deleted the row, and the platform signed the later beginning of the chain. If several nodes
    /// have such a chain, only the record of the head says which node wrote it.
    Pruned {
        /// The node whose rows were deleted.
        node: NodeName,
        /// The last row that was deleted.
        up_to: u64,
        /// When it was deleted.
        at: Timestamp,
    },
    /// No chain contains it: the end of a chain was cut off or rewritten.
    Missing,
}

impl Store {
    /// Verifies the chain of every node, sorted by name. `signatures` verifies the signatures in them.
    ///
    /// # Errors
    /// When the rows cannot be read. A fault in a chain is not an error.
    pub async fn verify_audit(
        &self,
        signatures: &dyn SignatureVerifier,
    ) -> Result<Vec<ChainReport>, StoreError> {
        self.verify_audit_with(signatures, None).await
    }

    /// The same; the rows of a serving platform also have to be signed by `rule`.
    ///
    /// # Errors
    /// As [`Store::verify_audit`].
    pub async fn verify_audit_with(
        &self,
        signatures: &dyn SignatureVerifier,
        rule: Option<SigningRule>,
    ) -> Result<Vec<ChainReport>, StoreError> {
        let (mut reports, mut listed) = (Vec::new(), Listed::new());
        let acceptances = Acceptances::read(self.reader(), signatures).await?;
        let expected = Expected { signatures, rule, acceptances: &acceptances };
        for name in self.reader().audit_node_names().await? {
            let Ok(node) = name.parse() else {
                let node = NodeName::lossy(&name);
                let fault = Broken { node: node.clone(), number: 0, fault: Fault::NoNode };
                reports.push(ChainReport::new(node, Err(fault)));
                continue;
            };
            let (report, others) = self.verify_chain(&node, &expected).await?;
            reports.push(report);
            others.into_iter().for_each(|(node, end)| raise(&mut listed, node, end));
        }
        for acceptance in acceptances.latest().into_values().filter(|one| one.found != ChainHead::START) {
            raise(&mut listed, acceptance.node.clone(), acceptance.found);
        }
        self.require_signed(&mut reports, &expected);
        self.require_permits(&mut reports, &expected).await?;
        self.compare_listed(&mut reports, listed, &expected).await?;
        Ok(reports)
    }

    /// Requires a signature of each chain that a serving platform has written.
    fn require_signed(&self, reports: &mut [ChainReport], expected: &Expected<'_>) {
        let (Some(rule), now) = (expected.rule, self.clock().now()) else { return };
        for report in reports {
            let unsigned = report.verdict.as_ref().ok().and_then(|intact| intact.unsigned_since);
            if let Some((number, _)) = unsigned.filter(|(_, served)| rule.is_overdue(*served, now)) {
                report.add(number, Fault::NeverSigned, expected.acceptances);
            }
        }
    }

    /// Requires that the platform has signed that what retention removed may be gone.
    async fn require_permits(
        &self,
        reports: &mut [ChainReport],
        expected: &Expected<'_>,
    ) -> Result<(), StoreError> {
        let passes = Passes::read(self.reader(), expected.signatures).await?;
        for report in reports {
            if let Some(number) = passes.unpermitted.get(&report.node) {
                report.add(*number, Fault::Unpermitted, expected.acceptances);
            }
        }
        Ok(())
    }

    /// Requires of each chain the ends that signed rows of the others list. A chain that is gone as a whole
    /// gets a report.
    async fn compare_listed(
        &self,
        reports: &mut Vec<ChainReport>,
        listed: Listed,
        expected: &Expected<'_>,
    ) -> Result<(), StoreError> {
        for (node, end) in listed {
            if self.contains(&node, &end, expected.signatures).await? {
                continue;
            }
            let fault = Broken { node: node.clone(), number: end.number, fault: Fault::ListedElsewhere };
            match reports.iter_mut().find(|report| report.node == node) {
                // What is accepted of it is until when: the row itself is another matter.
                Some(report) => report.push(fault),
                None => reports.push(ChainReport::new(node, Err(fault))),
            }
        }
        reports.sort_by(|one, other| one.node.cmp(&other.node));
        Ok(())
    }

    /// Whether the chain of `node` contains the row, or retention removed it.
    async fn contains(
        &self,
        node: &NodeName,
        head: &ChainHead,
        signatures: &dyn SignatureVerifier,
    ) -> Result<bool, StoreError> {
        let before = i64::try_from(head.number).unwrap_or(i64::MAX).saturating_sub(1);
        // Retention may delete rows at the same time: read the row first, then the beginning of the chain.
        let rows = self.reader().audit_chain(node, Some(before), 1).await?;
        if let Some(row) = rows.first().filter(|row| u64::try_from(row.number) == Ok(head.number)) {
            return Ok(row.hash == head.hash.as_bytes());
        }
        let Some(Beginning { link, signature, at }) = self.reader().audit_beginning(node).await? else {
            return Ok(false);
        };
        let may_be_removed = head.number < link.number || *head == link;
        Ok(may_be_removed && signatures.verify(&begin_bytes(node, &link), &signature, at).is_ok())
    }

    /// Looks up `recorded`, a chain head of one of the nodes that the operator recorded outside of the store
    /// when it was signed. A chain by itself cannot show that its end was cut off; a recorded head can.
    ///
    /// # Errors
    /// When the rows cannot be read.
    pub async fn look_up_head(
        &self,
        recorded: &ChainHead,
        signatures: &dyn SignatureVerifier,
    ) -> Result<HeadReport, StoreError> {
        let Some(before) = recorded.number.checked_sub(1) else {
            return Ok(if *recorded == ChainHead::START { HeadReport::Held } else { HeadReport::Missing });
        };
        let before = i64::try_from(before).unwrap_or(i64::MAX);
        let mut report = HeadReport::Missing;
        for node in self.reader().audit_nodes().await? {
            // Retention may delete rows at the same time: read the row first, then the beginning of the
            // chain.
            let rows = self.reader().audit_chain(&node, Some(before), 1).await?;
            let is_recorded = |row: &ChainRow| {
                u64::try_from(row.number) == Ok(recorded.number) && row.hash == recorded.hash.as_bytes()
            };
            if rows.first().is_some_and(is_recorded) {
                return Ok(HeadReport::Held);
            }
            let Some(Beginning { link, signature, at }) = self.reader().audit_beginning(&node).await? else {
                continue;
            };
            // Of the deleted rows only the last is known; a head before it may have been one of them.
            let is_deleted = recorded.number < link.number || *recorded == link;
            if is_deleted && signatures.verify(&begin_bytes(&node, &link), &signature, at).is_ok() {
                report = HeadReport::Pruned { node, up_to: link.number, at };
            }
        }
        Ok(report)
    }

    async fn verify_chain(
        &self,
        node: &NodeName,
        expected: &Expected<'_>,
    ) -> Result<(ChainReport, Listed), StoreError> {
        loop {
            let beginning = self.reader().audit_beginning(node).await?;
            let (report, listed) = self.verify_from(node, beginning.as_ref(), expected).await?;
            // If retention moved the beginning while the rows were read, a fault may be an artefact: read
            // again.
            if report.verdict.is_ok() || self.reader().audit_beginning(node).await? == beginning {
                return Ok((report, listed));
            }
        }
    }

    /// Follows the chain to its end, whatever faults it has.
    async fn verify_from(
        &self,
        node: &NodeName,
        beginning: Option<&Beginning>,
        Expected { signatures, rule, acceptances }: &Expected<'_>,
    ) -> Result<(ChainReport, Listed), StoreError> {
        let (reader, signatures) = (self.reader(), *signatures);
        let recorded = reader.recorded_end(node).await?;
        let mut found = ChainReport::new(node.clone(), Ok(Verifier::new(node.clone(), signatures).so_far()));
        let mut add = |broken: Broken| found.add_broken(broken, acceptances);
        let started = match beginning {
            None => Verifier::new(node.clone(), signatures),
            Some(beginning) => {
                Verifier::beginning(node.clone(), signatures, beginning).unwrap_or_else(|broken| {
                    add(broken);
                    Verifier::behind(node.clone(), signatures, beginning.link)
                })
            }
        };
        let mut verifier = started.requiring(recorded).demanding(*rule).accepting(acceptances.until());
        let first = beginning.map_or(0, |beginning| beginning.link.number);
        let end = reader.audit_end(node).await?.number;
        self.work().begin("rows of the audit trail", Some(end.saturating_sub(first)));
        let mut read = None;
        loop {
            let rows = reader.audit_chain(node, read, PAGE_ROWS).await?;
            let Some(last) = rows.last() else { break };
            read = Some(last.number);
            self.work().advance(rows.len() as u64);
            rows.iter().filter_map(|row| verifier.row(row).err()).for_each(&mut add);
        }
        let intact = verifier.so_far();
        let listed = intact.listed.clone();
        if let Err(broken) = verifier.finish() {
            add(broken);
        }
        let verdict = found.verdict.and(Ok(intact));
        Ok((ChainReport { verdict, ..found }, listed))
    }
}

/// What is demanded of each chain.
struct Expected<'a> {
    signatures: &'a dyn SignatureVerifier,
    rule: Option<SigningRule>,
    acceptances: &'a Acceptances,
}

/// The highest end of each chain counts.
fn raise(listed: &mut Listed, node: NodeName, end: ChainHead) {
    let highest = listed.entry(node).or_insert(end);
    if highest.number < end.number {
        *highest = end;
    }
}

/// Rows per query.
const PAGE_ROWS: u32 = 5_000;

#[cfg(test)]
mod tests;
