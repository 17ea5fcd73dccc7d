//! `fhir status` and `fhir rebuild`.

use serde::Serialize;

use crate::audit::Event;
use crate::cli::context::failed;
use crate::cli::operator::operator;
use crate::cli::{Failure, Output};
use crate::config::Config;
use crate::fhir::REVISION;
use crate::projector::{IndexStatus, NodeStatus};
use crate::store::Store;

/// The index as a whole.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct IndexLine {
    enabled: bool,
    /// The node that writes it; none: none does.
    leader: Option<String>,
    /// Grows with each takeover.
    fence: u64,
    /// The revision of the mapping.
    revision: u32,
    /// The sequence number that was given out last.
    sequence: u64,
    /// Clients of hospital systems that are registered.
    clients: usize,
}

/// The chain of one node.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct NodeLine<'a> {
    node: &'a str,
    /// Rows of the trail that are indexed, and rows that there are.
    indexed: u64,
    rows: u64,
    /// Indexed rows that are still to be indexed again.
    left_again: u64,
    /// How old the oldest row is that is not indexed, in seconds; none while the index is switched off.
    lag_seconds: Option<i64>,
}

/// Shows how far the index is.
pub(super) async fn status(config: &Config, store: &Store, output: Output) -> Result<(), Failure> {
    let IndexStatus { leader, nodes } = IndexStatus::read(store, config).await.map_err(failed)?;
    let now = store.now();
    let leads = Some(leader.holder).filter(|holder| !holder.is_empty() && leader.until > now);
    let index = IndexLine {
        enabled: config.fhir.enabled,
        leader: leads,
        fence: leader.fence,
        revision: REVISION,
        sequence: leader.last_seq,
        clients: store.clients().await.map_err(failed)?.len(),
    };
    output.print(&index, IndexLine::shown)?;
    for NodeStatus { node, projected, end, waiting_since, left } in &nodes {
        let lag = waiting_since.map_or(0, |since| now.duration_since(since).as_secs().max(0));
        let lag = config.fhir.enabled.then_some(lag);
        let line = NodeLine { node, indexed: *projected, rows: *end, left_again: *left, lag_seconds: lag };
        output.print(&line, NodeLine::shown)?;
    }
    Ok(())
}

/// Lets the platform index every stored message again.
pub(super) async fn rebuild(config: &Config, store: &Store, output: Output) -> Result<(), Failure> {
    store.audit(Event::IndexRebuilt { actor: operator() }).await.map_err(failed)?;
    store.rebuild_projection().await.map_err(failed)?;
    if !config.fhir.enabled {
        output.warn("[fhir] enabled is false: nothing is indexed before it is true")?;
    }
    output.line(
        "the index is written again, from the oldest message on, and new messages are indexed beside it; \
             `fhir status` shows how far it is",
    )?;
    Ok(())
}

impl IndexLine {
    fn shown(&self) -> String {
        let state = match (self.enabled, &self.leader) {
            (false, _) => "switched off ([fhir] enabled)".to_owned(),
            (true, None) => "no node writes it".to_owned(),
            (true, Some(leader)) => format!("written by {leader}"),
        };
        let Self { revision, sequence, clients, .. } = self;
        format!("index: {state}, mapping revision {revision}, sequence {sequence}, clients {clients}")
    }
}

impl NodeLine<'_> {
    fn shown(&self) -> String {
        let Self { node, indexed, rows, left_again, lag_seconds } = self;
        let again = if *left_again == 0 {
            String::new()
        } else {
            format!(", {left_again} of them still to be indexed again")
        };
        let behind = lag_seconds.map(|lag| format!(", {lag} s behind")).unwrap_or_default();
        format!("node {node}: {indexed} of {rows} rows of the trail{again}{behind}")
    }
}
