//! `audit accept-end`.

use serde::Serialize;

use crate::audit::{Event, SignatureVerifier, SigningRule};
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
    };
    let Some(RememberedEnd { end: remembered, .. }) = file.read().map_err(unusable)? else {
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
    let event = Event::AuditEndAccepted { remembered, found, actor: operator() };
    store.audit(event).await.map_err(failed)?;
    let end = store.own_audit_end().await.map_err(failed)?;
    file.write(&RememberedEnd { end, signed: None }).map_err(unusable)?;
    output.print(&Accepted { accepted: true, ..accepted }, Accepted::line)?;
    Ok(Exit::Done)
}

impl Accepted {
    fn line(&self) -> String {
        let Self { node, accepted, remembered, found } = self;
        match (accepted, remembered) {
            (true, Some(remembered)) => format!(
                "accepted: node {node} remembered {remembered}, and goes on after {found}; rows between them are lost"
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
