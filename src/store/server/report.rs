//! What is known of the server of a store, for operators.

use jiff::SignedDuration;

use super::clock::ClockDifference;
use crate::model::{NodeName, StoreRisks};

/// The server of a store, as one process sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerReport {
    /// The host and the port that took writes last.
    pub server: String,
    /// The risks of its settings.
    pub risks: StoreRisks,
    /// Those that the operator accepts.
    pub accepted: StoreRisks,
    /// How far the clock of this machine is from that of the server.
    pub clock: Option<ClockDifference>,
    /// The nodes that are served now.
    pub nodes: Vec<NodeClock>,
}

/// The clock of a node that is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeClock {
    /// The node.
    pub node: NodeName,
    /// The machine that serves it.
    pub host: String,
    /// The clock of that machine less that of the server, as it has measured last.
    pub ahead: Option<SignedDuration>,
}
