//! How far the index is.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use jiff::{SignedDuration, Timestamp};

use crate::fhir::REVISION;
use crate::store::{ProjectionLeader, Store, StoreError};

/// What the projector knows of its lag. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct ProjectionStatus(Arc<ArcSwapOption<Timestamp>>);

/// How far the index is, as the store has it.
#[derive(Debug, Clone)]
pub struct IndexStatus {
    /// The node that writes it.
    pub leader: ProjectionLeader,
    /// Each node with an audit chain.
    pub nodes: Vec<NodeStatus>,
}

/// How far the chain of one node is projected.
#[derive(Debug, Clone)]
pub struct NodeStatus {
    /// The node.
    pub node: String,
    /// The number of the last projected row.
    pub projected: u64,
    /// The number of the last row.
    pub end: u64,
    /// The time of the oldest row that is not projected.
    pub waiting_since: Option<Timestamp>,
}

impl ProjectionStatus {
    /// How far the index is behind; `None` when it is up to date, or switched off.
    #[must_use]
    pub fn lag(&self, now: Timestamp) -> Option<SignedDuration> {
        let since = self.0.load_full()?;
        Some(now.duration_since(*since).max(SignedDuration::ZERO))
    }

    pub(super) fn note(&self, oldest: Option<Timestamp>) {
        self.0.store(oldest.map(Arc::new));
    }

    pub(super) fn disable(&self) {
        self.0.store(None);
    }
}

impl IndexStatus {
    /// Reads it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn read(store: &Store) -> Result<Self, StoreError> {
        let positions = store.projected_to().await?;
        let mut nodes = Vec::new();
        for node in store.projected_nodes().await? {
            let position = positions.get(node.as_str()).copied().unwrap_or_default();
            let projected = if position.revision == INDEX_REVISION { position.number } else { 0 };
            let next = store.trail_after(&node, projected, 1).await?;
            let end = store.chain_end(&node).await?.number.max(projected);
            let waiting_since = next.first().map(|row| row.at);
            nodes.push(NodeStatus { node: node.to_string(), projected, end, waiting_since });
        }
        Ok(Self { leader: store.projection_leader().await?, nodes })
    }
}

/// What a position is of: the mapping, and what the index has besides. 1: keys, versions, and parts of
/// messages whose times are far apart.
pub(super) const INDEX_REVISION: u32 = REVISION << 8 | 1;
