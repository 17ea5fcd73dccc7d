//! The audit trail: appending, reading and signing.

use std::time::Duration;

use crate::audit::{self, ChainHead, SignatureVerifier, Signer, signed_bytes};
use crate::metrics::Metrics;
use crate::model::NodeName;
use crate::store::deferred_audit::{Deferral, DeferredRow, LostRows};
use crate::store::error::StoreError;
use crate::store::fault_log::Unwritten;
use crate::store::handle::Store;
use crate::store::records::audit::{AuditFilter, AuditRow};
use crate::store::write::entry::Write;

/// What became of an audit row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// It is durable.
    Written,
    /// It waits in memory until the store has recovered.
    Deferred,
    /// There was no room for it, or the database refuses it.
    NotKept,
}

impl Store {
    /// Appends a row to the audit trail. The row is durable on return.
    ///
    /// # Errors
    /// When the row was not written.
    pub async fn audit(&self, event: audit::Event) -> Result<(), StoreError> {
        self.write(Write::Audit(event)).await.map(drop)
    }

    /// Appends a row to the audit trail. If that fails, the row is kept in memory and written when the store
    /// has recovered, and an error is logged: one line in ten seconds. A row for which there is no room is
    /// lost, and the trail gets a row with the number of the lost ones.
    pub async fn audit_or_defer(&self, event: audit::Event) {
        let at = self.clock().now();
        if self.try_audit_or_defer(event).await == Recorded::NotKept {
            let watch = self.deferred_audit().lose(at);
            self.watch_for_recovery(watch);
        }
    }

    /// The same, but a row for which there is no room is left to the caller, who can count it.
    pub async fn try_audit_or_defer(&self, event: audit::Event) -> Recorded {
        let at = self.clock().now();
        let Err(error) = self.write_at(at, Write::Audit(event.clone())).await else {
            return Recorded::Written;
        };
        self.log_unwritten(Unwritten::AuditRow(event.name()), &error);
        if error.concerns_one_entry() {
            // It would fail again.
            return Recorded::NotKept;
        }
        let deferral = self.deferred_audit().defer(at, event);
        self.watch_for_recovery(deferral);
        if deferral.is_kept { Recorded::Deferred } else { Recorded::NotKept }
    }

    /// Keeps at most `max_rows` rows while the store fails, and reports them to `metrics`.
    pub fn defer_audit_rows(&self, max_rows: usize, metrics: &Metrics) {
        let (waiting, lost) = (
            metrics.housekeeping.audit_deferred_rows.clone(),
            metrics.housekeeping.audit_lost_rows_total.clone(),
        );
        self.deferred_audit().limit(max_rows, waiting, lost);
    }

    fn watch_for_recovery(&self, deferral: Deferral) {
        if !deferral.starts_watch {
            return;
        }
        let store = self.clone();
        let watch = async move {
            while !store.write_deferred().await {
                tokio::time::sleep(RECOVERY_INTERVAL).await;
            }
        };
        tokio::spawn(watch);
    }

    /// Writes the rows that wait, in their order, until one fails. True when none is left.
    async fn write_deferred(&self) -> bool {
        let deferred = self.deferred_audit();
        let _turn = deferred.turn().await;
        while let Some(DeferredRow { at, event }) = deferred.first() {
            match self.write_at(at, Write::Audit(event)).await {
                Ok(_) => {}
                // No watch has to start: this is it.
                Err(error) if error.concerns_one_entry() => {
                    let _ = deferred.lose(at);
                }
                Err(_) => return false,
            }
            deferred.remove_first();
        }
        let lost = deferred.lost();
        if let Some(LostRows { count, first, last }) = lost {
            let event = audit::Event::AuditRowsLost(audit::LostRows { count, first, last });
            if self.audit(event).await.is_err() {
                return false;
            }
            tracing::error!(count, "audit rows were lost while the store failed; the trail says how many");
        }
        deferred.finish(lost)
    }

    /// One attempt to write what waits, before the store is closed.
    pub(in crate::store) async fn write_deferred_before_the_end(&self) {
        let deferred = self.deferred_audit();
        if deferred.first().is_none() && deferred.lost().is_none() {
            return;
        }
        let written = tokio::time::timeout(CLOSE_TIMEOUT, self.write_deferred()).await;
        if written != Ok(true) {
            tracing::error!("audit rows that the store did not take are lost with the end of this process");
        }
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
        Ok(rows.into_iter().map(|row| AuditRow::from_chain_row(row, self.node())).collect())
    }

    /// The head of this node's chain.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn own_audit_end(&self) -> Result<ChainHead, StoreError> {
        self.reader().audit_end(self.node()).await
    }

    /// The head of the chain of any node.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn chain_end(&self, node: &NodeName) -> Result<ChainHead, StoreError> {
        self.reader().audit_end(node).await
    }

    /// Requires that the store contains what this node remembers of its chain, and behind it only rows that
    /// continue the chain. Returns the last of them.
    ///
    /// # Errors
    /// [`StoreError::Diverged`] when it does not.
    pub async fn require_own_end(&self) -> Result<ChainHead, StoreError> {
        let chain = self.own_chain();
        // Read before the end of the chain, which grows meanwhile.
        let expected = chain.expected();
        let end = self.reader().audit_end(self.node()).await?;
        match expected {
            None => chain.begin(end, self.reader().recorded_end(self.node()).await?.number > 0),
            Some(expected) if self.has_own_row(&expected).await? => {
                let is_followed = chain.follows(&expected, &end);
                let broken = if is_followed { self.broken_behind(&expected, &end).await? } else { None };
                match broken {
                    None => chain.followed(&expected, end),
                    Some(row) => chain.continued_by_others(end, row)?,
                }
            }
            Some(_) => {
                let is_rewritten = match chain.expected_signature(&end) {
                    Some(signed) => !self.has_own_row(&signed).await?,
                    None => false,
                };
                chain.diverged(end, is_rewritten)?;
            }
        }
        Ok(end)
    }

    /// The first row of this node's chain behind `known`, up to `end`, that does not continue it.
    ///
    /// # Errors
    /// When the rows cannot be read.
    pub async fn broken_behind(&self, known: &ChainHead, end: &ChainHead) -> Result<Option<u64>, StoreError> {
        let mut followed = *known;
        while followed.number < end.number {
            let after = i64::try_from(followed.number).unwrap_or(i64::MAX);
            let mut rows = self.reader().audit_chain(self.node(), Some(after), CHAIN_PAGE).await?;
            rows.retain(|row| u64::try_from(row.number).is_ok_and(|number| number <= end.number));
            match self.own_chain().follow(followed, &rows) {
                Ok(last) if !rows.is_empty() => followed = last,
                Ok(_) => return Ok(Some(followed.number.saturating_add(1))),
                Err(row) => return Ok(Some(row)),
            }
        }
        Ok((followed != *end).then_some(end.number))
    }

    /// Whether this node's chain contains the row; every chain contains its start.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn has_own_row(&self, head: &ChainHead) -> Result<bool, StoreError> {
        let Some(before) = head.number.checked_sub(1) else { return Ok(*head == ChainHead::START) };
        let row = self.own_audit_rows(before, 1).await?.into_iter().next();
        Ok(row.is_some_and(|row| row.number == head.number && row.hash == head.hash))
    }

    /// Signs the head of this node's audit chain and appends the signature to the chain, with the ends of
    /// other nodes' chains as far as they verify. Returns the signed head; `None` when there are no unsigned
    /// rows. `signatures` verifies what operators have accepted of the other chains.
    ///
    /// # Errors
    /// When a chain cannot be read, or this one not signed or written; [`StoreError::Diverged`] when it is
    /// not the one that this process knows.
    pub async fn sign_audit(
        &self,
        signer: &dyn Signer,
        signatures: &dyn SignatureVerifier,
    ) -> Result<Option<ChainHead>, StoreError> {
        let node = self.node();
        let link = match self.own_chain().expected() {
            // Nothing is signed that was not followed from what is known.
            Some(_) => self.require_own_end().await?,
            None => self.reader().audit_end(node).await?,
        };
        let chains = self.other_chains(&link, signatures).await?;
        let after = i64::try_from(link.number.saturating_sub(1)).unwrap_or(i64::MAX);
        let last = self.reader().audit_chain(node, Some(after), 1).await?;
        if last.first().is_none_or(|row| row.event == audit::Event::AUDIT_SIGNED) {
            return Ok(None);
        }
        let signature = signer.sign(&signed_bytes(node, &link))?;
        self.audit(audit::Event::AuditSigned { link, signature, chains }).await?;
        self.own_chain().signed(link);
        Ok(Some(link))
    }
}

/// Rows of a chain that are read at once.
const CHAIN_PAGE: u32 = 5_000;
/// How long after a failed attempt the rows that wait are tried again.
const RECOVERY_INTERVAL: Duration = Duration::from_secs(1);
/// How long the end of the process waits for them.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
