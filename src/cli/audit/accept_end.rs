//! `audit accept-end`.

use serde::Serialize;

use crate::audit::{ChainHead, Event, SignatureVerifier, SigningRule};
use crate::cli::context::failed;
use crate::cli::operator::operator;
use crate::cli::{Exit, Failure, Outcome, Output};
use crate::store::{EndFile, RememberedEnd, Store};

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
}

/// Takes the end of the store's chain as the one that this node remembers. A chain with a fault only with
/// `despite_faults`, because the platform signs what it goes on with.
pub(super) async fn run(
    verifier: &dyn SignatureVerifier,
    rule: SigningRule,
    despite_faults: bool,
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
    };
    let Some(RememberedEnd { end: remembered, signed }) = file.read().map_err(unusable)? else {
        output.print(&accepted, Accepted::line)?;
        return Ok(Exit::Done);
    };
    let accepted = Accepted { remembered: Some(remembered.to_string()), ..accepted };
    if store.has_own_row(&remembered).await.map_err(failed)? {
        output.print(&accepted, Accepted::line)?;
        return Ok(Exit::Done);
    }
    let reports = store.verify_audit_with(verifier, Some(rule)).await.map_err(failed)?;
    let own = reports.into_iter().find(|report| report.node == *store.node());
    if let Some(Err(broken)) = own.map(|report| report.verdict)
        && !despite_faults
    {
        let error = anyhow::anyhow!(
            "{broken}; the chain is not accepted: find out why, or accept it with --despite-faults"
        );
        return Err(Failure::new(Exit::Failed, error));
    }
    let first = first_lost(&found, &remembered, signed, store).await?;
    let event = Event::AuditEndAccepted { remembered, found, actor: operator() };
    store.audit(event).await.map_err(failed)?;
    let end = store.own_audit_end().await.map_err(failed)?;
    file.write(&RememberedEnd { end, signed: None }).map_err(unusable)?;
    let lost = Some((first, remembered.number));
    output.print(&Accepted { accepted: true, lost, ..accepted }, Accepted::line)?;
    Ok(Exit::Done)
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
    fn line(&self) -> String {
        let Self { node, remembered, found, lost, .. } = self;
        match (lost, remembered) {
            (Some((first, last)), Some(remembered)) => format!(
                "accepted: node {node} remembered {remembered}, and goes on after {found}; what it wrote as rows {first} to \
                 {last} is lost"
            ),
            (_, Some(remembered)) => {
                format!(
                    "nothing to accept: the chain of node {node} contains the remembered row {remembered}"
                )
            }
            _ => format!("nothing to accept: node {node} remembers no row of its chain"),
        }
    }
}
