//! The audit trail: appending, reading and signing.

use crate::audit::{self, ChainHead, Signer, signed_bytes};
use crate::store::error::StoreError;
use crate::store::fault_log::Unwritten;
use crate::store::handle::Store;
use crate::store::records::audit::{AuditFilter, AuditRow};
use crate::store::write::entry::Write;

impl Store {
    /// Appends a row to the audit trail. The row is durable on return.
    ///
    /// # Errors
    /// When the row was not written.
    pub async fn audit(&self, event: audit::Event) -> Result<(), StoreError> {
        self.write(Write::Audit(event)).await.map(drop)
    }

    /// Appends a row to the audit trail, and logs an error if that fails: one line in ten seconds. True when
    /// the row was written.
    pub async fn audit_or_log(&self, event: audit::Event) -> bool {
        let name = event.name();
        let result = self.audit(event).await;
        if let Err(error) = &result {
            self.log_unwritten(Unwritten::AuditRow(name), error);
        }
        result.is_ok()
    }

    /// A page of the audit trail.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn audit_rows(&self, filter: &AuditFilter) -> Result<Vec<AuditRow>, StoreError> {
        self.reader().audit_rows(filter).await
    }

    /// The same, of about `max_bytes` at most; and whether the page ends early for that reason.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn audit_page(
        &self,
        filter: &AuditFilter,
        max_bytes: usize,
    ) -> Result<(Vec<AuditRow>, bool), StoreError> {
        self.reader().audit_page(filter, max_bytes).await
    }

    /// The rows of this node's chain after row number `after`, in order.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn own_audit_rows(&self, after: u64, limit: u32) -> Result<Vec<AuditRow>, StoreError> {
        let after = i64::try_from(after).unwrap_or(i64::MAX);
        let rows = self.reader().audit_chain(self.node(), Some(after), limit).await?;
        rows.into_iter().map(|row| AuditRow::from_chain_row(row, self.node())).collect()
    }

    /// The head of this node's chain.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn own_audit_end(&self) -> Result<ChainHead, StoreError> {
        self.reader().audit_end(self.node()).await
    }

    /// Signs the head of this node's audit chain and appends the signature to the chain. Returns the signed
    /// head; `None` when there are no unsigned rows.
    ///
    /// # Errors
    /// When the chain cannot be read, signed or written.
    pub async fn sign_audit(&self, signer: &dyn Signer) -> Result<Option<ChainHead>, StoreError> {
        let node = self.node();
        let link = self.reader().audit_end(node).await?;
        let after = i64::try_from(link.number.saturating_sub(1)).unwrap_or(i64::MAX);
        let last = self.reader().audit_chain(node, Some(after), 1).await?;
        if last.first().is_none_or(|row| row.event == audit::Event::AUDIT_SIGNED) {
            return Ok(None);
        }
        let signature = signer.sign(&signed_bytes(node, &link))?;
        self.audit(audit::Event::AuditSigned { link, signature }).await?;
        Ok(Some(link))
    }
}
