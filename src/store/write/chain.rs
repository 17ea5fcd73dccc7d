//! Links new rows of the audit trail into the chain of the node.

use jiff::Timestamp;

use crate::audit::{ChainHead, Event};
use crate::model::NodeName;

/// A row of the audit trail with its position in the chain.
#[derive(Debug, Clone)]
pub(in crate::store) struct ChainedEvent {
    pub(in crate::store) head: ChainHead,
    pub(in crate::store) at: Timestamp,
    pub(in crate::store) event: &'static str,
    pub(in crate::store) details: String,
}

/// The rows of `trail`, linked behind `end`. Moves `end` to the last of them.
pub(in crate::store) fn link_events(
    node: &NodeName,
    end: &mut ChainHead,
    trail: &[(Timestamp, Event)],
) -> Vec<ChainedEvent> {
    let rows = trail.iter().map(|(at, event)| {
        let details = event.details();
        *end = end.next(node, *at, event.name(), &details);
        ChainedEvent { head: *end, at: *at, event: event.name(), details }
    });
    rows.collect()
}
