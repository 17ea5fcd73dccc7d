//! `audit accept-end`.

use std::path::PathBuf;

use serde::Serialize;

use crate::audit::{ChainHead, Event, SignatureVerifier, SigningRule};
use crate::cli::context::failed;
use crate::cli::operator::operator;
use crate::cli::text::counted;
use crate::cli::{Exit, Failure, Outcome, Output};
use crate::model::Clock;
use crate::store::{ChainReport, EndFile, HeadReport, RememberedEnd, Store};

/// What was accepted.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Accepted {
    node: String,
    /// Whether anything had to be accepted.
    accepted: bool,
    remembered: Option<String>,
    found: String,
    /// The first row and the last one that are lost; the first of them may be there, where rows of others are
    /// in the place of this node's.
    #[serde(skip_serializing_if = "Option::is_none")]
    lost: Option<(u64, u64)>,
    /// A copy of the file that this node remembered the end in.
    #[serde(skip_serializing_if = "Option::is_none")]
    copy: Option<PathBuf>,
}

/// What the operator accepts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Consent {
    /// A chain with a fault.
    pub(super) despite_faults: bool,
    /// A store that this node has not written.
    pub(super) other_store: bool,
}

/// Takes the end of the store's chain as the one that this node remembers. A chain with a fault, and a store
/// that this node has not written, only where the operator says so, because the platform signs what it goes
/// on with, and forgets the store that it has written.
pub(super) async fn run(
    verifier: &dyn SignatureVerifier,
    rule: SigningRule,
    consent: Consent,
    file: &EndFile,
    store: &Store,
    output: Output,
) -> Outcome {
    let unusable = |error: std::io::Error| {
        Failure::new(
            Exit::Unavailable,
            anyhow::Error::new(error).context(format!(
                "cannot use {}: run the command as the user of the platform",
                file.path().display()
            )),
        )
    };
    let found = store.own_audit_end().await.map_err(failed)?;
    let accepted = Accepted {
        node: store.node().to_string(),
        accepted: false,
        remembered: None,
        found: found.to_string(),
        lost: None,
        copy: None,
    };
    let Some(RememberedEnd { end: remembered, signed }) = file.read().map_err(unusable)? else {
        output.print(&accepted, Accepted::line)?;
        return Ok(Exit::Done);
    };
    let accepted = Accepted { remembered: Some(remembered.to_string()), ..accepted };
    let is_contained = store.has_own_row(&remembered).await.map_err(failed)?;
    if is_contained && goes_on(&consent, &found, &remembered, store).await? {
        output.print(&accepted, Accepted::line)?;
        return Ok(Exit::Done);
    }
    let reports = store.verify_audit_with(verifier, Some(rule)).await.map_err(failed)?;
    if !is_contained && !consent.other_store && !is_own(verifier, &found, &remembered, signed, store).await? {
        return Err(not_written(store, &found, &reports));
    }
    let own = reports.into_iter().find(|report| report.node == *store.node());
    if let Some(Err(broken)) = own.map(|report| report.verdict)
        && !consent.despite_faults
    {
        let error = anyhow::anyhow!(
            "{broken}; the chain is not accepted: find out why, or accept it with --despite-faults"
        );
        return Err(Failure::new(Exit::Failed, error));
    }
    let first = if is_contained { None } else { Some(first_lost(&found, &remembered, signed, store).await?) };
    // Before the row: with the right store in its place again, the node has to remember its end.
    let copy = Some(file.keep_copy(Clock::system().now()).map_err(unusable)?);
    let event = Event::AuditEndAccepted { remembered, found, actor: operator() };
    store.audit(event).await.map_err(failed)?;
    let end = store.own_audit_end().await.map_err(failed)?;
    file.write(&RememberedEnd { end, signed: None }).map_err(unusable)?;
    let lost = first.map(|first| (first, remembered.number));
    output.print(&Accepted { accepted: true, lost, copy, ..accepted }, Accepted::line)?;
    Ok(Exit::Done)
}

/// Whether the platform goes on behind the remembered row, which is there. Whether it has written the rows
/// that continue the chain only the operator can say.
async fn goes_on(
    consent: &Consent,
    found: &ChainHead,
    remembered: &ChainHead,
    store: &Store,
) -> Result<bool, Failure> {
    let is_forced = consent.despite_faults && found != remembered;
    Ok(!is_forced && store.broken_behind(remembered, found).await.map_err(failed)?.is_none())
}

/// Whether the store holds a chain that this node has written, as far as it remembers.
async fn is_own(
    verifier: &dyn SignatureVerifier,
    found: &ChainHead,
    remembered: &ChainHead,
    signed: Option<ChainHead>,
    store: &Store,
) -> Result<bool, Failure> {
    if *found == ChainHead::START {
        return Ok(false);
    }
    // Of a store that went back behind the signed row nothing is known but that the platform has signed it.
    Ok(match signed.filter(|signed| signed.number <= found.number) {
        Some(signed) => store.look_up_head(&signed, verifier).await.map_err(failed)? != HeadReport::Missing,
        None => found.number < remembered.number,
    })
}

fn not_written(store: &Store, found: &ChainHead, reports: &[ChainReport]) -> Failure {
    let node = store.node();
    let chain = |report: &ChainReport| {
        let rows =
            report.verdict.as_ref().map_or("broken".to_owned(), |intact| counted(intact.end.number, "row"));
        format!("{} ({rows})", report.node)
    };
    let chains: Vec<_> = reports.iter().take(MAX_NAMED).map(chain).collect();
    let more = if reports.len() > MAX_NAMED { ", ..." } else { "" };
    let holds = if chains.is_empty() {
        "no chain".to_owned()
    } else {
        format!("the chains of {}{more}", chains.join(", "))
    };
    let what = if *found == ChainHead::START {
        format!("node {node} has never written to this store")
    } else {
        format!("the rows of node {node} in this store are not those that it remembers")
    };
    let error = anyhow::anyhow!(
        "{what}; it holds {holds}. Is it the right one? Put the right store back, or accept this one with --other-store"
    );
    Failure::new(Exit::Failed, error)
}

/// The first row that is lost, or may be.
async fn first_lost(
    found: &ChainHead,
    remembered: &ChainHead,
    signed: Option<ChainHead>,
    store: &Store,
) -> Result<u64, Failure> {
    if found.number < remembered.number {
        return Ok(found.number + 1);
    }
    // Rows of others are in their place: only the signed row says how far the chain is this node's.
    Ok(match signed {
        Some(signed) if store.has_own_row(&signed).await.map_err(failed)? => signed.number + 1,
        _ => 1,
    })
}

impl Accepted {
    fn kept(&self) -> String {
        let Some(copy) = &self.copy else { return String::new() };
        format!(
            "; if this was the wrong store, put the right one back, and {} in the place of the file without \"replaced\"",
            copy.display()
        )
    }

    fn line(&self) -> String {
        let Self { node, accepted, remembered, found, lost, .. } = self;
        match (lost, remembered) {
            (Some((first, last)), Some(remembered)) => format!(
                "accepted: node {node} remembered {remembered}, and goes on after {found}; what it wrote as rows {first} to \
                 {last} is lost{}",
                self.kept()
            ),
            (None, Some(remembered)) if *accepted => format!(
                "accepted: node {node} goes on after {found}; the rows behind {remembered} are not all those of the \
                 platform and its commands{}",
                self.kept()
            ),
            (_, Some(remembered)) => {
                format!(
                    "nothing to accept: the chain of node {node} contains the remembered row {remembered}; rows before it \
                     with which `audit verify` finds a fault need --node {node} --despite-faults"
                )
            }
            _ => format!("nothing to accept: node {node} remembers no row of its chain"),
        }
    }
}

/// Chains that are named.
const MAX_NAMED: usize = 10;
