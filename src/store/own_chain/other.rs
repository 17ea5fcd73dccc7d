//! The chains of other nodes, as far as this process has verified them.

use std::fmt;

use jiff::Timestamp;

use crate::audit::ChainHead;
use crate::model::NodeName;

/// What this process knows of the chain of another node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::store) struct OtherChain {
    /// The last row that continues rows before it; `None` when nothing is verified.
    pub(in crate::store) verified: Option<ChainHead>,
    /// Why it does not go on.
    pub(in crate::store) fault: Option<OtherFault>,
}

/// A row of another node's chain that does not continue the chain; or one that did and is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherFault {
    /// The node of the chain.
    pub node: NodeName,
    /// The number and the hash of the row, as the store has it or had it.
    pub row: ChainHead,
    /// Whether the row was verified, and is not there any more.
    pub is_gone: bool,
    /// When this process found it first.
    pub since: Timestamp,
}

impl OtherFault {
    /// Whether this is the same fault, found again.
    pub(in crate::store) fn is_same(&self, other: &Self) -> bool {
        self.row == other.row && self.is_gone == other.is_gone
    }
}

impl fmt::Display for OtherFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { node, row: ChainHead { number, .. }, is_gone, .. } = self;
        if *is_gone {
            write!(f, "row {number} of node {node} was there, and is gone or another one")
        } else {
            write!(f, "row {number} of node {node} does not continue the rows before it")
        }
    }
}
