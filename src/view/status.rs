//! The platform at a glance.

use serde::Serialize;

use crate::finding::FindingView;

/// The platform at a glance.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct StatusView<'a> {
    /// The version of the program.
    pub version: &'static str,
    /// The node that it serves.
    pub node: String,
    /// The severity of the most severe finding; null without any.
    pub worst: Option<&'static str>,
    /// Numbers.
    #[serde(flatten)]
    pub glance: GlanceView,
    /// What needs a person, the most severe first.
    pub findings: Vec<FindingView<'a>>,
}

/// Numbers of a running platform.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct GlanceView {
    /// When the process started.
    pub started: String,
    /// Entries of the directory.
    pub devices: usize,
    /// Entries that are active.
    pub active: usize,
    /// Devices with an open session on this node.
    pub connected: usize,
    /// Open sessions on this node.
    pub sessions: usize,
    /// Devices, and devices behind them, that are silent.
    pub silent: usize,
}
