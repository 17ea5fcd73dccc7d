//! `audit verify`.

use serde::Serialize;

use crate::audit::{Broken, ChainHead, ChainVerdict, Event, SignatureVerifier, SigningRule};
use crate::cli::context::failed;
use crate::cli::operator::operator;
use crate::cli::progress;
use crate::cli::{Exit, Failure, Outcome, Output};
use crate::model::explained;
use crate::store::{ChainReport, EndFile, HeadReport, Milestone, RememberedEnd, Store, StoreError};

/// What is demanded of the trail besides intact chains.
pub(super) struct Demands<'a> {
    /// Chain heads that it contains.
    pub(super) heads: &'a [ChainHead],
    /// How soon rows are signed.
    pub(super) rule: SigningRule,
    /// Where this node remembers the end of its chain.
    pub(super) file: &'a EndFile,
}

/// Verifies the chain of each node, and what `demands` demands.
pub(super) async fn run(
    verifier: &dyn SignatureVerifier,
    demands: &Demands<'_>,
    store: &Store,
    output: Output,
) -> Outcome {
    let Demands { heads, rule, file } = demands;
    let (began, remembered) = (store.now(), remembered(file, output)?);
    let heads = heads.iter().chain(&remembered);
    let verifying = store.verify_audit_with(verifier, Some(*rule));
    let reports = progress::shown(store.work(), verifying).await?.map_err(failed)?;
    for report in &reports {
        output.print(&ChainView::new(report), |chain| chain.line(output))?;
    }
    // With a risk, what was read may not be what is stored.
    let mut intact =
        store.unaccepted_risks().is_empty() && reports.iter().all(|report| report.verdict.is_ok());
    let (mut missing_heads, mut has_demanded) = (Vec::new(), true);
    for head in heads {
        let report = store.look_up_head(head, verifier).await.map_err(failed)?;
        let missing = report == HeadReport::Missing;
        let asked = demands.heads.contains(head);
        let head = HeadView::new(head, &report);
        // Programs get a line about a head that the caller did not name only when it is missing.
        if asked || missing || !output.is_json() {
            output.print(&head, |head| head.line(output))?;
        }
        if missing {
            // A head that the caller names may be mistyped: pages do not call the chain broken for it.
            intact &= asked;
            has_demanded &= !asked;
            missing_heads.push(head.head);
        }
    }
    let chains = reports.iter().map(verdict).collect();
    // The result stands even if it cannot be recorded: a tampered trail may refuse new rows.
    let verified = Some(Event::AuditVerified { chains, missing_heads, actor: operator() });
    if let Err(error) = store.reach(Milestone::AuditVerified, began, intact, verified).await {
        intact &= !matches!(error, StoreError::Dropped(_));
        output.warn(&format!(
            "the verification could not be recorded in the audit trail: {}",
            explained(&error)
        ))?;
    }
    Ok(if intact && has_demanded { Exit::Done } else { Exit::Failed })
}

/// What this node remembers and the trail does not contain.
pub(in crate::cli) async fn missing_heads(
    verifier: &dyn SignatureVerifier,
    file: &EndFile,
    store: &Store,
    output: Output,
) -> Result<Vec<ChainHead>, Failure> {
    let mut missing = Vec::new();
    for head in remembered(file, output)? {
        if store.look_up_head(&head, verifier).await.map_err(failed)? == HeadReport::Missing {
            missing.push(head);
        }
    }
    Ok(missing)
}

/// What this node remembers, if this process may read it.
fn remembered(file: &EndFile, output: Output) -> Result<Vec<ChainHead>, Failure> {
    match file.read() {
        Ok(Some(RememberedEnd { end, signed })) => {
            Ok(signed.into_iter().filter(|signed| *signed != end).chain([end]).collect())
        }
        Ok(None) => Ok(Vec::new()),
        Err(error) => {
            let path = file.path().display();
            output.warn(&format!(
                "what this node remembers of its chain is not compared, because {path} cannot be read: {error}"
            ))?;
            Ok(Vec::new())
        }
    }
}

/// Says that a chain has more faults than are named.
pub(in crate::cli) fn unnamed_faults(report: &ChainReport) -> Option<String> {
    let unnamed = report.further_count - report.further.len() as u64;
    (unnamed > 0).then(|| format!("node {} has {unnamed} more faults", report.node))
}

fn verdict(report: &ChainReport) -> ChainVerdict {
    ChainVerdict {
        node: report.node.clone(),
        rows: report.verdict.as_ref().ok().map(|intact| intact.end.number),
        broken_row: report.verdict.as_ref().err().map(|broken| broken.number),
    }
}

/// Whether the trail contains a chain head that was noted elsewhere.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct HeadView {
    head: String,
    held: bool,
    /// The node whose rows retention removed, up to which number, and when; absent otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pruned_rows: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pruned_at: Option<String>,
}

impl HeadView {
    fn new(head: &ChainHead, report: &HeadReport) -> Self {
        let held = *report == HeadReport::Held;
        let unknown = Self { head: head.to_string(), held, node: None, pruned_rows: None, pruned_at: None };
        match report {
            HeadReport::Held | HeadReport::Missing => unknown,
            HeadReport::Pruned { node, up_to, at } => Self {
                node: Some(node.to_string()),
                pruned_rows: Some(*up_to),
                pruned_at: Some(at.to_string()),
                ..unknown
            },
        }
    }

    fn line(&self, output: Output) -> String {
        let head = &self.head;
        match (&self.node, self.pruned_rows, &self.pruned_at) {
            (Some(node), Some(rows), Some(at)) => {
                format!(
                    "pruned  {head} was removed by retention: {node} up to row {rows}, at {}",
                    output.time(at)
                )
            }
            _ if self.held => format!("ok      {head} is in the trail"),
            _ => {
                format!("broken  {head} is not in the trail: the end was removed or rewritten")
            }
        }
    }
}

/// A fault of a chain.
#[derive(Serialize)]
pub(super) struct FaultView {
    pub(super) row: u64,
    pub(super) fault: String,
}

const fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// The chain of one node.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct ChainView<'a> {
    node: &'a str,
    intact: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    broken_row: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<String>,
    /// The faults behind the first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    further: Vec<FaultView>,
    #[serde(skip_serializing_if = "is_zero")]
    further_faults: u64,
    #[serde(skip)]
    unnamed: Option<String>,
    /// Faults that an operator has accepted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    accepted: Vec<FaultView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hash: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signed_rows: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signed_at: Option<String>,
}

impl FaultView {
    pub(super) fn new(broken: &Broken) -> Self {
        Self { row: broken.number, fault: broken.fault.to_string() }
    }
}

impl<'a> ChainView<'a> {
    fn new(report: &'a ChainReport) -> Self {
        let node = report.node.as_str();
        let (intact, broken) = (report.verdict.as_ref().ok(), report.verdict.as_ref().err());
        let signature = intact.and_then(|intact| intact.signature);
        Self {
            node,
            intact: intact.is_some(),
            broken_row: broken.map(|broken| broken.number),
            fault: broken.map(|broken| broken.fault.to_string()),
            further: report.further.iter().map(FaultView::new).collect(),
            further_faults: report.further_count,
            unnamed: unnamed_faults(report),
            accepted: report.accepted.iter().map(FaultView::new).collect(),
            rows: intact.map(|intact| intact.end.number),
            hash: intact.map(|intact| intact.end.hash.to_string()),
            signed_rows: signature.map(|signature| signature.number),
            signed_at: signature.map(|signature| signature.at.to_string()),
        }
    }

    fn line(&self, output: Output) -> String {
        let node = self.node;
        let accepted = self.accepted.iter();
        let accepted =
            accepted.map(|FaultView { row, fault }| format!("accepted {node}: row {row} {fault}\n"));
        accepted.collect::<String>() + &self.verdict(output)
    }

    fn verdict(&self, output: Output) -> String {
        let Self { node, rows, hash, .. } = self;
        if let (Some(row), Some(fault)) = (self.broken_row, &self.fault) {
            let mut lines = vec![format!("broken  {node}: row {row} {fault}")];
            let further = self.further.iter();
            lines
                .extend(further.map(|FaultView { row, fault }| format!("broken  {node}: row {row} {fault}")));
            lines.extend(self.unnamed.iter().map(|unnamed| format!("broken  {unnamed}")));
            return lines.join("\n");
        }
        let signed = match (self.signed_rows, &self.signed_at) {
            (Some(rows), Some(at)) => format!("the platform signed {rows} of them at {}", output.time(at)),
            _ => "none of them is signed".to_owned(),
        };
        let (rows, hash) = (rows.unwrap_or_default(), hash.as_deref().unwrap_or_default());
        let rows = if rows == 1 { "1 row is".to_owned() } else { format!("{rows} rows are") };
        format!("ok      {node}: {rows} intact; {signed}; the last row has the hash {hash}")
    }
}
