//! The store: its risks, and its server.

use serde::Serialize;

use crate::store::{ServerReport, Store};

/// The store as this node sees it. One in a file has no server.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ServerView {
    /// The host and the port that took writes last.
    pub server: Option<String>,
    /// States in which the store can lose, hide or change messages.
    pub risks: Vec<RiskView>,
    /// The clock of this machine less that of the server, in seconds.
    pub clock_difference_seconds: Option<f64>,
    /// How far that may be from the truth.
    pub clock_uncertainty_seconds: Option<f64>,
    /// When that was measured.
    pub clock_measured_at: Option<String>,
    /// The nodes that are served now.
    pub nodes: Vec<NodeClockView>,
}

/// A state in which the store can lose, hide or change messages.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct RiskView {
    /// Its code in `docs/reference/store.md`.
    pub code: &'static str,
    /// Whether `store.accepted-risks` names it.
    pub accepted: bool,
    /// Where in the database it was found: tables, triggers, functions, columns; a few of them.
    pub objects: Vec<String>,
}

/// The clock of a node.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct NodeClockView {
    /// The node.
    pub node: String,
    /// The machine that serves it.
    pub host: String,
    /// The clock of that machine less that of the server, in seconds.
    pub clock_difference_seconds: Option<f64>,
}

impl ServerView {
    /// The risks of `store`, and its server.
    #[must_use]
    pub fn new(store: &Store, report: Option<&ServerReport>) -> Self {
        let accepted = store.accepted_risks();
        let found = store.found_risks();
        let risks = found.iter().map(|risk| RiskView {
            code: risk.code(),
            accepted: accepted.contains(risk),
            objects: found.objects(risk).into_iter().map(str::to_owned).collect(),
        });
        let risks = risks.collect();
        let Some(report) = report else { return Self { risks, ..Self::default() } };
        Self {
            server: Some(report.server.clone()),
            risks,
            clock_difference_seconds: report.clock.map(|clock| clock.ahead.as_secs_f64()),
            clock_uncertainty_seconds: report.clock.map(|clock| clock.uncertainty.as_secs_f64()),
            clock_measured_at: report.clock.map(|clock| clock.at.to_string()),
            nodes: report
                .nodes
                .iter()
                .map(|node| NodeClockView {
                    node: node.node.to_string(),
                    host: node.host.clone(),
                    clock_difference_seconds: node.ahead.map(|ahead| ahead.as_secs_f64()),
                })
                .collect(),
        }
    }
}
