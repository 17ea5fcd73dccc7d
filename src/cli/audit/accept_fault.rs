//! `audit accept-end --node`: faults of a chain, and ends of it that are gone.

use serde::Serialize;

use super::verify::{FaultView, unnamed_faults};
use crate::audit::{Acceptance, Broken, ChainHead, Event, SignatureVerifier, Signer, SigningRule};
use crate::cli::context::failed;
use crate::cli::operator::operator;
use crate::cli::text::counted;
use crate::cli::{Exit, Failure, Outcome, Output};
use crate::model::NodeName;
use crate::store::{ChainReport, Store};

/// What was accepted.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Accepted {
    node: String,
    /// Whether anything was accepted.
    accepted: bool,
    /// The last row of the chain.
    found: String,
    faults: Vec<FaultView>,
}

/// Accepts the faults that `audit verify` names in the chain of `node`; without consent it shows them. The
/// platform's key signs the decision, so that no other program can write it into the trail.
pub(super) async fn run(
    verifier: &dyn SignatureVerifier,
    rule: SigningRule,
    signer: impl FnOnce() -> Result<Box<dyn Signer>, Failure>,
    (node, is_consented): (NodeName, bool),
    store: &Store,
    output: Output,
) -> Outcome {
    let until = store.now();
    let reports = store.verify_audit_with(verifier, Some(rule)).await.map_err(failed)?;
    let report = reports.into_iter().find(|report| report.node == node);
    let faults: Vec<Broken> = report.iter().flat_map(ChainReport::faults).cloned().collect();
    let found = store.chain_end(&node).await.map_err(failed)?;
    if report.is_none() && found == ChainHead::START {
        let error = anyhow::anyhow!("the store has no chain of node {node}: `audit verify` lists the nodes");
        return Err(Failure::new(Exit::Failed, error));
    }
    let shown = Accepted {
        node: node.to_string(),
        accepted: false,
        found: found.to_string(),
        faults: faults.iter().map(FaultView::new).collect(),
    };
    if faults.is_empty() {
        output.print(&shown, Accepted::line)?;
        return Ok(Exit::Done);
    }
    if let Some(unnamed) = report.as_ref().and_then(unnamed_faults) {
        let error = anyhow::anyhow!(
            "{unnamed} than can be accepted at once: remove the rows as the owner of the tables, and accept what remains"
        );
        return Err(Failure::new(Exit::Failed, error));
    }
    if !is_consented {
        output.print(&shown, Accepted::line)?;
        let error = anyhow::anyhow!(
            "nothing is accepted: find out who wrote or removed these rows, and then accept it with --despite-faults"
        );
        return Err(Failure::new(Exit::Failed, error));
    }
    let acceptance = accepted(&*signer()?, node, found, &faults, until)?;
    let event = Event::AuditFaultAccepted { acceptance: Box::new(acceptance), actor: operator() };
    store.audit(event).await.map_err(failed)?;
    output.print(&Accepted { accepted: true, ..shown }, Accepted::line)?;
    Ok(Exit::Done)
}

fn accepted(
    signer: &dyn Signer,
    node: NodeName,
    found: ChainHead,
    faults: &[Broken],
    until: jiff::Timestamp,
) -> Result<Acceptance, Failure> {
    let mut rows: Vec<u64> = faults.iter().map(|fault| fault.number).collect();
    rows.sort_unstable();
    rows.dedup();
    let signed = Acceptance::sign(signer, node, found, rows, until);
    signed.map_err(|error| Failure::new(Exit::Unavailable, error))
}

impl Accepted {
    fn line(&self) -> String {
        let Self { node, accepted, found, faults } = self;
        if faults.is_empty() {
            return format!("nothing to accept: the chain of node {node} has no fault");
        }
        let mut lines: Vec<_> =
            faults.iter().map(|FaultView { row, fault }| format!("{node}: row {row} {fault}")).collect();
        if *accepted {
            let faults = counted(faults.len() as u64, "fault");
            lines.push(format!("accepted: {faults} of node {node}, whose chain ends with {found}"));
        }
        lines.join("\n")
    }
}
