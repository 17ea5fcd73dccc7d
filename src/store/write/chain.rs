//! Rows of the audit trail on their way into the chain.

use jiff::Timestamp;

use crate::audit::{ChainHead, Event};
use crate::model::NodeName;

/// A row of the audit trail with its place in the chain.
#[derive(Debug)]
pub(in crate::store) struct ChainedEvent {
    pub(in crate::store) link: ChainHead,
    pub(in crate::store) at: Timestamp,
    pub(in crate::store) event: &'static str,
    pub(in crate::store) details: String,
}

/// The rows that say so behind `end`, which moves on to the last of them.
pub(in crate::store) fn chained(
    node: &NodeName,
    end: &mut ChainHead,
    trail: &[(Timestamp, Event)],
) -> Vec<ChainedEvent> {
    let rows = trail.iter().map(|(at, event)| {
        let details = event.details();
        *end = end.next(node, *at, event.name(), &details);
        ChainedEvent { link: *end, at: *at, event: event.name(), details }
    });
    rows.collect()
}
