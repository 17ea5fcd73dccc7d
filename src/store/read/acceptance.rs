//! What operators have accepted of the chains.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::audit::{Acceptance, Event, SignatureVerifier};
use crate::model::NodeName;
use crate::store::error::StoreError;
use crate::store::read::reader::Reader;
use crate::store::statement::Statement;

/// What the platform has signed that operators accepted, the oldest first.
#[derive(Debug, Default)]
pub(in crate::store) struct Acceptances(Vec<Acceptance>);

impl Acceptances {
    /// Reads them all: a row counts only with its signature.
    pub(in crate::store) async fn read(
        reader: &Reader,
        signatures: &dyn SignatureVerifier,
    ) -> Result<Self, StoreError> {
        let statement = Statement::new(SELECT_ACCEPTED).bind(Event::AUDIT_FAULT_ACCEPTED).bind(MAX_READ);
        let mut accepted = Vec::new();
        for row in reader.fetch(statement).await? {
            accepted.extend(Acceptance::read(&row.get::<String>("details")?, signatures));
        }
        accepted.sort_by_key(|acceptance| acceptance.until);
        Ok(Self(accepted))
    }

    /// Until when the ends of each chain that were listed do not count.
    pub(in crate::store) fn until(&self) -> BTreeMap<NodeName, Timestamp> {
        // The latest of a node is the last.
        self.0.iter().map(|acceptance| (acceptance.node.clone(), acceptance.until)).collect()
    }

    /// The last acceptance of each node.
    pub(in crate::store) fn latest(&self) -> BTreeMap<&NodeName, &Acceptance> {
        self.0.iter().map(|acceptance| (&acceptance.node, acceptance)).collect()
    }

    /// Whether the fault of this row is accepted.
    pub(in crate::store) fn has(&self, node: &NodeName, row: u64) -> bool {
        self.0.iter().any(|acceptance| acceptance.node == *node && acceptance.rows.contains(&row))
    }
}

/// Rows that are read, the newest: an operator has written each of them. Others could be appended without
/// end.
const MAX_READ: u32 = 10_000;

/// Along the index of events.
const SELECT_ACCEPTED: &str = "
SELECT details FROM audit WHERE event = $1 AND event <> 'message-accepted' ORDER BY sequence DESC LIMIT $2";
