//! Rows of the audit trail, and the filter that selects them.

use jiff::Timestamp;

use crate::audit::{ChainHead, ChainRow, RecordedEvent, RowHash};
use crate::model::{DeviceId, NodeName};

/// Selects rows of the audit trail.
#[derive(Debug, Clone)]
pub struct AuditFilter {
    /// Only events with this name; [`WITHOUT_MESSAGES`]: all but accepted messages.
    pub event: Option<String>,
    /// Only events about this device, without those of single messages.
    pub device: Option<DeviceId>,
    /// Only events at this time or later.
    pub since: Option<Timestamp>,
    /// Where to start, and the direction.
    pub page: Page,
    /// The maximum number of rows.
    pub limit: u32,
}

/// In the place of a name: every event but the acceptance of a message.
pub const WITHOUT_MESSAGES: &str = "without-messages";

/// A position in the audit trail, and the direction of reading from there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Page {
    /// The newest rows, newest first.
    Latest,
    /// The rows before this sequence number, newest first.
    Before(u64),
    /// The rows after this sequence number, oldest first; 0 is the beginning. On PostgreSQL a row that
    /// another node is writing can still appear before it: to miss no row, a reader follows each chain by its
    /// row numbers.
    After(u64),
}

/// One row of the audit trail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRow {
    /// The position in the trail of all nodes.
    pub sequence: u64,
    /// The node that wrote it.
    pub node: NodeName,
    /// The position in the chain of that node, from 1.
    pub number: u64,
    /// The hash over this row and the hash of the row before it in that chain.
    pub hash: RowHash,
    /// When the event happened.
    pub at: Timestamp,
    /// The name of the event.
    pub event: String,
    /// The details: the JSON exactly as it was written.
    pub details: String,
    /// Whether a number, the node, the time or the hash is none that the platform writes: then it is replaced
    /// here by 0, by a name with `_`, or by the nearest time. `audit verify` says what is wrong with the row.
    pub is_distorted: bool,
}

impl AuditRow {
    /// The row `row` of the chain of `node`.
    pub(in crate::store) fn from_chain_row(row: ChainRow, node: &NodeName) -> Self {
        let (sequence, number) = (u64::try_from(row.sequence), u64::try_from(row.number));
        let (hash, at) = (RowHash::from_bytes(&row.hash), Timestamp::from_microsecond(row.at));
        let nearest = if row.at < 0 { Timestamp::MIN } else { Timestamp::MAX };
        Self {
            is_distorted: sequence.is_err() || number.is_err() || hash.is_none() || at.is_err(),
            sequence: sequence.unwrap_or_default(),
            node: node.clone(),
            number: number.unwrap_or_default(),
            hash: hash.unwrap_or(ChainHead::START.hash),
            at: at.unwrap_or(nearest),
            event: row.event,
            details: row.details,
        }
    }

    /// The row as the input of an IHE ATNA audit message.
    #[must_use]
    pub fn recorded_event(&self) -> RecordedEvent<'_> {
        RecordedEvent { node: &self.node, at: self.at, event: &self.event, details: &self.details }
    }
}
