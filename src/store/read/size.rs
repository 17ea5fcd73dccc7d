//! How large the store is.

use crate::store::error::StoreError;
use crate::store::read::reader::Reader;
use crate::store::statement::Statement;

impl Reader {
    /// Rows of the large tables, by an estimate that reads no table: on SQLite from the first to the last row
    /// number, on PostgreSQL by the statistics of the server.
    pub(in crate::store) async fn estimated_rows(&self) -> Result<Vec<(&'static str, u64)>, StoreError> {
        let statement = match self {
            Self::Sqlite(_) => SELECT_ROWS,
            Self::Postgres(_) => SELECT_ROWS_OF_SERVER,
        };
        let rows = self.fetch(Statement::new(statement)).await?;
        let Some(row) = rows.first() else { return Ok(Vec::new()) };
        ["message", "audit", "outbox", "device"]
            .into_iter()
            .map(|table| Ok((table, row.count(table, "an estimate of rows")?)))
            .collect()
    }

    /// Bytes of the database on a server; `None` for a file.
    pub(in crate::store) async fn database_bytes(&self) -> Result<Option<u64>, StoreError> {
        let Self::Postgres(_) = self else { return Ok(None) };
        let rows = self.fetch(Statement::new(SELECT_BYTES)).await?;
        rows.first().map(|row| row.count("bytes", "the size of the database")).transpose()
    }
}

const SELECT_ROWS: &str = "
SELECT coalesce((SELECT max(rowid) FROM message) - (SELECT min(rowid) FROM message) + 1, 0) AS message,
    coalesce((SELECT max(sequence) FROM audit) - (SELECT min(sequence) FROM audit) + 1, 0) AS audit,
    coalesce((SELECT max(rowid) FROM outbox) - (SELECT min(rowid) FROM outbox) + 1, 0) AS outbox,
    (SELECT count(*) FROM device) AS device";

const SELECT_ROWS_OF_SERVER: &str = "
SELECT coalesce(pg_stat_get_live_tuples(to_regclass('message')), 0) AS message,
    coalesce(pg_stat_get_live_tuples(to_regclass('audit')), 0) AS audit,
    coalesce(pg_stat_get_live_tuples(to_regclass('outbox')), 0) AS outbox,
    (SELECT count(*) FROM device) AS device";

const SELECT_BYTES: &str = "SELECT pg_database_size(current_database()) AS bytes";
