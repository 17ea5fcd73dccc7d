//! The store does not contain the end of the chain that this node remembers.

use std::fmt;

use crate::audit::{ChainFinding, ChainHead};
use crate::model::NodeName;

/// The chain of a node in the store does not contain the row that the node remembers as its last one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Divergence {
    /// The node.
    pub node: NodeName,
    /// The last row that the node knows to be written.
    pub remembered: ChainHead,
    /// The last row in the store.
    pub found: ChainHead,
    /// Whether an earlier row that the node remembers is not in the store either, where another one is.
    pub is_rewritten: bool,
    /// The first row behind the remembered one that the platform cannot go on with: it does not continue the
    /// chain, or only the platform writes such rows, and has not written it.
    pub foreign: Option<u64>,
}

impl Divergence {
    /// Which of the two it is: rows are missing, or others are in their place.
    #[must_use]
    pub const fn finding(&self) -> ChainFinding {
        if self.found.number < self.remembered.number && !self.is_rewritten && self.foreign.is_none() {
            ChainFinding::StoreBehind
        } else {
            ChainFinding::ChainRewritten
        }
    }
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { node, remembered, found, foreign, .. } = self;
        if let Some(row) = foreign {
            return write!(
                f,
                "the audit chain of node {node} was rewritten: row {row} in the store, behind row {} of this node, was \
                 written neither by this node nor by a command",
                remembered.number
            );
        }
        match self.finding() {
            ChainFinding::StoreBehind => write!(
                f,
                "the store went back: the audit chain of node {node} reached row {}, and in the store it ends with row \
                 {}; these rows are lost, and acknowledged messages with them",
                remembered.number, found.number
            ),
            _ => write!(
                f,
                "the audit chain of node {node} was rewritten: the rows up to {} in the store are not those that this node wrote",
                remembered.number.min(found.number)
            ),
        }
    }
}

/// What a serving process does when the store does not contain what the node remembers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum WhenBehind {
    /// It writes nothing: senders keep their messages.
    #[default]
    Refuse,
    /// It continues with the chain as it is, and records that.
    Continue,
}
