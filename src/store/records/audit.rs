//! Rows of the audit trail, and which of them to list.

use jiff::Timestamp;

use crate::audit::{ChainRow, RecordedEvent, RowHash};
use crate::model::NodeName;
use crate::store::error::StoreError;

/// Which rows of the audit trail to list.
#[derive(Debug, Clone)]
pub struct AuditFilter {
    /// Only events of this name.
    pub event: Option<String>,
    /// Only what happened then or later.
    pub since: Option<Timestamp>,
    /// Where to start, and in which direction to read.
    pub page: Page,
    /// At most so many.
    pub limit: u32,
}

/// A place in the audit trail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Page {
    /// The newest rows, newest first.
    Latest,
    /// The rows before this sequence number, newest first.
    Before(u64),
    /// The rows after this sequence number, oldest first; 0 is the beginning. On PostgreSQL a row that another node is
    /// writing meanwhile may still come in before it: whoever must not miss one follows each chain by its numbers.
    After(u64),
}

/// One row of the audit trail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRow {
    /// Its place in the trail of all nodes.
    pub sequence: u64,
    /// The node that wrote it.
    pub node: NodeName,
    /// Its place in the chain of that node, from 1.
    pub number: u64,
    /// The hash over it and the row before it in that chain.
    pub hash: RowHash,
    /// When it happened.
    pub at: Timestamp,
    /// The name of the event.
    pub event: String,
    /// The details, the JSON exactly as it was written.
    pub details: String,
}

impl AuditRow {
    /// A row of the chain of `node`.
    pub(in crate::store) fn of(row: ChainRow, node: &NodeName) -> Result<Self, StoreError> {
        let damaged = StoreError::unreadable;
        Ok(Self {
            sequence: u64::try_from(row.sequence).map_err(|_| damaged("audit.sequence"))?,
            node: node.clone(),
            number: u64::try_from(row.number).map_err(|_| damaged("audit.number"))?,
            hash: RowHash::from_bytes(&row.hash).ok_or(damaged("audit.hash"))?,
            at: Timestamp::from_microsecond(row.at).map_err(|_| damaged("audit.at"))?,
            event: row.event,
            details: row.details,
        })
    }

    /// The row as the audit messages of IHE ATNA are made of it.
    #[must_use]
    pub fn told(&self) -> RecordedEvent<'_> {
        RecordedEvent { node: &self.node, at: self.at, event: &self.event, details: &self.details }
    }
}
