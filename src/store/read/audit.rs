//! Queries of the audit trail and its chains.

use crate::audit::{Beginning, ChainHead, ChainRow, Event, RowHash, Signature};
use crate::model::NodeName;
use crate::store::error::StoreError;
use crate::store::read::reader::Reader;
use crate::store::records::audit::{AuditFilter, AuditRow, Page};
use crate::store::records::message::LISTED_ROW_BYTES;
use crate::store::row::{Row, audit_end};
use crate::store::statement::Statement;

impl Reader {
    pub(in crate::store) async fn audit_rows(
        &self,
        filter: &AuditFilter,
    ) -> Result<Vec<AuditRow>, StoreError> {
        self.fetch(select_audit_rows(filter)).await?.iter().map(audit_row).collect()
    }

    /// A page of about `max_bytes` at most, and whether it ends before the limit of the filter.
    pub(in crate::store) async fn audit_page(
        &self,
        filter: &AuditFilter,
        max_bytes: usize,
    ) -> Result<(Vec<AuditRow>, bool), StoreError> {
        let size = |row: &AuditRow| row.details.len() + LISTED_ROW_BYTES;
        self.fetch_page(select_audit_rows(filter), max_bytes, audit_row, size).await
    }

    /// The nodes that have or had a chain.
    pub(in crate::store) async fn audit_nodes(&self) -> Result<Vec<NodeName>, StoreError> {
        let rows = self.fetch(Statement::new(SELECT_AUDIT_NODES)).await?;
        rows.iter().map(|row| row.parsed("node", "audit.node")).collect()
    }

    /// The head of a node's chain: its last row.
    pub(in crate::store) async fn audit_end(&self, node: &NodeName) -> Result<ChainHead, StoreError> {
        audit_end(&self.fetch(Statement::new(SELECT_LAST_ROW).bind(node.as_str())).await?)
    }

    /// The end of a node's chain as the store recorded it with the last signature. The chain has this row, or
    /// rows were removed.
    pub(in crate::store) async fn recorded_end(&self, node: &NodeName) -> Result<ChainHead, StoreError> {
        audit_end(&self.fetch(Statement::new(SELECT_RECORDED_END).bind(node.as_str())).await?)
    }

    /// The beginning of a node's chain, if retention deleted rows of it.
    pub(in crate::store) async fn audit_beginning(
        &self,
        node: &NodeName,
    ) -> Result<Option<Beginning>, StoreError> {
        let rows = self.fetch(Statement::new(SELECT_AUDIT_BEGIN).bind(node.as_str())).await?;
        rows.first().map(beginning).transpose()
    }

    /// The rows of a chain after row number `after`, in order.
    pub(in crate::store) async fn audit_chain(
        &self,
        node: &NodeName,
        after: Option<i64>,
        limit: u32,
    ) -> Result<Vec<ChainRow>, StoreError> {
        let statement = Statement::new(SELECT_AUDIT_CHAIN);
        let statement = statement.bind(node.as_str()).bind(after.unwrap_or(i64::MIN)).bind(limit);
        self.fetch(statement).await?.iter().map(chain_row).collect()
    }
}

/// The statement that selects a page of the audit trail.
pub(in crate::store) fn select_audit_rows(filter: &AuditFilter) -> Statement {
    let mut statement =
        Statement::new("SELECT sequence, node, number, hash, at, event, details FROM audit WHERE TRUE");
    if let Some(event) = &filter.event {
        match Event::NAMES.into_iter().find(|name| name == event) {
            // SQLite uses a partial index only if the query has the event as a literal
            // (https://www.sqlite.org/partialindex.html).
            Some(name) => statement.push(" AND event = '").push(name).push("'"),
            None => statement.push(" AND event = ").push_bind(event.as_str()),
        };
    }
    if let Some(since) = filter.since {
        statement.push(" AND at >= ").push_bind(since);
    }
    let direction = match filter.page {
        Page::Latest => "DESC",
        Page::Before(sequence) => {
            statement.push(" AND sequence < ").push_bind(sequence);
            "DESC"
        }
        Page::After(sequence) => {
            statement.push(" AND sequence > ").push_bind(sequence);
            "ASC"
        }
    };
    statement.push(" ORDER BY sequence ").push(direction).push(" LIMIT ").push_bind(filter.limit);
    statement
}

fn beginning(row: &Row) -> Result<Beginning, StoreError> {
    let hash: Vec<u8> = row.get("hash")?;
    Ok(Beginning {
        link: ChainHead {
            number: row.count("number", "audit_begin.number")?,
            hash: RowHash::from_bytes(&hash).ok_or(StoreError::unreadable("audit_begin.hash"))?,
        },
        signature: Signature {
            scheme: row.get("scheme")?,
            certificate: row.get("certificate")?,
            value: row.get("signature")?,
        },
        at: row.time("at", "audit_begin.at")?,
    })
}

fn chain_row(row: &Row) -> Result<ChainRow, StoreError> {
    Ok(ChainRow {
        sequence: row.get("sequence")?,
        number: row.get("number")?,
        at: row.get("at")?,
        event: row.get("event")?,
        details: row.get("details")?,
        hash: row.get("hash")?,
    })
}

fn audit_row(row: &Row) -> Result<AuditRow, StoreError> {
    let hash: Vec<u8> = row.get("hash")?;
    Ok(AuditRow {
        sequence: row.count("sequence", "audit.sequence")?,
        node: row.parsed("node", "audit.node")?,
        number: row.count("number", "audit.number")?,
        hash: RowHash::from_bytes(&hash).ok_or(StoreError::unreadable("audit.hash"))?,
        at: row.time("at", "audit.at")?,
        event: row.get("event")?,
        details: row.get("details")?,
    })
}

const SELECT_LAST_ROW: &str = "SELECT number, hash FROM audit WHERE node = $1 ORDER BY number DESC LIMIT 1";

const SELECT_RECORDED_END: &str = "SELECT number, hash FROM audit_end WHERE node = $1";

/// From one name to the next along the index: neither database skips the rows between by itself.
const SELECT_AUDIT_NODES: &str = "
WITH RECURSIVE own (node) AS (
    SELECT min(node) FROM audit
    UNION ALL SELECT (SELECT min(node) FROM audit WHERE audit.node > own.node) FROM own WHERE own.node IS NOT NULL
)
SELECT node FROM audit_end UNION SELECT node FROM own WHERE node IS NOT NULL ORDER BY node";

const SELECT_AUDIT_BEGIN: &str =
    "SELECT number, hash, at, scheme, certificate, signature FROM audit_begin WHERE node = $1";

const SELECT_AUDIT_CHAIN: &str = "
SELECT sequence, number, at, event, details, hash FROM audit
WHERE node = $1 AND number > $2 ORDER BY number, sequence LIMIT $3";
