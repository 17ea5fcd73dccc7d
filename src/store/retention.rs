//! Taking out what is old: in small batches between those of the senders, and never unsaid.

use jiff::Timestamp;

use super::batch::Connection;
use super::read::first_id;
use super::statement::Statement;
use super::writer::{Write, Written};
use super::{Store, StoreError};
use crate::audit::{Beginning, ChainHead, RowHash, Signer, begin_bytes};
use crate::model::NodeName;

impl Store {
    /// Removes messages, accepted and rejected ones, that came before `before`, and messages for devices that were settled
    /// before, the oldest first, of each at most [`Store::PRUNED_AT_ONCE`]; how many. They are gone when this returns, and the audit trail says so.
    ///
    /// # Errors
    /// When nothing was removed.
    pub async fn prune_messages(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.prune(Write::PruneMessages { before, limit: Self::PRUNED_AT_ONCE }).await
    }

    /// Removes rows of this node's audit chain that were written before `before`, the oldest first and none behind the
    /// row of number `up_to`, at most [`Store::PRUNED_AT_ONCE`]; how many. `signer` vouches for where the chain begins
    /// then; its last row stays.
    ///
    /// # Errors
    /// When nothing was removed.
    pub async fn prune_audit(
        &self,
        before: Timestamp,
        up_to: u64,
        signer: &dyn Signer,
    ) -> Result<u64, StoreError> {
        let (node, reader) = (&self.0.node, &self.0.reader);
        let begin = reader.audit_beginning(node).await?.map_or(ChainHead::START, |beginning| beginning.link);
        let end = reader.audit_end(node).await?;
        let after = i64::try_from(begin.number).unwrap_or(i64::MAX);
        let rows = reader.audit_chain(node, Some(after), Self::PRUNED_AT_ONCE).await?;
        let old = rows
            .iter()
            .take_while(|row| row.at < before.as_microsecond())
            .filter_map(|row| u64::try_from(row.number).ok().zip(RowHash::from_bytes(&row.hash)))
            .take_while(|(number, _)| *number < end.number && *number <= up_to);
        let Some((number, hash)) = old.last() else { return Ok(0) };
        let link = ChainHead { number, hash };
        let signature = signer.sign(&begin_bytes(node, &link))?;
        let beginning = Box::new(Beginning { link, signature, at: self.0.clock.now() });
        self.prune(Write::PruneAudit { beginning, before }).await
    }

    async fn prune(&self, write: Write) -> Result<u64, StoreError> {
        match self.write(write).await? {
            Written::Rows(rows) => Ok(rows),
            Written::Anew | Written::Before { .. } => Ok(0),
        }
    }

    /// Rows that are removed in one transaction: some milliseconds, in which senders wait.
    pub const PRUNED_AT_ONCE: u32 = 200;
}

/// Removes messages that came before; how many.
pub(super) async fn remove_messages(
    connection: &mut impl Connection,
    before: Timestamp,
    limit: u32,
) -> Result<u64, StoreError> {
    let mut statement = Statement::new("DELETE FROM message WHERE id IN (SELECT id FROM message WHERE id < ");
    statement.push_bind(first_id(before).as_slice()).push(" ORDER BY id LIMIT ").push_bind(limit);
    statement.push(")");
    connection.execute(statement).await
}

/// Notes where the chain begins now and removes what stands before; how many rows.
pub(super) async fn remove_audit(
    connection: &mut impl Connection,
    node: &NodeName,
    Beginning { link, signature, at }: &Beginning,
) -> Result<u64, StoreError> {
    let begins = Statement::new(UPSERT_BEGINNING)
        .bind(node.as_str())
        .bind(link.number)
        .bind(link.hash.as_bytes().as_slice())
        .bind(*at)
        .bind(signature.scheme.as_str())
        .bind(signature.certificate.as_slice())
        .bind(signature.value.as_slice());
    connection.execute(begins).await?;
    connection.execute(Statement::new(DELETE_AUDIT).bind(node.as_str()).bind(link.number)).await
}

/// Another process of this node may have been further already.
const UPSERT_BEGINNING: &str = "
INSERT INTO audit_begin (node, number, hash, at, scheme, certificate, signature) VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (node) DO UPDATE SET
    number = excluded.number, hash = excluded.hash, at = excluded.at, scheme = excluded.scheme,
    certificate = excluded.certificate, signature = excluded.signature
WHERE excluded.number > audit_begin.number";

const DELETE_AUDIT: &str = "DELETE FROM audit WHERE node = $1 AND number <= $2";
