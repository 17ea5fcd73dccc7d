//! Audit rows about the platform's own certificates, their keys and the trust anchors.

use super::Platform;
use crate::audit::{ConfigurationFault, Event, Installed, ReloadedBy};
use crate::model::explained;
use crate::store::{AuditFilter, Page, Store, StoreError};

impl Platform {
    /// Records which certificates are installed if that differs from the last record of this node.
    pub(super) async fn record_certificates_at_start(&self) {
        match last_recorded(&self.store).await {
            Ok(old) => self.record_certificates(old).await,
            Err(error) => {
                tracing::error!(
                    error = %explained(&error),
                    "the audit trail could not be read; a change of the installed certificates is not recorded"
                );
            }
        }
    }

    /// Records which identities are configured and not used, because time has made them unusable.
    pub(super) async fn record_unusable_identities(&self, by: ReloadedBy) {
        let unusable = self.acceptor.unusable_identities();
        if !unusable.is_empty() {
            let keys = unusable.iter().map(|identity| identity.key.to_owned()).collect();
            let fault = ConfigurationFault::Identities;
            self.store.audit_or_defer(Event::ConfigurationRefused { fault, keys, by }).await;
        }
    }

    /// Records which certificates are installed if they are not `old`.
    pub(super) async fn record_certificates(&self, old: Vec<Installed>) {
        let new = self.acceptor.installed_certificates();
        if old != new {
            self.store.audit_or_defer(Event::CertificatesChanged { old, new }).await;
        }
    }
}

/// The certificates in the last such row of this node; empty when there is none.
async fn last_recorded(store: &Store) -> Result<Vec<Installed>, StoreError> {
    let mut page = Page::Latest;
    loop {
        let event = Some(Event::CERTIFICATES_CHANGED.to_owned());
        let rows = store
            .audit_rows(&AuditFilter { event, device: None, since: None, page, limit: PAGE_ROWS })
            .await?;
        if let Some(row) = rows.iter().find(|row| row.node == *store.node()) {
            return Ok(Installed::read(&row.details).unwrap_or_default());
        }
        match rows.last() {
            Some(last) => page = Page::Before(last.sequence),
            None => return Ok(Vec::new()),
        }
    }
}

/// Rows that are read at once; the event is rare.
const PAGE_ROWS: u32 = 50;
