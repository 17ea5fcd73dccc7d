//! The server of the store.

use serde::Serialize;

use crate::store::ServerReport;

/// The store's server as this node sees it. A store in a file has none.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ServerView {
    /// The host and the port that took writes last.
    pub server: Option<String>,
    /// Settings with which it can lose messages.
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

/// A setting with which the server can lose messages.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct RiskView {
    /// Its code in `docs/store.md`.
    pub code: &'static str,
    /// Whether `store.accepted-risks` names it.
    pub accepted: bool,
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

impl From<&ServerReport> for ServerView {
    fn from(report: &ServerReport) -> Self {
        Self {
            server: Some(report.server.clone()),
            risks: report
                .risks
                .iter()
                .map(|risk| RiskView { code: risk.code(), accepted: report.accepted.contains(risk) })
                .collect(),
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
