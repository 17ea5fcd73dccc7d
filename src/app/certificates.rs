//! What the audit trail says of the platform's own certificates, their keys and the roots.

use super::Platform;
use crate::audit::{Event, Installed};
use crate::store::{AuditFilter, Page, Store, StoreError};

/// Rows that are looked at at once; the event is rare.
const PAGE: u32 = 50;

impl Platform {
    /// Tells what is installed if it is not what this node said when it ran last.
    pub(super) async fn tell_certificates_since_last_start(&self) {
        match last_told(&self.store).await {
            Ok(last) => self.tell_certificates(last).await,
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "it is not known which certificates were installed before"
                );
            }
        }
    }

    /// Tells what is installed if it is not `old`.
    pub(super) async fn tell_certificates(&self, old: Vec<Installed>) {
        let new = self.acceptor.installed_certificates();
        if old != new {
            self.store.audit_or_log(Event::CertificatesChanged { old, new }).await;
        }
    }
}

/// What the trail of this node says was installed last; nothing when it never said so.
async fn last_told(store: &Store) -> Result<Vec<Installed>, StoreError> {
    let mut page = Page::Latest;
    loop {
        let event = Some(Event::CERTIFICATES_CHANGED.to_owned());
        let rows = store.audit_rows(&AuditFilter { event, since: None, page, limit: PAGE }).await?;
        if let Some(row) = rows.iter().find(|row| row.node == *store.node()) {
            return Ok(Installed::read(&row.details).unwrap_or_default());
        }
        match rows.last() {
            Some(last) => page = Page::Before(last.sequence),
            None => return Ok(Vec::new()),
        }
    }
}
