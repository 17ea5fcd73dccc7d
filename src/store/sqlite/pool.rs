//! The connections that read.

use sqlx::sqlite::{Sqlite, SqlitePool, SqlitePoolOptions};

use super::failure::failure;
use super::location::{BUSY_TIMEOUT, Location};
use crate::store::error::StoreError;
use crate::store::row::Row;
use crate::store::statement::Statement;

/// Connections that cannot write; they are made when they are needed.
pub(super) fn open(location: &Location) -> SqlitePool {
    SqlitePoolOptions::new()
        .max_connections(MAX_CONNECTIONS)
        .acquire_timeout(BUSY_TIMEOUT)
        .connect_lazy_with(location.options().pragma("query_only", "ON"))
}

pub(in crate::store) async fn fetch(pool: &SqlitePool, statement: Statement) -> Result<Vec<Row>, StoreError> {
    let rows = statement.query::<Sqlite>().fetch_all(pool).await.map_err(failure)?;
    Ok(rows.into_iter().map(Row::Sqlite).collect())
}

/// How many listings can run at once.
const MAX_CONNECTIONS: u32 = 4;
