//! Queries of the audit trail and its chains.

use crate::audit::{Beginning, ChainHead, ChainRow, Event, RowHash, Signature};
use crate::model::NodeName;
use crate::store::error::StoreError;
use crate::store::read::reader::Reader;
use crate::store::records::audit::{AuditFilter, AuditRow, Page, WITHOUT_MESSAGES};
use crate::store::records::message::LISTED_ROW_BYTES;
use crate::store::row::{Row, audit_end};
use crate::store::statement::Statement;

impl Reader {
    pub(in crate::store) async fn audit_rows(
        &self,
        filter: &AuditFilter,
    ) -> Result<Vec<AuditRow>, StoreError> {
        self.fetch(select_audit_rows(filter, self.is_postgres())).await?.iter().map(audit_row).collect()
    }

    /// A page of about `max_bytes` at most, and whether it ends before the limit of the filter.
    pub(in crate::store) async fn audit_page(
        &self,
        filter: &AuditFilter,
        max_bytes: usize,
    ) -> Result<(Vec<AuditRow>, bool), StoreError> {
        let size = |row: &AuditRow| row.details.len() + LISTED_ROW_BYTES;
        self.fetch_page(select_audit_rows(filter, self.is_postgres()), max_bytes, audit_row, size).await
    }

    /// The nodes that have or had a chain.
    pub(in crate::store) async fn audit_nodes(&self) -> Result<Vec<NodeName>, StoreError> {
        Ok(self.audit_node_names().await?.iter().filter_map(|name| name.parse().ok()).collect())
    }

    /// The same as the database has them: not each of them is the name of a node.
    pub(in crate::store) async fn audit_node_names(&self) -> Result<Vec<String>, StoreError> {
        self.fetch(Statement::new(SELECT_AUDIT_NODES)).await?.iter().map(|row| row.get("node")).collect()
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
pub(in crate::store) fn select_audit_rows(filter: &AuditFilter, is_postgres: bool) -> Statement {
    let mut statement =
        Statement::new("SELECT sequence, node, number, hash, at, event, details FROM audit WHERE TRUE");
    if filter.event.as_deref() == Some(WITHOUT_MESSAGES) {
        // The index of a device has no rows of accepted messages.
        if filter.device.is_none() {
            statement.push(" AND event <> 'message-accepted'");
        }
    } else if let Some(event) = &filter.event {
        match Event::NAMES.into_iter().find(|name| name == event) {
            // SQLite uses a partial index only if the query has the event as a literal
            // (https://www.sqlite.org/partialindex.html).
            Some(name) => {
                statement.push(" AND event = '").push(name).push("'");
                match name {
                    // Their rows are as many as the messages.
                    "message-accepted" => &mut statement,
                    _ => statement.push(" AND event <> 'message-accepted'"),
                }
            }
            None => statement.push(" AND event = ").push_bind(event.as_str()),
        };
    }
    if let Some(device) = &filter.device {
        // The expressions of the partial index.
        let (expression, name) = if is_postgres {
            let escaped = serde_json::Value::from(device.as_str()).to_string();
            (DEVICE_ON_POSTGRES, escaped.trim_matches('"').to_owned())
        } else {
            (DEVICE_ON_SQLITE, device.as_str().to_owned())
        };
        statement.push(expression).push(" = ").push_bind(name);
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

pub(in crate::store) fn audit_row(row: &Row) -> Result<AuditRow, StoreError> {
    let name: String = row.get("node")?;
    let node = name.parse();
    let is_named = node.is_ok();
    let row = AuditRow::from_chain_row(chain_row(row)?, &node.unwrap_or_else(|_| NodeName::lossy(&name)));
    Ok(AuditRow { is_distorted: row.is_distorted || !is_named, ..row })
}

const DEVICE_ON_SQLITE: &str = "
    AND event NOT IN ('message-accepted', 'message-rejected')
    AND coalesce(json_extract(details, '$.device'), json_extract(details, '$.certificate.common-name'),
        json_extract(details, '$.common-name'))";

const DEVICE_ON_POSTGRES: &str = r#"
    AND event NOT IN ('message-accepted', 'message-rejected')
    AND coalesce(substring(details FROM '"device":"((?:[^"\\]|\\.)*)"'),
        substring(details FROM '"common-name":"((?:[^"\\]|\\.)*)"'))"#;

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
