//! How far the index is.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use jiff::{SignedDuration, Timestamp};

use crate::config::Config;
use crate::fhir::{Options, REVISION};
use crate::model::Fingerprint;
use crate::render::mapping_options;
use crate::store::{ProjectionLeader, Store, StoreError};

/// What the projector knows of its lag. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct ProjectionStatus {
    index: Arc<ArcSwapOption<Timestamp>>,
    notifications: Arc<ArcSwapOption<Timestamp>>,
}

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
    /// How many projected rows are still to be projected again.
    pub left: u64,
}

impl ProjectionStatus {
    /// How far the index is behind; `None` when it is up to date, or switched off.
    #[must_use]
    pub fn lag(&self, now: Timestamp) -> Option<SignedDuration> {
        since(&self.index, now)
    }

    /// How far the notifications of partners are behind what happened; `None` when they are up to date, or
    /// there is no subscription.
    #[must_use]
    pub fn notification_lag(&self, now: Timestamp) -> Option<SignedDuration> {
        since(&self.notifications, now)
    }

    pub(super) fn note(&self, oldest: Option<Timestamp>) {
        self.index.store(oldest.map(Arc::new));
    }

    pub(super) fn note_notifications(&self, oldest: Option<Timestamp>) {
        self.notifications.store(oldest.map(Arc::new));
    }

    pub(super) fn disable(&self) {
        self.index.store(None);
    }
}

fn since(oldest: &ArcSwapOption<Timestamp>, now: Timestamp) -> Option<SignedDuration> {
    let since = oldest.load_full()?;
    Some(now.duration_since(*since).max(SignedDuration::ZERO))
}

impl IndexStatus {
    /// Reads it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn read(store: &Store, config: &Config) -> Result<Self, StoreError> {
        let revision = index_revision(&mapping_options(config));
        let positions = store.projected_to().await?;
        let mut nodes = Vec::new();
        for node in store.projected_nodes().await? {
            let position = positions.get(node.as_str()).copied().unwrap_or_default().under(revision);
            let projected = position.number;
            let next = store.trail_after(&node, projected, 1).await?;
            let end = store.chain_end(&node).await?.number.max(projected);
            let waiting_since = next.first().map(|row| row.at);
            nodes.push(NodeStatus {
                node: node.to_string(),
                projected,
                end,
                waiting_since,
                left: position.left(),
            });
        }
        Ok(Self { leader: store.projection_leader().await?, nodes })
    }
}

/// What a position is of: the mapping, its settings, and what the index has besides. Another one projects
/// everything again, so that readers get what a changed setting changes.
pub(super) fn index_revision(Options { zone, patients, assigners }: &Options) -> u32 {
    let zone = zone.iana_name().unwrap_or_default();
    let settings = format!("{INDEX_REVISION}\0{zone}\0{patients:?}\0{assigners:?}");
    let digest = Fingerprint::sha256(settings.as_bytes());
    u32::from_be_bytes(digest.as_bytes().first_chunk().copied().unwrap_or_default())
}

/// Of the mapping, and of what the index has besides. 1: keys, versions, and parts of messages whose times
/// are far apart. 2: which alerts go on.
const INDEX_REVISION: u32 = REVISION << 8 | 2;
