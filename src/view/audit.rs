//! Rows of the audit trail.

use serde::Serialize;
use serde_json::Value;

use crate::store::AuditRow;

/// A row of the audit trail.
#[derive(Debug, Clone, Serialize)]
pub struct AuditRowView<'a> {
    /// The position in the trail of all nodes.
    pub sequence: u64,
    /// The node that wrote the row.
    pub node: &'a str,
    /// The position in the chain of that node, from 1.
    pub number: u64,
    /// When it happened.
    pub at: String,
    /// The name of the event.
    pub event: &'a str,
    /// The details of the event. A string holds text that is not JSON: the platform did not write it, and
    /// `audit verify` names the row.
    pub details: Value,
    /// The hash over the row and the hash before it, in hexadecimal.
    pub hash: String,
    /// Whether a number, the node, the time or the hash is none that the platform writes, and replaced here
    /// by the nearest one. Absent otherwise.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub distorted: bool,
}

impl<'a> From<&'a AuditRow> for AuditRowView<'a> {
    fn from(row: &'a AuditRow) -> Self {
        Self {
            sequence: row.sequence,
            node: row.node.as_str(),
            number: row.number,
            at: row.at.to_string(),
            event: &row.event,
            details: serde_json::from_str(&row.details).unwrap_or_else(|_| row.details.as_str().into()),
            hash: row.hash.to_string(),
            distorted: row.is_distorted,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{Event, StopReason};
    use crate::store::fixtures::TestStore;
    use crate::store::{AuditFilter, Page};

    #[tokio::test]
    async fn details_that_are_not_json_are_shown_as_text() {
        let place = TestStore::new();
        let store = place.open().await;
        store.audit(Event::PlatformStopped { reason: StopReason::Requested }).await.unwrap();
        let filter = AuditFilter { event: None, device: None, since: None, page: Page::Latest, limit: 1 };
        let mut row = store.audit_rows(&filter).await.unwrap().remove(0);
        assert_eq!(
            serde_json::to_string(&AuditRowView::from(&row)).unwrap(),
            format!(
                r#"{{"sequence":1,"node":"{}","number":1,"at":"2025-06-15T15:06:40Z","event":"platform-stopped","details":{{"reason":"requested"}},"hash":"{}"}}"#,
                row.node, row.hash
            )
        );
        row.details = "{tampered".to_owned();
        assert_eq!(AuditRowView::from(&row).details, "{tampered");
    }
}
